// What a host endpoint means, told as packets and verdicts; the numbers are of the acceptance cases.
#include <catch2/catch_test_macros.hpp>

#include "../resolve/node.h"
#include "oracle/oracle.h"

using namespace nodewall;
using namespace nodewall::testing;
using model::Action;
using model::PolicyType;
using oracle::judge;
using resolve::Judgement;

namespace {

constexpr const char* kAllowAll = "projectcalico-default-allow";

Judgement by_rule(bool allow, std::string tier, std::string policy, std::int32_t number) {
  return {allow, NW_REASON_POLICY, {std::move(tier), std::move(policy), number}};
}

resolve::PacketQuery udp(std::uint16_t port) {
  auto packet = tcp(port);
  packet.protocol = 17;
  return packet;
}

resolve::PacketQuery on(std::string interface, resolve::PacketQuery packet) {
  packet.interface = std::move(interface);
  return packet;
}

resolve::PacketQuery forwarded(resolve::PacketQuery packet) {
  if (packet.direction == NW_INGRESS) packet.destination = ip("10.0.0.99");
  packet.forwarded = true;
  return packet;
}

}  // namespace

TEST_CASE("case 1: a named endpoint without policy leaves only failsafe ports and forwarded traffic open") {
  Node node;
  node.hep("eth0", "eth0");
  const auto resolved = node.resolve();
  CHECK(judge(resolved, tcp(22)) == Judgement{true, NW_REASON_FAILSAFE, {}});
  CHECK(judge(resolved, tcp(80)) == Judgement{false, NW_REASON_NO_PROFILE, {}});
  CHECK(judge(resolved, leaving(udp(53))) == Judgement{true, NW_REASON_FAILSAFE, {}});
  CHECK(judge(resolved, leaving(tcp(443))) == Judgement{false, NW_REASON_NO_PROFILE, {}});
  CHECK(judge(resolved, forwarded(tcp(80))) == Judgement{true, NW_REASON_FORWARDED, {}});
  CHECK(judge(resolved, forwarded(leaving(tcp(80)))) == Judgement{true, NW_REASON_FORWARDED, {}});
  CHECK(judge(resolved, on("eth1", tcp(80))) == Judgement{true, NW_REASON_NO_ENDPOINT, {}});
}

TEST_CASE("case 2: a wildcard closes every interface but workloads, excluded ones and loopback") {
  Node node;
  node.facts.interfaces.push_back(Node::interface("kube-ipvs0", 9, {"10.96.0.1/32"}));
  node.hep("all", "*");
  const auto resolved = node.resolve();
  CHECK_FALSE(judge(resolved, tcp(80)).allow);
  CHECK_FALSE(judge(resolved, on("eth1", tcp(80))).allow);
  CHECK(judge(resolved, on("eth1", tcp(22))).allow);
  for (const auto* interface : {"cali1", "kube-ipvs0", "lo"})
    CHECK(judge(resolved, on(interface, tcp(80))).reason == NW_REASON_NO_ENDPOINT);
}

TEST_CASE("case 3: a wildcard with the allow-all profile leaves everything open") {
  for (const auto* profile : {kAllowAll, "projectcalico-allow-all"}) {
    Node node;
    node.hep("all", "*", {profile});
    const auto resolved = node.resolve();
    CHECK(judge(resolved, tcp(80)) == Judgement{true, NW_REASON_PROFILE, {"", profile, 0}});
    CHECK(judge(resolved, leaving(tcp(443))) == Judgement{true, NW_REASON_PROFILE, {"", profile, 0}});
  }
}

TEST_CASE("case 4: one ingress policy beside the allow-all profile closes ingress and leaves egress open") {
  Node node;
  node.hep("all", "*", {kAllowAll});
  node.policy("web", {rule(Action::Allow, "TCP", {port(80)})});
  const auto resolved = node.resolve();
  CHECK(judge(resolved, tcp(80)) == by_rule(true, "default", "web", 0));
  CHECK(judge(resolved, tcp(81)) == Judgement{false, NW_REASON_TIER_DEFAULT, {"default", "", -1}});
  CHECK(judge(resolved, tcp(22)).reason == NW_REASON_FAILSAFE);
  CHECK(judge(resolved, leaving(tcp(81))).reason == NW_REASON_PROFILE);
}

TEST_CASE("case 5: a named endpoint replaces the wildcard on its interface, policies and profiles included") {
  Node node;
  node.hep("eth0", "eth0");
  node.hep("all", "*", {kAllowAll});
  const auto resolved = node.resolve();
  CHECK_FALSE(judge(resolved, tcp(80)).allow);
  CHECK(judge(resolved, on("eth1", tcp(80))).allow);
}

