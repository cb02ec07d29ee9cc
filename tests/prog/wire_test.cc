// Real frames on a real device, where a test run cannot show it: tags that the kernel keeps beside the frame, headers outside the linear
// part, programs changed under traffic.
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <thread>

#include "lab.h"
#include "node.h"

using namespace packet;
using namespace prog;
using namespace std::chrono_literals;

namespace {

class Enforced {
 public:
  explicit Enforced(Hook hook) : datapath_(open()) {
    const auto host0 = Node::ifindex("host0");
    REQUIRE(datapath_.set_settings(kSettings));
    REQUIRE(datapath_.set_local_addresses({{*nodewall::parse_address("10.0.0.1"), NW_LOCAL_ADDRESS},
                                           {*nodewall::parse_address("2001:db8::1"), NW_LOCAL_ADDRESS}}));
    REQUIRE(datapath_.reserve_rule_counters(64));
    REQUIRE(datapath_.set_policy(image_of(standard_policy()).lines, 1));
    REQUIRE(datapath_.set_interfaces({{host0, nw_interface{}}}));
    const auto attached = datapath_.attach(host0, hook);
    if (!attached) FAIL(attached.error().message());
  }

  // The verdict of one frame that comes in by the wire: whose counter grew. The kernel's own frames (neighbour discovery) do not count.
  Outcome judge(const Bytes& frame, bool headers_apart = false) {
    const auto before = counters();
    REQUIRE(wire_.send(frame, headers_apart));
    const auto deadline = std::chrono::steady_clock::now() + 5s;
    while (std::chrono::steady_clock::now() < deadline) {
      const auto after = counters();
      for (std::uint32_t reason = 1; reason < NW_REASON_COUNT; ++reason) {
        const auto index = nw_counter_index(0, NW_INGRESS, reason);
        const auto grown = after[index].packets - before[index].packets;
        if (grown == 0 || reason == NW_REASON_NEIGHBOUR) continue;
        const bool allow = reason == NW_REASON_POLICY || reason == NW_REASON_ESTABLISHED;
        return {allow, reason};
      }
      std::this_thread::sleep_for(1ms);
    }
    FAIL("no counter grew");
    return {};
  }

 private:
  Datapath open() {
    REQUIRE(Node::run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && ip link set host0 mtu 9000 && ip link set peer0 mtu 9000"));
    auto opened = Datapath::open({.pin_dir = node_.pins(), .conntrack_size = 4096});
    if (!opened) FAIL(opened.error().message());
    return std::move(*opened);
  }
  [[nodiscard]] std::vector<nw_count> counters() const {
    auto counts = datapath_.counters(0);
    REQUIRE(counts);
    return std::move(*counts);
  }

  Node node_;
  Datapath datapath_;
  Wire wire_{"peer0"};
};

}  // namespace

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
