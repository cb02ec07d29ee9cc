// A resolver that remembers: what must not be taken for what it was.
#include <catch2/catch_test_macros.hpp>

#include "node.h"
#include "resolve/resolver.h"

using namespace nodewall;
using namespace nodewall::testing;
using model::Action;

namespace {

// Resolves each step twice: by memory and from the beginning.
class Remembering {
 public:
  const resolve::Resolved& step(const Node& node) {
    last_ = resolver_.resolve(node.resources, node.facts);
    CHECK((last_ == node.resolve()));
    return last_;
  }
  [[nodiscard]] const resolve::Resolved& last() const { return last_; }

 private:
  resolve::Resolver resolver_;
  resolve::Resolved last_;
};

model::Rule deny_from(std::string_view text) {
  auto made = rule(Action::Deny);
  made.source.selector = selector(text);
  return made;
}

Node with_eth0() {
  Node node;
  node.hep("eth0", "eth0", {}, {{"role", "host"}});
  return node;
}

model::GlobalNetworkSet& set(Node& node, const std::string& name, const std::vector<std::string_view>& members, const std::string& role = "blocked") {
  return node.add(name, model::GlobalNetworkSet{.nets = nets(members)}, {{"role", role}});
}

const SharedList<resolve::ResolvedRule>& rules_of(const resolve::Resolved& resolved) {
  return resolved.endpoints.at(0).chains[NW_CHAIN_INGRESS].tiers.at(0).rules;
}

}  // namespace

TEST_CASE("members of a set that come and go are followed, also those that others cover or repeat") {
  auto node = with_eth0();
  node.policy("p", {deny_from("role == 'blocked'"), rule(Action::Allow)});
  auto& one = set(node, "one", {"10.0.0.0/8", "10.1.0.0/16", "192.0.2.1"});
  auto& two = set(node, "two", {"192.0.2.1", "198.51.100.7"});
  Remembering remembering;
  CHECK(remembering.step(node).sets.at(0).members == CidrList(nets({"10.0.0.0/8", "192.0.2.1", "198.51.100.7"})));
  SECTION("a member that is in both sets stays while one has it") {
    one.nets.erase(one.nets.begin() + 2);
    CHECK(remembering.step(node).sets.at(0).members.size() == 3);
    two.nets.erase(two.nets.begin());
    CHECK(remembering.step(node).sets.at(0).members.size() == 2);
  }
  SECTION("a member that goes uncovers another") {
    one.nets.erase(one.nets.begin());
    CHECK(remembering.step(node).sets.at(0).members == CidrList(nets({"10.1.0.0/16", "192.0.2.1", "198.51.100.7"})));
  }
  SECTION("a member of the caller's list is changed in place") {
    auto& member = one.nets[2];
    remembering.step(node);
    member = net("203.0.113.9");
    CHECK(remembering.step(node).sets.at(0).members.size() == 4);
    member = net("203.0.113.0/24");
    CHECK(remembering.step(node).sets.at(0).members.size() == 4);
  }
  SECTION("a set stops being selected, and is selected again") {
    auto& labels = node.resources.at({model::Kind::GlobalNetworkSet, "two"}).metadata.labels;
    labels["role"] = "other";
    CHECK(remembering.step(node).sets.at(0).members.size() == 2);
    labels["role"] = "blocked";
    CHECK(remembering.step(node).sets.at(0).members.size() == 3);
  }
  SECTION("the members move to another set") {
    two.nets.append(one.nets);
    one.nets.clear();
    CHECK(remembering.step(node).sets.at(0).members.size() == 3);
  }
}

TEST_CASE("a set that is emptied takes the rule with it, and the rule comes back with its members") {
  auto node = with_eth0();
  node.policy("p", {deny_from("role == 'blocked'"), rule(Action::Allow)});
  auto& one = set(node, "one", {"192.0.2.1"});
  Remembering remembering;
  CHECK(rules_of(remembering.step(node)).size() == 2);
  one.nets.clear();
  CHECK(rules_of(remembering.step(node)).size() == 1);
  CHECK(has_condition(remembering.last(), "SelectsNothing", "p"));
  CHECK(rules_of(remembering.step(node)).size() == 1);
  CHECK(has_condition(remembering.last(), "SelectsNothing", "p"));
  one.nets.push_back(net("192.0.2.2"));
  CHECK(rules_of(remembering.step(node)).size() == 2);
  CHECK_FALSE(has_condition(remembering.last(), "SelectsNothing", "p"));
}

