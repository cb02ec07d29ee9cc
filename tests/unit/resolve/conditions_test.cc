// Silence is never consent: what is not enforced, or not as it seems, is a condition. And what is resolved does not depend on the order
// in which things were found.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <random>

#include "node.h"

using namespace nodewall;
using namespace nodewall::testing;
using model::Action;
using Severity = resolve::Condition::Severity;

TEST_CASE("T-P4 T-P5: an endpoint without policy and profile is said to be closed, a missing profile to be missing") {
  Node node;
  auto& hep = node.hep("eth0", "eth0");
  CHECK(has_condition(node.resolve(), "NoPolicyAndNoProfile", "eth0"));
  hep.profiles = {"projectcalico-default-allow"};
  CHECK_FALSE(has_condition(node.resolve(), "NoPolicyAndNoProfile", "eth0"));
  CHECK_FALSE(has_condition(node.resolve(), "ProfileMissing", "eth0"));
  hep.profiles = {"gone"};
  REQUIRE(has_condition(node.resolve(), "ProfileMissing", "eth0"));
  CHECK(condition(node.resolve(), "ProfileMissing", "eth0")->severity == Severity::error);
}

TEST_CASE("a policy of a tier that does not exist is evaluated last, ends in Deny and is said") {
  Node node;
  node.hep("eth0", "eth0", {"projectcalico-default-allow"});
  node.tier("late", 1e9, model::TierAction::Pass);
  node.policy("known", {rule(Action::Pass)}).tier = "late";
  node.policy("lost", {rule(Action::Allow, "TCP", {port(80)})}).tier = "a-missing";
  const auto resolved = node.resolve();
  const auto& tiers = resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers;
  REQUIRE(tiers.size() == 2);
  CHECK(tiers[1].name == "a-missing");
  CHECK(tiers[1].end == model::TierAction::Deny);
  CHECK(has_condition(resolved, "TierMissing", "lost"));
  CHECK_FALSE(has_condition(resolved, "TierMissing", "known"));
}

TEST_CASE("T-P1: tiers stand in order, a tier without order beside default, the built-in ones where they always are") {
  Node node;
  node.hep("eth0", "eth0");
  node.tier("a-none", {});
  node.tier("e-none", {});
  node.tier("early", 5);
  for (const auto* tier : {"kube-baseline", "default", "kube-admin", "e-none", "a-none", "early"})
    node.policy(std::string("in-") + tier, {rule(Action::Pass)}).tier = tier;
  std::vector<std::string> order, ends;
  const auto resolved = node.resolve();
  for (const auto& tier : resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers) {
    order.push_back(tier.name);
    ends.emplace_back(tier.end == model::TierAction::Pass ? "Pass" : "Deny");
  }
  CHECK(order == std::vector<std::string>{"early", "kube-admin", "a-none", "default", "e-none", "kube-baseline"});
  CHECK(ends == std::vector<std::string>{"Deny", "Pass", "Deny", "Deny", "Deny", "Pass"});
  CHECK(resolved.endpoints[0].policies.front() == "early/in-early");
}

TEST_CASE("a policy of each kind is in the chains of its kind, and nothing is said against it") {
  Node node;
  node.hep("eth0", "eth0");
  const auto both = {model::PolicyType::Ingress, model::PolicyType::Egress};
  auto& pre = node.policy("pre", {rule(Action::Deny)});
  pre.pre_dnat = pre.apply_on_forward = true;
  auto& untracked = node.policy("untracked", {rule(Action::Deny)});
  untracked.do_not_track = untracked.apply_on_forward = true;
  untracked.types = both;
  auto& forward = node.policy("forward", {rule(Action::Deny)});
  forward.apply_on_forward = true;
  forward.types = both;
  node.policy("own", {rule(Action::Deny)});
  const auto resolved = node.resolve();
  const auto& endpoint = resolved.endpoints[0];
  const auto policies_in = [&](std::uint32_t chain) {
    std::vector<std::string> names;
    for (const auto& tier : endpoint.chains[chain].tiers)
      for (const auto& it : tier.rules) names.push_back(it.origin.policy);
    return names;
  };
  using Names = std::vector<std::string>;
  CHECK(policies_in(NW_CHAIN_INGRESS) == Names{"forward", "own"});
  CHECK(policies_in(NW_CHAIN_FORWARD_INGRESS) == Names{"forward"});
  CHECK(policies_in(NW_CHAIN_UNTRACKED_INGRESS) == Names{"untracked"});
  CHECK(policies_in(NW_CHAIN_PRE_DNAT) == Names{"pre"});
  for (const auto chain : {NW_CHAIN_EGRESS, NW_CHAIN_FORWARD_EGRESS, NW_CHAIN_UNTRACKED_EGRESS}) CHECK(endpoint.has(chain));
  // No tier of the first two stages has an end of its own.
  for (const auto chain : {NW_CHAIN_UNTRACKED_INGRESS, NW_CHAIN_UNTRACKED_EGRESS, NW_CHAIN_PRE_DNAT})
    CHECK(endpoint.chains[chain].tiers.at(0).end == model::TierAction::Pass);
  CHECK(endpoint.chains[NW_CHAIN_FORWARD_EGRESS].tiers.at(0).end == model::TierAction::Deny);
  for (const auto* name : {"pre", "untracked", "forward"}) CHECK_FALSE(has_condition(resolved, "NotEnforced", name));
}

