// Addresses: whose packet is it, and can it be.
#include <catch2/catch_test_macros.hpp>

#include "lab.h"

using namespace packet;
using namespace prog;

TEST_CASE("T-A1 IPv4-mapped addresses on the wire are dropped", "[address]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.source = "::ffff:10.0.0.9"} / Tcp{}) == denied(NW_REASON_V4_MAPPED));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.destination = "::ffff:10.0.0.1"} / Tcp{}) == denied(NW_REASON_V4_MAPPED));
  }
}

TEST_CASE("T-A2 6to4, NAT64 and Teredo addresses are IPv6 addresses like any other", "[address]") {
  Lab lab({.ingress = {{.protocol = kTcp, .port = 80, .any_address = true}}, .egress = {}});
  for (const auto hook : kIngressHooks)
    for (const char* source : {"2002:a00:9::1", "64:ff9b::a00:9", "2001:0:1::1"}) {
      lab.forget_flows();
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.source = source} / Tcp{.destination = 80}) == allowed(NW_REASON_POLICY));
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.source = source} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
    }
}

TEST_CASE("T-M1 multicast and broadcast to the host are judged by policy", "[address]") {
  Lab lab;
  for (const auto hook : kIngressHooks)
    for (const char* destination : {"224.0.0.251", "239.1.2.3", "255.255.255.255", "10.0.0.255"}) {
      CAPTURE(destination);
      lab.forget_flows();
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = destination} / Udp{.destination = 53}) == allowed(NW_REASON_POLICY));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = destination} / Udp{.destination = 5353}) ==
            denied(NW_REASON_TIER_DEFAULT));
    }
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.destination = "ff02::fb"} / Udp{.destination = 53}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.destination = "ff02::fb"} / Udp{.destination = 5353}) == denied(NW_REASON_TIER_DEFAULT));
  }
}

TEST_CASE("T-M1 a DHCP answer to the broadcast address passes by the failsafe port", "[address]") {
  Lab lab(deny_all());
  lab.set_failsafe({{.direction = NW_INGRESS, .is_udp = true, .port = 68, .net = {}}});
  for (const auto hook : kIngressHooks) {
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.source = "10.0.0.254", .destination = "255.255.255.255"} / Udp{.source = 67, .destination = 68}) ==
          allowed(NW_REASON_FAILSAFE));
    lab.forget_flows();
  }
}

TEST_CASE("T-M2 IGMP is judged by protocol", "[address]") {
  Lab lab({.ingress = {{.protocol = 2}}, .egress = {}});
  for (const auto hook : kIngressHooks) {
    const Ipv4 header{.destination = "224.0.0.1", .protocol = 2};
    CHECK(lab.send(hook, Ethernet{} / header / Payload(8)) == allowed(NW_REASON_POLICY));
    lab.set_policy(deny_all());
    lab.forget_flows();
    CHECK(lab.send(hook, Ethernet{} / header / Payload(8)) == denied(NW_REASON_TIER_DEFAULT));
    lab.set_policy({.ingress = {{.protocol = 2}}, .egress = {}});
  }
}

TEST_CASE("T-M4 sources and destinations that cannot be on the wire are martians", "[address]") {
  Lab lab(allow_all());
  for (const auto hook : kIngressHooks) {
    for (const char* source : {"127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255", "255.255.255.255", "0.0.0.1"})
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.source = source} / Udp{}) == denied(NW_REASON_MARTIAN));
    for (const char* destination : {"127.0.0.1", "0.0.0.0", "0.1.2.3"})
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = destination} / Udp{}) == denied(NW_REASON_MARTIAN));
    for (const char* source : {"::1", "ff02::1", "ff0e::5"})
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.source = source} / Udp{}) == denied(NW_REASON_MARTIAN));
    for (const char* destination : {"::1", "::"})
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.destination = destination} / Udp{}) == denied(NW_REASON_MARTIAN));
  }
}