TEST_CASE("a selector looks at host endpoints as they are now, with the labels of their profiles") {
  auto node = with_eth0();
  node.policy("p", {deny_from("role == 'db'"), rule(Action::Allow)});
  auto& db = node.hep("db", "eth1", {"prof"}, {});
  db.node = "node2";
  db.expected_ips = {ip("10.0.0.9")};
  auto& profile = node.add("prof", model::Profile{});
  Remembering remembering;
  CHECK(rules_of(remembering.step(node)).size() == 1);
  profile.labels_to_apply = {{"role", "db"}};
  CHECK(rules_of(remembering.step(node)).size() == 2);
  db.expected_ips.push_back(ip("10.0.0.10"));
  CHECK(remembering.step(node).sets.at(0).members.size() == 2);
  db.expected_ips = {ip("10.0.0.11")};
  CHECK(remembering.step(node).sets.at(0).members == CidrList(nets({"10.0.0.11"})));
  node.resources.at({model::Kind::HostEndpoint, "db"}).metadata.labels = {{"role", "web"}};
  CHECK(rules_of(remembering.step(node)).size() == 1);
}

TEST_CASE("a named port stands for what it is now") {
  auto node = with_eth0();
  node.policy("p", {rule(Action::Deny, "TCP", {port("web")}), rule(Action::Allow)});
  auto& eth0 = std::get<model::HostEndpoint>(node.resources.at({model::Kind::HostEndpoint, "eth0"}).spec);
  eth0.expected_ips = {ip("10.0.0.2")};
  eth0.ports = {{"web", protocol("TCP"), 80}};
  Remembering remembering;
  CHECK(rules_of(remembering.step(node))[0].destination.ports->front().first == 80);
  eth0.ports[0].port = 8080;
  CHECK(rules_of(remembering.step(node))[0].destination.ports->front().first == 8080);
  eth0.expected_ips = {ip("10.0.0.3")};
  CHECK(remembering.step(node).sets.at(0).members == CidrList(nets({"10.0.0.3"})));
  eth0.ports.clear();
  CHECK(rules_of(remembering.step(node)).size() == 1);
}

TEST_CASE("rules that had a set in common part, and others come to share one") {
  auto node = with_eth0();
  auto first = rule(Action::Deny), second = rule(Action::Allow), third = rule(Action::Deny);
  first.source.nets = second.source.nets = nets({"10.0.0.0/8"});
  third.source.nets = nets({"192.0.2.0/24"});
  auto& early = node.policy("early", {first}, 1);
  node.policy("late", {second, third}, 2);
  Remembering remembering;
  CHECK(remembering.step(node).sets.size() == 2);
  early.ingress[0].source.nets = nets({"172.16.0.0/12"});
  CHECK(remembering.step(node).sets.size() == 3);
  early.ingress[0].source.nets = third.source.nets;
  CHECK(remembering.step(node).sets.size() == 2);
  early.ingress[0].source.nets = {};
  CHECK(remembering.step(node).sets.size() == 2);
}

TEST_CASE("what the failsafe ports shadow is said by the ports that are open now") {
  auto node = with_eth0();
  auto& policy = node.policy("p", {rule(Action::Deny, "TCP", {port(22)})});
  Remembering remembering;
  CHECK(has_condition(remembering.step(node), "FailsafeShadows", "p"));
  auto& felix = node.felix("default");
  felix.failsafe_inbound.emplace();
  CHECK_FALSE(has_condition(remembering.step(node), "FailsafeShadows", "p"));
  felix.failsafe_inbound.reset();
  CHECK(has_condition(remembering.step(node), "FailsafeShadows", "p"));
  policy.apply_on_forward = true;
  CHECK_FALSE(has_condition(remembering.step(node), "FailsafeShadows", "p"));
}