TEST_CASE("doNotTrack policies are left out for wildcards, and that is said with both names") {
  Node node;
  node.hep("all", "*");
  node.hep("eth0", "eth0");
  auto& policy = node.policy("untracked", {rule(Action::Deny)});
  policy.do_not_track = policy.apply_on_forward = true;
  const auto resolved = node.resolve();
  CHECK_FALSE(resolved.endpoints[0].has(NW_CHAIN_UNTRACKED_INGRESS));
  CHECK(resolved.endpoints[0].policies.empty());
  CHECK(resolved.endpoints[1].has(NW_CHAIN_UNTRACKED_INGRESS));
  const auto said = condition(resolved, "NotEnforced", "untracked");
  REQUIRE(said);
  CHECK(said->severity == resolve::Condition::Severity::warning);
  CHECK(said->message.find("host endpoint all") != std::string::npos);
}

namespace {

model::StagedGlobalNetworkPolicy staged(std::vector<model::Rule> ingress, std::optional<model::StagedAction> action = {}) {
  model::StagedGlobalNetworkPolicy made;
  made.policy.ingress = std::move(ingress);
  made.action = action;
  return made;
}

}  // namespace

TEST_CASE("staged policies make a chain of their own and leave what is enforced as it is") {
  Node node;
  node.hep("eth0", "eth0");
  node.policy("web", {rule(Action::Allow)});
  const auto before = node.resolve();
  CHECK(std::ranges::none_of(before.endpoints[0].staged, [](const auto& it) { return it.has_value(); }));

  node.add("trial", staged({rule(Action::Deny)}));
  const auto resolved = node.resolve();
  const auto& endpoint = resolved.endpoints[0];
  CHECK(endpoint.chains == before.endpoints[0].chains);
  CHECK(endpoint.policies == before.endpoints[0].policies);
  CHECK(endpoint.staged_policies == std::vector<std::string>{"default/trial"});
  REQUIRE(endpoint.staged[NW_CHAIN_INGRESS]);
  CHECK_FALSE(endpoint.staged[NW_CHAIN_EGRESS]);
  const auto& tier = endpoint.staged[NW_CHAIN_INGRESS]->tiers.at(0);
  CHECK_FALSE(tier.staged);
  REQUIRE(tier.rules.size() == 2);
  CHECK(tier.rules[0].origin == resolve::Origin{"default", "trial", 0, true});
  CHECK(tier.rules[1].origin == resolve::Origin{"default", "web", 0, false});
}

TEST_CASE("a tier with nothing but staged policies has a staged end") {
  Node node;
  node.hep("eth0", "eth0");
  node.add("trial", staged({rule(Action::Pass)}));
  const auto resolved = node.resolve();
  REQUIRE(resolved.endpoints[0].staged[NW_CHAIN_INGRESS]);
  CHECK(resolved.endpoints[0].staged[NW_CHAIN_INGRESS]->tiers.at(0).staged);
}

TEST_CASE("stagedAction: Set and Learn replace the policy of that name and tier, Delete leaves it out, Ignore does nothing") {
  using model::StagedAction;
  Node node;
  node.hep("eth0", "eth0");
  node.policy("web", {rule(Action::Allow)});
  const auto chain_with = [&](StagedAction action) {
    node.add("web", staged(action == StagedAction::Delete ? std::vector<model::Rule>{} : std::vector{rule(Action::Deny)}, action));
    return node.resolve().endpoints[0].staged[NW_CHAIN_INGRESS];
  };
  for (const auto action : {StagedAction::Set, StagedAction::Learn}) {
    const auto chain = chain_with(action);
    REQUIRE(chain);
    REQUIRE(chain->tiers.at(0).rules.size() == 1);
    CHECK(chain->tiers[0].rules[0].origin == resolve::Origin{"default", "web", 0, true});
  }
  const auto deleted = chain_with(StagedAction::Delete);
  REQUIRE(deleted);
  CHECK(deleted->tiers.empty());
  CHECK_FALSE(has_condition(node.resolve(), "DeletesNothing", "web"));
  CHECK_FALSE(chain_with(StagedAction::Ignore));

  node.add("nobody", staged({}, StagedAction::Delete));
  CHECK(has_condition(node.resolve(), "DeletesNothing", "nobody"));
}