TEST_CASE("T-S1 T-M4 an address of the host as a source from outside opens nothing, whichever stage would allow it", "[address]") {
  Policy policy = allow_all();
  policy.more[NW_CHAIN_UNTRACKED_INGRESS] = {{.protocol = kTcp, .port = 81, .any_address = true}};
  Lab lab(policy);
  lab.set_failsafe({{.direction = NW_INGRESS, .is_udp = false, .port = 22, .net = {}}});
  lab.set_flags(NW_INTERFACE_UNTRACKED);
  const auto send = [&](Hook hook, const char* source, std::uint16_t port) {
    return lab.send(hook, Ethernet{} / Ipv4{.source = source} / Tcp{.destination = port});
  };
  for (const auto hook : kIngressHooks) {
    for (const std::uint16_t port : {22, 80, 81}) {
      CAPTURE(port);
      for (const char* source : {"10.0.0.1", "10.0.0.255"}) CHECK(send(hook, source, port) == denied(NW_REASON_MARTIAN));
    }
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.source = "2001:db8::1"} / Tcp{}) == denied(NW_REASON_MARTIAN));
    CHECK(lab.flows().empty());
    CHECK(send(hook, "10.0.0.9", 81) == allowed(NW_REASON_POLICY));
  }
  lab.set_flags(NW_INTERFACE_UNTRACKED | NW_INTERFACE_LOOPBACK);
  CHECK(send(Hook::tc_ingress, "10.0.0.1", 81) == allowed(NW_REASON_POLICY));
  CHECK(send(Hook::tc_ingress, "10.0.0.1", 22) == allowed(NW_REASON_FAILSAFE));
}

TEST_CASE("T-M4 a host without an address may ask for one", "[address]") {
  Lab lab({.ingress = {{.protocol = kUdp, .port = 67, .any_address = true}}, .egress = {}});
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.source = "0.0.0.0", .destination = "255.255.255.255"} / Udp{.source = 68, .destination = 67}) ==
          allowed(NW_REASON_POLICY));
  }
}

TEST_CASE("T-M4 on loopback the host's own addresses are no martians", "[address]") {
  Lab lab(deny_all());
  lab.set_flags(NW_INTERFACE_LOOPBACK);
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{.source = "127.0.0.1"} / Tcp{.destination = 80}) == denied(NW_REASON_TIER_DEFAULT));
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv6{.source = "::1"} / Tcp{.destination = 80}) == denied(NW_REASON_TIER_DEFAULT));
}

TEST_CASE("T-O1 a packet for the address of another interface of the host is judged where it comes in", "[address]") {
  Lab lab;
  REQUIRE(lab.datapath().set_local_addresses({{*nodewall::parse_address("10.0.0.1"), NW_LOCAL_ADDRESS},
                                              {*nodewall::parse_address("192.168.7.1"), NW_LOCAL_ADDRESS}}));
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = "192.168.7.1"} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = "192.168.7.1"} / Tcp{.destination = 80}) == allowed(NW_REASON_POLICY));
  }
}

TEST_CASE("traffic that the host forwards passes in both directions and leaves no flow", "[address]") {
  Lab lab(deny_all());
  for (const auto hook : kIngressHooks) {
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = "10.9.9.9"} / Tcp{}) == allowed(NW_REASON_FORWARDED));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.destination = "2001:db8:9::9"} / Udp{}) == allowed(NW_REASON_FORWARDED));
  }
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / Ipv4{.source = "10.9.9.9", .destination = "10.0.0.9"} / Tcp{}, {.ingress_ifindex = 1}) ==
        allowed(NW_REASON_FORWARDED));
  CHECK(lab.flows().empty());
}

TEST_CASE("answers to forwarded traffic behind the host's address pass, and nothing else of that peer", "[address]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(deny_all());
    const Ipv4 answer{};
    CHECK(lab.send(hook, Ethernet{} / answer / Tcp{.source = 443, .destination = 40000, .flags = kSyn | kAck}) ==
          denied(NW_REASON_TIER_DEFAULT));
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Tcp{.source = 40000, .destination = 443}, {.ingress_ifindex = 1}) ==
          allowed(NW_REASON_FORWARDED));
    CHECK(lab.send(hook, Ethernet{} / answer / Tcp{.source = 443, .destination = 40000, .flags = kSyn | kAck}) ==
          allowed(NW_REASON_ESTABLISHED));
    CHECK(lab.send(hook, Ethernet{} / answer / Tcp{.source = 443, .destination = 40001, .flags = kSyn | kAck}) ==
          denied(NW_REASON_TIER_DEFAULT));
    CHECK(lab.send(hook, Ethernet{} / answer / Tcp{.source = 443, .destination = 40000, .flags = kSyn}) ==
          denied(NW_REASON_TIER_DEFAULT));
    // Policy did not let it in and does not take it away.
    lab.set_policy(deny_all());
    CHECK(lab.send(hook, Ethernet{} / answer / Tcp{.source = 443, .destination = 40000, .flags = kAck}) ==
          allowed(NW_REASON_ESTABLISHED));
    // The host's own packets still need policy.
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Tcp{.source = 40005, .destination = 443}) ==
          denied(NW_REASON_TIER_DEFAULT));
  }
}