TEST_CASE("case 6: of two endpoints on an interface the lesser name rules, and the other one when it goes") {
  Node node;
  node.hep("a", "eth0", {}, {{"open", "no"}});
  node.hep("b", "eth0", {}, {{"open", "yes"}});
  node.policy("open", {rule(Action::Allow)}).selector = selector("open == 'yes'");
  CHECK_FALSE(judge(node.resolve(), tcp(80)).allow);
  node.resources.erase({model::Kind::HostEndpoint, "a"});
  CHECK(judge(node.resolve(), tcp(80)).allow);
}

TEST_CASE("case 7: an endpoint by expectedIPs moves with its address") {
  Node node;
  node.hep("by-ip", "").expected_ips = {ip("10.0.0.2")};
  CHECK(governor(node.resolve(), "eth0") == "by-ip");
  std::swap(node.facts.interfaces[0].addresses, node.facts.interfaces[1].addresses);
  const auto moved = node.resolve();
  CHECK(governor(moved, "eth0").empty());
  CHECK(governor(moved, "eth1") == "by-ip");
}

TEST_CASE("case 8: an endpoint of another node is not enforced, but its addresses are in rule selectors") {
  Node node;
  auto& other = node.hep("other", "eth0", {}, {{"role", "peer"}});
  other.node = "node2";
  other.expected_ips = {ip("10.0.0.7")};
  CHECK(judge(node.resolve(), tcp(80)).reason == NW_REASON_NO_ENDPOINT);
  node.hep("mine", "eth0");
  auto from_peer = rule(Action::Allow);
  from_peer.source.selector = selector("role == 'peer'");
  node.policy("peers", {from_peer});
  const auto resolved = node.resolve();
  CHECK(judge(resolved, tcp(80, "10.0.0.7")).allow);
  CHECK_FALSE(judge(resolved, tcp(80, "10.0.0.8")).allow);
}

TEST_CASE("case 9: the lower order comes first, names break ties, no order comes last") {
  Node node;
  node.hep("eth0", "eth0");
  node.policy("z", {rule(Action::Deny)}, 10);
  node.policy("a", {rule(Action::Allow)}, 20);
  CHECK(judge(node.resolve(), tcp(80)) == by_rule(false, "default", "z", 0));
  node.policy("z", {rule(Action::Deny)}, 20);
  CHECK(judge(node.resolve(), tcp(80)) == by_rule(true, "default", "a", 0));
  node.policy("a", {rule(Action::Allow)});
  CHECK(judge(node.resolve(), tcp(80)) == by_rule(false, "default", "z", 0));
}

TEST_CASE("case 10: Pass goes to the next tier that applies, and after the last one to the profiles") {
  Node node;
  node.hep("eth0", "eth0", {kAllowAll});
  node.tier("first", 1);
  node.policy("pass", {rule(Action::Pass, "TCP", {port(80), port(81)})}).tier = "first";
  node.policy("second", {rule(Action::Deny, "TCP", {port(80)}), rule(Action::Pass)});
  const auto resolved = node.resolve();
  CHECK(judge(resolved, tcp(80)) == by_rule(false, "default", "second", 0));
  CHECK(judge(resolved, tcp(81)).reason == NW_REASON_PROFILE);
  CHECK(judge(resolved, tcp(82)) == Judgement{false, NW_REASON_TIER_DEFAULT, {"first", "", -1}});
}

TEST_CASE("case 11: a tier with default action Pass falls through when no rule of it matches") {
  Node node;
  node.hep("eth0", "eth0", {kAllowAll});
  node.tier("first", 1, model::TierAction::Pass);
  node.policy("deny-80", {rule(Action::Deny, "TCP", {port(80)})}).tier = "first";
  CHECK(judge(node.resolve(), tcp(80)) == by_rule(false, "first", "deny-80", 0));
  CHECK(judge(node.resolve(), tcp(81)).reason == NW_REASON_PROFILE);
  node.policy("closed", {rule(Action::Deny)});
  CHECK(judge(node.resolve(), tcp(81)) == by_rule(false, "default", "closed", 0));
}

TEST_CASE("case 16: a failsafe port with a net is open only from there, and for that family") {
  Node node;
  node.hep("eth0", "eth0");
  node.felix("default").failsafe_inbound = {{{protocol("TCP"), 22, net("10.0.0.0/8")}}};
  const auto resolved = node.resolve();
  CHECK(judge(resolved, tcp(22, "10.9.9.9")).reason == NW_REASON_FAILSAFE);
  CHECK_FALSE(judge(resolved, tcp(22, "11.0.0.1")).allow);
  CHECK_FALSE(judge(resolved, tcp(22, "2001:db8::1")).allow);
  CHECK_FALSE(judge(resolved, udp(68)).allow);  // the list replaces the defaults
}