TEST_CASE("Log rules stay in the list, and http is not looked at, which is said") {
  Node node;
  node.hep("eth0", "eth0");
  auto http = rule(Action::Allow);
  http.http = model::HttpMatch{{"GET"}, {}};
  node.policy("p", {rule(Action::Log), http});
  const auto resolved = node.resolve();
  const auto& rules = resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers.at(0).rules;
  REQUIRE(rules.size() == 2);
  CHECK(rules[0].action == Action::Log);
  CHECK(rules[1].origin.rule == 1);
  CHECK(has_condition(resolved, "NotEnforced", "p"));
}

TEST_CASE("T-P2 T-P10: selectors that select nothing are said, of policies and of rules") {
  Node node;
  node.hep("eth0", "eth0");
  node.policy("elsewhere", {rule(Action::Deny)}).selector = selector("has(no-such-label)");
  auto deny = rule(Action::Deny);
  deny.source.selector = selector("has(no-such-label)");
  auto allow = rule(Action::Allow);
  allow.source.not_selector = selector("has(no-such-label)");
  node.policy("p", {deny, allow});
  const auto resolved = node.resolve();
  CHECK(condition(resolved, "SelectsNothing", "elsewhere")->severity == Severity::info);
  CHECK(condition(resolved, "SelectsNothing", "p")->severity == Severity::warning);
  const auto& rules = resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers.at(0).rules;
  REQUIRE(rules.size() == 1);
  CHECK(rules[0].origin.rule == 1);
  CHECK(rules[0].source == resolve::Side{});
}

TEST_CASE("T-P9: a Deny of failsafe ports alone is said to deny nothing") {
  const auto is_said = [](model::Rule written, std::vector<model::FailsafePort> open) {
    Node node;
    node.hep("eth0", "eth0");
    node.felix("default").failsafe_inbound = std::move(open);
    node.policy("p", {std::move(written)});
    return has_condition(node.resolve(), "FailsafeShadows", "p");
  };
  const model::FailsafePort ssh{protocol("TCP"), 22, {}}, next{protocol("TCP"), 23, {}};
  CHECK(is_said(rule(Action::Deny, "TCP", {port(22)}), {ssh}));
  CHECK(is_said(rule(Action::Deny, "TCP", {port(22, 23)}), {ssh, next}));
  CHECK_FALSE(is_said(rule(Action::Allow, "TCP", {port(22)}), {ssh}));
  CHECK_FALSE(is_said(rule(Action::Deny, "TCP", {port(22), port(80)}), {ssh, next}));
  CHECK_FALSE(is_said(rule(Action::Deny, "UDP", {port(22)}), {ssh}));
  CHECK_FALSE(is_said(rule(Action::Deny, "TCP", {}), {ssh}));
  CHECK_FALSE(is_said(rule(Action::Deny, "TCP", {port(22)}), {{protocol("TCP"), 22, net("10.0.0.0/8")}}));
  CHECK_FALSE(is_said(rule(Action::Deny, "TCP", {port(22)}), {{protocol("TCP"), 22, net("0.0.0.0/0")}}));
  CHECK_FALSE(is_said(rule(Action::Deny, "TCP", {port(22)}), {}));
}

TEST_CASE("rules that a direction's types leave out are not looked at") {
  Node node;
  node.hep("eth0", "eth0");
  auto http = rule(Action::Allow);
  http.http = model::HttpMatch{{"GET"}, {}};
  auto& policy = node.policy("p", {http});
  policy.egress = {rule(Action::Allow)};
  policy.types = {model::PolicyType::Egress};
  const auto resolved = node.resolve();
  CHECK(resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers.empty());
  CHECK_FALSE(has_condition(resolved, "NotEnforced", "p"));
}

TEST_CASE("T-P6: the order in which objects and interfaces are found changes nothing") {
  Node node;
  node.hep("eth0", "eth0", {}, {{"r", "1"}}).expected_ips = {ip("10.0.0.2")};
  node.hep("all", "*", {"projectcalico-default-allow"});
  node.hep("also", "*");
  node.add("set", model::GlobalNetworkSet{nets({"10.5.0.0/16", "10.4.0.0/16"})}, {{"r", "1"}});
  for (int i = 0; i < 6; ++i) {
    auto from = rule(Action::Allow);
    from.source.selector = selector(i % 2 == 0 ? "r == '1'" : "all()");
    node.policy("p" + std::to_string(i), {from, rule(Action::Log)}, i % 3);
  }
  const auto expected = node.resolve();
  std::vector<model::Resource> objects;
  for (const auto& [id, resource] : node.resources) objects.push_back(resource);
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::ranges::shuffle(objects, random);
    std::ranges::shuffle(node.facts.interfaces, random);
    for (auto& interface : node.facts.interfaces) std::ranges::shuffle(interface.addresses, random);
    node.resources.clear();
    for (const auto& object : objects) {
      auto copy = object;
      if (auto* set = std::get_if<model::GlobalNetworkSet>(&copy.spec)) std::ranges::shuffle(set->nets, random);
      node.resources.emplace(copy.id(), std::move(copy));
    }
    REQUIRE(node.resolve() == expected);
  }
}