TEST_CASE("the rules of a policy that changes its tier, its name or its place say so") {
  auto node = with_eth0();
  node.tier("first", 10);
  std::vector<model::Rule> many(150, rule(Action::Deny, "TCP", {port(80)}));
  auto& policy = node.policy("p", many);
  Remembering remembering;
  CHECK(rules_of(remembering.step(node))[0].origin.tier == "default");
  policy.tier = "first";
  CHECK(rules_of(remembering.step(node))[149].origin.tier == "first");
  policy.ingress.erase(policy.ingress.begin() + 3);
  CHECK(rules_of(remembering.step(node))[148].origin.rule == 148);
  policy.ingress.insert(policy.ingress.begin(), rule(Action::Allow));
  CHECK(rules_of(remembering.step(node))[149].origin.rule == 149);
  auto& again = node.policy("q", {policy.ingress.begin(), policy.ingress.end()});
  again.tier = policy.tier;
  node.resources.erase({model::Kind::GlobalNetworkPolicy, "p"});
  CHECK(rules_of(remembering.step(node))[0].origin.policy == "q");
}

TEST_CASE("a rule that is changed through a reference that was taken before is seen") {
  auto node = with_eth0();
  std::vector<model::Rule> many(150, rule(Action::Deny, "TCP", {port(80)}));
  auto& policy = node.policy("p", many);
  auto& later = policy.ingress[100];
  Remembering remembering;
  remembering.step(node);
  later.destination.ports = {port(81)};
  CHECK(rules_of(remembering.step(node))[100].destination.ports->front().first == 81);
  later.action = Action::Allow;
  CHECK(rules_of(remembering.step(node))[100].action == Action::Allow);
}

TEST_CASE("Pass in a profile stays Deny, and a profile that two endpoints have is theirs alike") {
  auto node = with_eth0();
  std::get<model::HostEndpoint>(node.resources.at({model::Kind::HostEndpoint, "eth0"}).spec).profiles = {"prof", "prof"};
  auto& profile = node.add("prof", model::Profile{.ingress = {rule(Action::Pass)}, .egress = {}, .labels_to_apply = {}});
  Remembering remembering;
  for (int i = 0; i < 2; ++i) {
    const auto& rules = remembering.step(node).endpoints.at(0).chains[NW_CHAIN_INGRESS].profile_rules;
    REQUIRE(rules.size() == 2);
    CHECK(rules[0].action == Action::Deny);
  }
  profile.ingress.push_back(rule(Action::Pass));
  CHECK(remembering.step(node).endpoints.at(0).chains[NW_CHAIN_INGRESS].profile_rules.size() == 4);
}

TEST_CASE("what did not change is shared with the policy before") {
  auto node = with_eth0();
  std::vector<model::Rule> many;
  for (std::uint16_t i = 0; i < 1000; ++i) {
    many.push_back(rule(Action::Deny, "TCP", {port(static_cast<std::uint16_t>(1 + i))}));
    many.back().source.nets = {Cidr{.address = Address::v4(0x0a000000U + i * 256U), .prefix = 24}};
  }
  auto& policy = node.policy("p", many);
  std::vector<Cidr> members;
  for (std::uint32_t i = 0; i < 100'000; ++i) members.push_back({Address::v4(i * 2654435761U), 32});
  policy.ingress.push_back(deny_from("role == 'blocked'"));
  auto& blocked = node.add("one", model::GlobalNetworkSet{.nets = members}, {{"role", "blocked"}});
  resolve::Resolver resolver;
  const auto before = resolver.resolve(node.resources, node.facts);
  const auto chunks_apart = [&](const resolve::Resolved& after) {
    const auto &a = rules_of(before), &b = rules_of(after);
    REQUIRE(a.chunks() == b.chunks());
    std::size_t apart = 0;
    for (std::size_t i = 0; i < a.chunks(); ++i) apart += &a.chunk(i) != &b.chunk(i);
    return apart;
  };
  CHECK(chunks_apart(resolver.resolve(node.resources, node.facts)) == 0);
  policy.ingress[500].destination.ports = {port(7)};
  CHECK(chunks_apart(resolver.resolve(node.resources, node.facts)) == 1);
  blocked.nets.push_back(net("203.0.113.1"));
  const auto after = resolver.resolve(node.resources, node.facts);
  CHECK(chunks_apart(after) == 1);
  // As a reader makes it that has no memory.
  policy.ingress = std::vector(policy.ingress.begin(), policy.ingress.end());
  CHECK(chunks_apart(resolver.resolve(node.resources, node.facts)) == 1);
  const auto& old_set = before.sets.back().members;
  const auto& new_set = after.sets.back().members;
  CHECK(new_set.size() == old_set.size() + 1);
}
