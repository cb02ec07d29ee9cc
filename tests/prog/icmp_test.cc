// ICMP: errors go with the flow that they speak of, echoes are flows, neighbour discovery is what IPv6 cannot live without.
#include <catch2/catch_test_macros.hpp>

#include "lab.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::uint32_t kRelated = NW_REASON_RELATED, kUnrelated = NW_REASON_ICMP_UNRELATED, kDefault = NW_REASON_TIER_DEFAULT;

// The host asks 10.0.0.9 and 2001:db8::9 by UDP, which policy allows.
void open_flows(Lab& lab) {
  REQUIRE(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{}) == allowed(NW_REASON_POLICY));
  REQUIRE(lab.send(Hook::tc_egress, Ethernet{} / v6_from_host() / Udp{}) == allowed(NW_REASON_POLICY));
}

Bytes error4(const Bytes& quoted, std::uint8_t type = 3, std::uint8_t code = 3, const char* router = "10.0.7.7") {
  return Ethernet{} / Ipv4{.source = router} / Icmp{.type = type, .code = code, .id = 0, .sequence = 0} / Payload(quoted);
}

Bytes error6(const Bytes& quoted, std::uint8_t type = 1, std::uint8_t code = 4, const char* router = "2001:db8:7::7") {
  return Ethernet{} / Ipv6{.source = router} / Icmp{.type = type, .code = code, .id = 0, .sequence = 0} / Payload(quoted);
}

Bytes quoted4() { return v4_from_host() / Udp{} / Payload(8); }
Bytes quoted6() { return v6_from_host() / Udp{} / Payload(8); }

}  // namespace

TEST_CASE("T-I1 T-I7 errors about an open flow pass from any router, packet-too-big among them", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    open_flows(lab);
    const auto flows = lab.flows().size();
    for (const std::uint8_t type : {3, 4, 5, 11, 12}) CHECK(lab.send(hook, error4(quoted4(), type, 0)) == allowed(kRelated));
    CHECK(lab.send(hook, error4(quoted4(), 3, 4)) == allowed(kRelated));
    for (const std::uint8_t type : {1, 2, 3, 4}) CHECK(lab.send(hook, error6(quoted6(), type, 0)) == allowed(kRelated));
    CHECK(lab.flows().size() == flows);
  }
}

TEST_CASE("T-I2 errors about no flow are dropped, also where policy allows ICMP", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(allow_all());
    CHECK(lab.send(hook, error4(quoted4())) == denied(kUnrelated));
    CHECK(lab.send(hook, error6(quoted6())) == denied(kUnrelated));
  }
}

TEST_CASE("T-I2 an error must quote what the host sent to that peer from that port", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    open_flows(lab);
    CHECK(lab.send(hook, error4(v4_from_host("10.0.0.8") / Udp{} / Payload(8))) == denied(kUnrelated));
    CHECK(lab.send(hook, error4(v4_from_host() / Udp{.source = 40001} / Payload(8))) == denied(kUnrelated));
    CHECK(lab.send(hook, error4(v4_from_host() / Udp{.destination = 54} / Payload(8))) == denied(kUnrelated));
    CHECK(lab.send(hook, error4(v4_from_host() / Tcp{.destination = 53})) == denied(kUnrelated));
    // The peer's own packet of that flow is not what the host sent.
    CHECK(lab.send(hook, error4(Ipv4{} / Udp{.source = 53, .destination = 40000} / Payload(8))) == denied(kUnrelated));
    CHECK(lab.send(hook, error6(v6_from_host("2001:db8::8") / Udp{} / Payload(8))) == denied(kUnrelated));
    CHECK(lab.send(hook, error6(Ipv6{} / Udp{.source = 53, .destination = 40000} / Payload(8))) == denied(kUnrelated));
    // Nor is a quoted packet of the other family.
    CHECK_FALSE(lab.send(hook, error4(quoted6())).allow);
    CHECK_FALSE(lab.send(hook, error6(quoted4())).allow);
  }
}

TEST_CASE("T-I2 an error must come to the address that sent what it quotes", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    open_flows(lab);
    const Icmp unreachable{.type = 3, .code = 3, .id = 0, .sequence = 0}, unreachable6{.type = 1, .code = 4, .id = 0, .sequence = 0};
    const Payload quoted(quoted4()), quoted_v6(quoted6());
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / unreachable / quoted) == allowed(kRelated));
    lab.set_local("10.0.0.2", NW_LOCAL_ADDRESS);
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = "10.0.0.2"} / unreachable / quoted) == denied(kUnrelated));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / unreachable6 / quoted_v6) == allowed(kRelated));
    lab.set_local("2001:db8::2", NW_LOCAL_ADDRESS);
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.destination = "2001:db8::2"} / unreachable6 / quoted_v6) == denied(kUnrelated));
  }
}

