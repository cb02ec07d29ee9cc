// Failsafe ports open what they say, and nothing beside it.
#include <catch2/catch_test_macros.hpp>

#include "lab.h"

using namespace packet;
using namespace prog;

namespace {

using nodewall::BareAddress;
using nodewall::kernel::FailsafeEntry;

constexpr std::uint32_t kFailsafe = NW_REASON_FAILSAFE, kDefault = NW_REASON_TIER_DEFAULT;

FailsafeEntry entry(std::uint32_t direction, bool is_udp, std::uint16_t port, const char* net = nullptr) {
  FailsafeEntry made{.direction = direction, .is_udp = is_udp, .port = port, .net = {}};
  if (net != nullptr) made.net = *nodewall::parse_cidr(net, BareAddress::refuse);
  return made;
}

}  // namespace

TEST_CASE("T-Z1 a failsafe port is open under a policy that denies everything, for its protocol and direction only", "[failsafe]") {
  Lab lab(deny_all());
  lab.set_failsafe({entry(NW_INGRESS, false, 22), entry(NW_EGRESS, true, 53)});
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.source = "203.0.113.9"} / Tcp{.destination = 22}) == allowed(kFailsafe));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{.source = "2001:db8:9::9"} / Tcp{.destination = 22}) == allowed(kFailsafe));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.destination = 23}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Udp{.destination = 22}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Sctp{.destination = 22}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Udp{.destination = 53}) == denied(kDefault));
  }
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{.destination = 53}) == allowed(kFailsafe));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host("10.0.0.8") / Tcp{.destination = 22}) == denied(kDefault));
}

TEST_CASE("T-Z1 a failsafe port as source port opens nothing", "[failsafe]") {
  Lab lab(deny_all());
  lab.set_failsafe({entry(NW_INGRESS, false, 22), entry(NW_EGRESS, true, 53), entry(NW_EGRESS, false, 443)});
  for (const auto hook : kIngressHooks) {
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Udp{.source = 53, .destination = 40000}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.source = 443, .destination = 8080, .flags = kSyn | kAck}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.source = 22, .destination = 8080}) == denied(kDefault));
  }
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Tcp{.source = 22, .destination = 40000}) == denied(kDefault));
}

TEST_CASE("T-Z1 a failsafe port with a net is open for it alone, of its family alone", "[failsafe]") {
  Lab lab(deny_all());
  lab.set_failsafe({entry(NW_INGRESS, false, 22, "198.51.100.0/24"), entry(NW_INGRESS, false, 22, "2001:db8:5::/48"),
                    entry(NW_EGRESS, true, 53, "198.51.100.53/32"), entry(NW_INGRESS, false, 23, "0.0.0.0/0")});
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    const auto ssh4 = [&](const char* source) { return lab.send(hook, Ethernet{} / Ipv4{.source = source} / Tcp{.destination = 22}); };
    const auto ssh6 = [&](const char* source) { return lab.send(hook, Ethernet{} / Ipv6{.source = source} / Tcp{.destination = 22}); };
    CHECK(ssh4("198.51.100.1") == allowed(kFailsafe));
    CHECK(ssh4("198.51.101.1") == denied(kDefault));
    CHECK(ssh6("2001:db8:5::1") == allowed(kFailsafe));
    CHECK(ssh6("2001:db8:6::1") == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.source = "203.0.113.1"} / Tcp{.destination = 23}) == allowed(kFailsafe));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Tcp{.destination = 23}) == denied(kDefault));
  }
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host("198.51.100.53") / Udp{.destination = 53}) == allowed(kFailsafe));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host("198.51.100.54") / Udp{.destination = 53}) == denied(kDefault));
}

TEST_CASE("T-Z1 failsafe ports hold when the image is missing an endpoint or damaged, and nothing else does", "[failsafe]") {
  Lab lab(allow_all());
  lab.set_failsafe({entry(NW_INGRESS, false, 22)});
  const auto image = image_of(allow_all()).lines;
  struct Damage {
    const char* what;
    std::uint32_t reason;
    void (*make)(std::vector<nw_line>&);
  };
  const Damage damages[] = {
      {"magic", NW_REASON_FAULT_IMAGE, [](auto& lines) { reinterpret_cast<nw_image_header*>(lines.data())->magic = 1; }},
      {"version", NW_REASON_FAULT_IMAGE, [](auto& lines) { reinterpret_cast<nw_image_header*>(lines.data())->version = 99; }},
      {"no endpoints", NW_REASON_FAULT_ENDPOINT, [](auto& lines) { reinterpret_cast<nw_image_header*>(lines.data())->endpoint_slots = 0; }},
      {"protocols outside", NW_REASON_FAULT_IMAGE,
       [](auto& lines) { reinterpret_cast<nw_image_header*>(lines.data())->protocol_base = 0x7fffff00; }},
      {"rules outside", NW_REASON_FAULT_IMAGE,
       [](auto& lines) { reinterpret_cast<nw_image_header*>(lines.data())->rule_base = 0xffffff00; }},
      {"a rule with a reason of its own", NW_REASON_FAULT_IMAGE,
       [](auto& lines) {
         const auto& head = *reinterpret_cast<nw_image_header*>(lines.data());
         auto* rules = reinterpret_cast<nw_image_rule*>(&lines[head.rule_base]);
         for (std::uint32_t i = 0; i < head.rule_count; ++i) rules[i].reason = NW_REASON_ESTABLISHED;
       }},
  };
  for (const auto hook : kIngressHooks)
    for (const auto& damage : damages) {
      CAPTURE(damage.what);
      lab.forget_flows();
      auto broken = image;
      damage.make(broken);
      REQUIRE(lab.datapath().set_policy(broken, lab.datapath().generation() + 1));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.destination = 80}) == denied(damage.reason));
      CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Udp{.destination = 53}) == denied(damage.reason));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.destination = 22}) == allowed(kFailsafe));
    }
}

TEST_CASE("T-Z1 a failsafe port that is open for all of IPv6 is not open for IPv4", "[failsafe]") {
  Lab lab(deny_all());
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    lab.set_failsafe({entry(NW_INGRESS, false, 22, "::/0")});
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Tcp{.destination = 22}) == allowed(kFailsafe));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.destination = 22}) == denied(kDefault));
    lab.set_failsafe({entry(NW_INGRESS, false, 22, "::/0"), entry(NW_INGRESS, false, 22, "10.0.0.0/24")});
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.destination = 22}) == allowed(kFailsafe));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.source = "10.0.1.9"} / Tcp{.destination = 22}) == denied(kDefault));
  }
}
