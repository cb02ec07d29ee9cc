// Real frames on a real device, where a test run cannot show it: tags that the kernel keeps beside the frame, headers outside the linear
// part, programs changed under traffic.
#include <catch2/catch_test_macros.hpp>

#include "enforced.h"

using namespace packet;
using namespace prog;

TEST_CASE("T-V1 T-V2 T-V3 T-V4 a tag has the same verdict in the frame and taken off it", "[wire]") {
  // At XDP the tag is in the frame, at tc the kernel has taken the outer one off.
  for (const auto hook : kIngressHooks) {
    CAPTURE(name(hook));
    Enforced host(hook);
    std::uint16_t port = 1000;
    for (const std::uint16_t outer : {0x8100, 0x88a8}) {
      const Vlan tag{.tpid = outer};
      CHECK(host.judge(Ethernet{} / tag / Ipv4{} / Tcp{.source = ++port, .destination = 80}) == allowed(NW_REASON_POLICY));
      CHECK(host.judge(Ethernet{} / tag / Ipv4{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(host.judge(Ethernet{} / tag / Vlan{} / Ipv6{} / Tcp{.source = ++port, .destination = 80}) == allowed(NW_REASON_POLICY));
      CHECK(host.judge(Ethernet{} / tag / Vlan{} / Ipv6{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(host.judge(Ethernet{} / tag / Vlan{} / Vlan{} / Ipv4{} / Tcp{.destination = 80}) == denied(NW_REASON_L2_DEPTH));
      CHECK(host.judge(Ethernet{} / tag / Vlan{} / Vlan{} / Vlan{} / Ipv4{} / Tcp{.destination = 80}) == denied(NW_REASON_L2_DEPTH));
    }
  }
}

TEST_CASE("T-G3 T-XD1 headers outside the linear part of a large frame are read", "[wire]") {
  for (const auto hook : kIngressHooks) {
    CAPTURE(name(hook));
    Enforced host(hook);
    const Payload bulk(7000);
    CHECK(host.judge(Ethernet{} / Ipv4{.options = Bytes(16, 1)} / Tcp{.source = 1, .destination = 80} / bulk, true) == allowed(NW_REASON_POLICY));
    CHECK(host.judge(Ethernet{} / Ipv4{} / Tcp{.source = 2, .destination = 81} / bulk, true) == denied(NW_REASON_TIER_DEFAULT));
    CHECK(host.judge(Ethernet{} / Ipv4{.options = {131, 3, 4, 0}} / Tcp{} / bulk, true) == denied(NW_REASON_SOURCE_ROUTE));
    const Extension destination{.kind = 60, .length = 64};
    CHECK(host.judge(Ethernet{} / Ipv6{} / destination / destination / destination / Tcp{.source = 3, .destination = 80} / bulk, true) ==
          allowed(NW_REASON_POLICY));
    CHECK(host.judge(Ethernet{} / Ipv6{} / destination / destination / destination / Tcp{.source = 4, .destination = 81} / bulk, true) ==
          denied(NW_REASON_TIER_DEFAULT));
    CHECK(host.judge(Ethernet{} / Ipv6{.payload_length = 7300} / Tcp{} / bulk, true) == denied(NW_REASON_SHORT));
  }
}

TEST_CASE("T-G4 frames that end behind the Ethernet header are dropped", "[wire]") {
  for (const auto hook : kIngressHooks) {
    Enforced host(hook);
    for (std::size_t bytes = 14; bytes < 14 + 20; ++bytes)
      CHECK(host.judge(first(Ethernet{} / Ipv4{} / Tcp{}, bytes)) == denied(NW_REASON_SHORT));
    for (std::size_t bytes = 14; bytes < 14 + 40; ++bytes)
      CHECK(host.judge(first(Ethernet{} / Ipv6{} / Tcp{}, bytes)) == denied(NW_REASON_SHORT));
    CHECK(host.judge(first(Ethernet{} / Vlan{} / Ipv4{} / Tcp{}, 20)) == denied(NW_REASON_SHORT));
  }
}