TEST_CASE("T-I2 an error about a flow that is over is dropped", "[icmp]") {
  Lab lab;
  open_flows(lab);
  lab.pass_time(kSettings.udp_ns + kSecond);
  CHECK(lab.send(Hook::tc_ingress, error4(quoted4())) == denied(kUnrelated));
  CHECK(lab.send(Hook::tc_ingress, error6(quoted6())) == denied(kUnrelated));
}

TEST_CASE("T-I2 an error about an error, or about ICMP that is no echo, is dropped", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    // Identifier 0 has the ports of a packet without ports.
    REQUIRE(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Icmp{.id = 0}) == allowed(NW_REASON_POLICY));
    REQUIRE(lab.send(Hook::tc_egress, Ethernet{} / v6_from_host() / Icmp{.type = 128, .id = 0}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, error4(v4_from_host() / Icmp{.type = 3, .id = 0})) == denied(kUnrelated));
    CHECK(lab.send(hook, error4(v4_from_host() / Icmp{.type = 13, .id = 0})) == denied(kUnrelated));
    CHECK(lab.send(hook, error4(v4_from_host() / Icmp{.type = 0, .id = 0})) == denied(kUnrelated));
    CHECK(lab.send(hook, error4(v4_from_host() / Icmp{.type = 8, .id = 0})) == allowed(kRelated));
    CHECK(lab.send(hook, error6(v6_from_host() / Icmp{.type = 137, .id = 0})) == denied(kUnrelated));
    CHECK(lab.send(hook, error6(v6_from_host() / Icmp{.type = 128, .id = 0})) == allowed(kRelated));
  }
}

TEST_CASE("T-I3 an echo reply needs its request, by address and identifier", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Icmp{.type = 0, .id = 5}) == denied(kDefault));
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Icmp{.id = 5}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Icmp{.type = 0, .id = 5}) == allowed(NW_REASON_ESTABLISHED));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Icmp{.type = 0, .id = 6}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.source = "10.0.0.8"} / Icmp{.type = 0, .id = 5}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Icmp{.type = 129, .id = 5}) == denied(kDefault));
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v6_from_host() / Icmp{.type = 128, .id = 5}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Icmp{.type = 129, .id = 5}) == allowed(NW_REASON_ESTABLISHED));
  }
}

TEST_CASE("T-I3 who is asked may answer, not ask back", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {}, .egress = {{.protocol = kIcmp}, {.protocol = kIcmpV6}}});
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Icmp{.id = 5}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Icmp{.type = 8, .id = 5}) == denied(kDefault));
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v6_from_host() / Icmp{.type = 128, .id = 5}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Icmp{.type = 128, .id = 5}) == denied(kDefault));
  }
}

TEST_CASE("T-I3 other ICMP is not carried by an echo of identifier 0, nor by a flow of ports", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Icmp{.id = 0}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v6_from_host() / Icmp{.type = 128, .id = 0}) == allowed(NW_REASON_POLICY));
    for (const std::uint8_t type : {9, 10, 13, 14, 17}) CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Icmp{.type = type, .id = 0}) == denied(kDefault));
    // A redirect of IPv6, router renumbering, node information.
    for (const std::uint8_t type : {137, 138, 139, 140}) CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Icmp{.type = type, .id = 0}) == denied(kDefault));
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{.source = 53, .destination = 53}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Icmp{.type = 0, .id = 53}) == denied(kDefault));
  }
}

TEST_CASE("T-I4 an error whose quoted packet is cut before the ports is dropped", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    open_flows(lab);
    REQUIRE(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Tcp{.destination = 443}) == allowed(NW_REASON_POLICY));
    for (std::size_t bytes = 0; bytes < 28; ++bytes) {
      CAPTURE(bytes);
      auto quote = quoted4();
      quote.resize(bytes);
      CHECK(lab.send(hook, error4(quote)) == denied(kUnrelated));
      // Nor may the frame's padding fill it up.
      const auto whole = quoted4();
      auto frame = error4(quote);
      frame.insert(frame.end(), whole.begin() + static_cast<std::ptrdiff_t>(bytes), whole.end());
      CHECK(lab.send(hook, frame) == denied(kUnrelated));
      auto tcp = packet::bytes(v4_from_host() / Tcp{.destination = 443});
      auto tcp_frame = error4(Bytes(tcp.begin(), tcp.begin() + static_cast<std::ptrdiff_t>(bytes)));
      tcp_frame.insert(tcp_frame.end(), tcp.begin() + static_cast<std::ptrdiff_t>(bytes), tcp.end());
      CHECK(lab.send(hook, tcp_frame) == denied(kUnrelated));
    }
    for (std::size_t bytes = 0; bytes < 48; ++bytes) {
      auto quote = quoted6();
      quote.resize(bytes);
      CHECK(lab.send(hook, error6(quote)) == denied(kUnrelated));
    }
    // Eight bytes are all that IPv4 promises.
    auto quote = packet::bytes(v4_from_host() / Tcp{.destination = 443});
    quote.resize(28);
    CHECK(lab.send(hook, error4(quote)) == allowed(kRelated));
  }
}