TEST_CASE("case 17: with an empty failsafe list ssh follows policy") {
  Node node;
  node.hep("eth0", "eth0");
  node.felix("default").failsafe_inbound.emplace();
  CHECK(judge(node.resolve(), tcp(22)).reason == NW_REASON_NO_PROFILE);
  node.policy("ssh", {rule(Action::Allow, "TCP", {port(22)})});
  CHECK(judge(node.resolve(), tcp(22)) == by_rule(true, "default", "ssh", 0));
}

TEST_CASE("case 20: a policy with a namespaceSelector or a serviceAccountSelector selects no host endpoint") {
  Node node;
  node.hep("eth0", "eth0", {kAllowAll});
  auto& policy = node.policy("closed", {rule(Action::Deny)});
  CHECK_FALSE(judge(node.resolve(), tcp(80)).allow);
  policy.namespace_selector = selector("all()");
  CHECK(judge(node.resolve(), tcp(80)).allow);
  policy.namespace_selector.reset();
  policy.service_account_selector = selector("all()");
  CHECK(judge(node.resolve(), tcp(80)).allow);
  CHECK(has_condition(node.resolve(), "SelectsNothing", "closed"));
}

TEST_CASE("case 21: a rule selector matches the nets of a network set, and follows it") {
  Node node;
  node.hep("eth0", "eth0");
  auto& set = node.add("bad", model::GlobalNetworkSet{nets({"10.5.0.0/16"})}, {{"kind", "bad"}});
  auto deny = rule(Action::Deny);
  deny.source.selector = selector("kind == 'bad'");
  node.policy("block", {deny, rule(Action::Allow)});
  CHECK_FALSE(judge(node.resolve(), tcp(80, "10.5.1.1")).allow);
  CHECK(judge(node.resolve(), tcp(80, "10.6.1.1")).allow);
  set.nets = nets({"10.6.0.0/16"});
  CHECK(judge(node.resolve(), tcp(80, "10.5.1.1")).allow);
  CHECK_FALSE(judge(node.resolve(), tcp(80, "10.6.1.1")).allow);
}

TEST_CASE("case 22: a rule with IPv4 notNets is skipped for IPv6") {
  Node node;
  node.hep("eth0", "eth0");
  auto allow = rule(Action::Allow);
  allow.source.not_nets = nets({"10.0.0.0/8"});
  node.policy("not-ten", {allow});
  const auto resolved = node.resolve();
  CHECK_FALSE(judge(resolved, tcp(80, "10.0.0.1")).allow);
  CHECK(judge(resolved, tcp(80, "11.0.0.1")).allow);
  CHECK_FALSE(judge(resolved, tcp(80, "2001:db8::1")).allow);
}

TEST_CASE("explicit types decide the directions: other rules are ignored, a type without rules denies") {
  Node node;
  node.hep("eth0", "eth0", {kAllowAll});
  auto& policy = node.policy("p", {rule(Action::Deny)});
  policy.egress = {rule(Action::Allow)};
  policy.types = {PolicyType::Egress};
  CHECK(judge(node.resolve(), tcp(80)).reason == NW_REASON_PROFILE);
  CHECK(judge(node.resolve(), leaving(tcp(80))).reason == NW_REASON_POLICY);
  policy.egress.clear();
  CHECK(judge(node.resolve(), leaving(tcp(80))).reason == NW_REASON_TIER_DEFAULT);
}

TEST_CASE("a profile decides in the order of the list, a missing one denies, Pass in one is deny") {
  Node node;
  model::Profile first;
  first.ingress = {rule(Action::Deny, "TCP", {port(80)}), rule(Action::Pass, "TCP", {port(81)})};
  node.add("first", first);
  auto& hep = node.hep("eth0", "eth0", {"first", kAllowAll});
  auto resolved = node.resolve();
  CHECK(judge(resolved, tcp(80)) == Judgement{false, NW_REASON_PROFILE, {"", "first", 0}});
  CHECK(judge(resolved, tcp(81)) == Judgement{false, NW_REASON_PROFILE, {"", "first", 1}});
  CHECK(judge(resolved, tcp(82)) == Judgement{true, NW_REASON_PROFILE, {"", kAllowAll, 0}});
  hep.profiles = {"gone", kAllowAll};
  resolved = node.resolve();
  CHECK(judge(resolved, tcp(82)) == Judgement{false, NW_REASON_PROFILE, {"", "gone", -1}});
}
