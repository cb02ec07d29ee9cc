// What stands in front of the IP header, or instead of it.
#include <catch2/catch_test_macros.hpp>

#include "lab.h"

using namespace packet;
using namespace prog;

namespace {

Payload typed(std::uint16_t type, Bytes data) {
  Payload payload(std::move(data));
  payload.type = type;
  return payload;
}

constexpr std::uint32_t kDeny = NW_REASON_TIER_DEFAULT, kAllow = NW_REASON_POLICY;

}  // namespace

TEST_CASE("T-V1 T-V2 one and two tags are looked through", "[link]") {
  for (const auto hook : kIngressHooks)
    for (const std::uint16_t outer : {0x8100, 0x88a8, 0x9100}) {
      CAPTURE(outer);
      Lab lab;
      CHECK(lab.send(hook, Ethernet{} / Vlan{.tpid = outer} / Ipv4{} / Tcp{.destination = 81}) == denied(kDeny));
      CHECK(lab.send(hook, Ethernet{} / Vlan{.tpid = outer} / Ipv4{} / Tcp{.destination = 80}) == allowed(kAllow));
      CHECK(lab.send(hook, Ethernet{} / Vlan{.tpid = outer} / Vlan{} / Ipv6{} / Tcp{.destination = 81}) == denied(kDeny));
      CHECK(lab.send(hook, Ethernet{} / Vlan{.tpid = outer} / Vlan{} / Ipv6{} / Tcp{.destination = 80}) == allowed(kAllow));
    }
}

TEST_CASE("T-V3 three tags are too many, whatever is in them", "[link]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    CHECK(lab.send(hook, Ethernet{} / Vlan{} / Vlan{} / Vlan{} / Ipv4{} / Tcp{}) == denied(NW_REASON_L2_DEPTH));
    CHECK(lab.send(hook, Ethernet{} / Vlan{.tpid = 0x88a8} / Vlan{.tpid = 0x88a8} / Vlan{} / Vlan{} / Ipv6{} / Tcp{}) ==
          denied(NW_REASON_L2_DEPTH));
    CHECK(lab.send(hook, Ethernet{} / Vlan{} / Vlan{} / Vlan{} / typed(0x0806, Bytes(28))) == denied(NW_REASON_L2_DEPTH));
  }
}

TEST_CASE("T-V5 a priority tag changes nothing", "[link]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    CHECK(lab.send(hook, Ethernet{} / Vlan{.id = 0xe000} / Ipv4{} / Tcp{.destination = 81}) == denied(kDeny));
    CHECK(lab.send(hook, Ethernet{} / Vlan{.id = 0xe000} / Ipv4{} / Tcp{.destination = 80}) == allowed(kAllow));
    // It is the flow of the packet without the tag.
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.destination = 80, .flags = kAck}) == allowed(NW_REASON_ESTABLISHED));
  }
}

TEST_CASE("T-V6 IP inside LLC and SNAP is not let past unread", "[link]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    const auto snap = [](std::uint16_t type) -> Bytes {
      Bytes body{0xaa, 0xaa, 0x03, 0, 0, 0, static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type)};
      const auto inner = bytes(Ipv4{} / Tcp{});
      body.insert(body.end(), inner.begin(), inner.end());
      return Ethernet{.type = static_cast<std::uint16_t>(body.size())} / Payload(body);
    };
    CHECK(lab.send(hook, snap(0x0800)) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
    CHECK(lab.send(hook, snap(0x86dd)) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
    CHECK(lab.send(hook, Ethernet{} / Vlan{.type = 48} / Payload(Bytes{0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45})) ==
          denied(NW_REASON_UNKNOWN_ETHERTYPE));
    // The access point that IP has of its own.
    CHECK(lab.send(hook, Ethernet{.type = 23} / Payload(Bytes{0x06, 0x06, 3, 0x45, 0, 0, 20, 0, 1})) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
    CHECK(lab.send(hook, Ethernet{.type = 23} / Payload(Bytes{0xaa, 0x06, 3, 0x45, 0, 0, 20, 0, 1})) == allowed(NW_REASON_NOT_IP));
  }
}

TEST_CASE("T-V7 ARP, spanning tree and LLDP pass, and are counted", "[link]") {
  Lab lab(deny_all());
  for (const auto hook : kHooks) {
    CHECK(lab.send(hook, Ethernet{} / typed(0x0806, Bytes(28))) == allowed(NW_REASON_NOT_IP));
    CHECK(lab.send(hook, Ethernet{} / typed(0x88cc, Bytes(40))) == allowed(NW_REASON_NOT_IP));
    CHECK(lab.send(hook, Ethernet{.type = 38} / Payload(Bytes{0x42, 0x42, 3, 0, 0, 0, 0, 0, 0, 0})) == allowed(NW_REASON_NOT_IP));
    CHECK(lab.send(hook, Ethernet{} / Vlan{} / typed(0x0806, Bytes(28))) == allowed(NW_REASON_NOT_IP));
  }
  CHECK(lab.flows().empty());
}

TEST_CASE("T-V8 MPLS and PPPoE sessions are dropped, whatever they carry", "[link]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks)
    for (const std::uint16_t type : {0x8847, 0x8848, 0x8864}) {
      Bytes inside{0, 0, 0x11, 0x40};
      const auto ip = bytes(Ipv4{} / Tcp{});
      inside.insert(inside.end(), ip.begin(), ip.end());
      CHECK(lab.send(hook, Ethernet{} / typed(type, inside)) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
      CHECK(lab.send(hook, Ethernet{} / Vlan{} / typed(type, inside)) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
    }
}

// A test run makes the protocol from bytes 12 and 13, as if there were an Ethernet header: the source address is chosen so that they
// say IPv4 and IPv6.
TEST_CASE("T-U4 an interface without Ethernet header is judged from byte 0", "[link]") {
  Lab lab({.ingress = {{.protocol = kTcp, .port = 80, .any_address = true}}, .egress = {}});
  lab.set_flags(NW_INTERFACE_L3);
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    const Ipv4 v4{.source = "8.0.0.9"};
    const Ipv6 v6{.source = "2001:db8:86dd::9"};
    CHECK(lab.send(hook, v4 / Tcp{.destination = 80}) == allowed(kAllow));
    CHECK(lab.send(hook, v4 / Tcp{.destination = 81}) == denied(kDeny));
    CHECK(lab.send(hook, v6 / Tcp{.destination = 80}) == allowed(kAllow));
    CHECK(lab.send(hook, v6 / Tcp{.destination = 81}) == denied(kDeny));
    // The version must be the protocol's.
    auto other = v4;
    other.version = 6;
    CHECK_FALSE(lab.send(hook, other / Tcp{.destination = 80}).allow);
  }
}

TEST_CASE("T-U4 at XDP a packet without Ethernet header that is neither IPv4 nor IPv6 is dropped", "[link]") {
  Lab lab(allow_all());
  lab.set_flags(NW_INTERFACE_L3);
  for (std::uint8_t version = 0; version < 16; ++version) {
    if (version == 4 || version == 6) continue;
    CHECK(lab.send(Hook::xdp, Ipv4{.version = version} / Tcp{}) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
  }
}