TEST_CASE("T-I5 an error that quotes a later fragment is dropped", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    open_flows(lab);
    auto header = v4_from_host();
    header.offset = 5;
    CHECK(lab.send(hook, error4(header / Udp{} / Payload(8))) == denied(kUnrelated));
    CHECK(lab.send(hook, error6(v6_from_host() / Fragment{.offset = 5} / Udp{} / Payload(8))) == denied(kUnrelated));
  }
}

TEST_CASE("T-I6 extension headers of the quoted packet are walked", "[icmp]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    open_flows(lab);
    CHECK(lab.send(hook, error6(v6_from_host() / Extension{.kind = 60, .length = 16} / Udp{} / Payload(8))) == allowed(kRelated));
    CHECK(lab.send(hook, error6(v6_from_host() / Extension{.kind = 60, .length = 16} / Udp{.source = 2} / Payload(8))) ==
          denied(kUnrelated));
    CHECK(lab.send(hook, error4(Ipv4{.source = "10.0.0.1", .destination = "10.0.0.9", .options = Bytes(8, 1)} / Udp{} / Payload(8))) ==
          allowed(kRelated));
  }
}

TEST_CASE("T-I1 the host's own errors leave when they are about a flow or about what it forwards", "[icmp]") {
  Lab lab;
  REQUIRE(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Udp{}) == allowed(NW_REASON_POLICY));
  const auto out = [](const Bytes& quoted) -> Bytes {
    return Ethernet{} / v4_from_host() / Icmp{.type = 3, .code = 3, .id = 0, .sequence = 0} / Payload(quoted);
  };
  CHECK(lab.send(Hook::tc_egress, out(Ipv4{} / Udp{} / Payload(8))) == allowed(kRelated));
  CHECK(lab.send(Hook::tc_egress, out(Ipv4{} / Udp{.destination = 54} / Payload(8))) == denied(kUnrelated));
  const Bytes forwarded = Ipv4{.destination = "10.9.9.9"} / Udp{} / Payload(8);
  CHECK(lab.send(Hook::tc_egress, out(forwarded)) == allowed(NW_REASON_FORWARDED));
  // Nobody else is told.
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host("10.0.0.8") / Icmp{.type = 3, .code = 3, .id = 0, .sequence = 0} / Payload(forwarded)) ==
        denied(kUnrelated));
}

TEST_CASE("T-I8 neighbour discovery passes with hop limit 255 and code 0 only", "[icmp]") {
  Lab lab(deny_all());
  for (const auto hook : kHooks)
    for (const std::uint8_t type : {133, 134, 135, 136}) {
      const auto frame = [&](std::uint8_t hop_limit, std::uint8_t code) -> Bytes {
        return Ethernet{} / Ipv6{.source = "fe80::9", .destination = "fe80::1", .hop_limit = hop_limit} / Icmp{.type = type, .code = code} /
               Payload(16);
      };
      CHECK(lab.send(hook, frame(255, 0)) == allowed(NW_REASON_NEIGHBOUR));
      CHECK(lab.send(hook, frame(64, 0)) == denied(NW_REASON_NEIGHBOUR_MALFORMED));
      CHECK(lab.send(hook, frame(254, 0)) == denied(NW_REASON_NEIGHBOUR_MALFORMED));
      CHECK(lab.send(hook, frame(255, 1)) == denied(NW_REASON_NEIGHBOUR_MALFORMED));
    }
  CHECK(lab.flows().empty());
}

TEST_CASE("T-I8 T-M2 MLD passes with hop limit 1 only", "[icmp]") {
  Lab lab(deny_all());
  for (const auto hook : kHooks)
    for (const std::uint8_t type : {130, 131, 132, 143}) {
      const auto frame = [&](std::uint8_t hop_limit) -> Bytes {
        return Ethernet{} / Ipv6{.source = "fe80::9", .destination = "ff02::1", .hop_limit = hop_limit} / Extension{.kind = 0} / Icmp{.type = type} /
               Payload(16);
      };
      CHECK(lab.send(hook, frame(1)) == allowed(NW_REASON_NEIGHBOUR));
      CHECK(lab.send(hook, frame(64)) == denied(NW_REASON_NEIGHBOUR_MALFORMED));
    }
}

TEST_CASE("T-I8 fragmented neighbour discovery is left to policy", "[icmp]") {
  Lab lab(deny_all());
  for (const auto hook : kIngressHooks)
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.source = "fe80::9", .destination = "fe80::1", .hop_limit = 255} / Fragment{.more = true} /
                             Icmp{.type = 135} / Payload(16)) == denied(kDefault));
}
