#include <catch2/catch_test_macros.hpp>

#include "reference.h"

namespace nodewall::compile::test {
namespace {

resolve::Resolved with_endpoints(const std::vector<std::string>& names) {
  resolve::Resolved resolved;
  for (const auto& name : names) {
    auto& endpoint = resolved.endpoints.emplace_back();
    endpoint.host_endpoint = name;
    endpoint.chains[NW_CHAIN_INGRESS].tiers = {{.name = "default", .rules = {rule(model::Action::Allow, name, 0)}, .end = model::TierAction::Deny}};
  }
  return resolved;
}

}  // namespace

TEST_CASE("owners keep their slots and new ones take the lowest that is free") {
  const auto first = assign_slots({}, with_endpoints({"a", "b", "c"}));
  CHECK(first.endpoints == std::map<std::string, std::uint32_t>{{"a", 0}, {"b", 1}, {"c", 2}});
  const auto second = assign_slots(first, with_endpoints({"aa", "c", "d", "e"}));
  CHECK(second.endpoints == std::map<std::string, std::uint32_t>{{"aa", 0}, {"c", 2}, {"d", 1}, {"e", 3}});
  const RuleKey of_c{NW_INGRESS, {"default", "c", 0}};
  CHECK(second.rules.at(of_c) == first.rules.at(of_c));
  CHECK_FALSE(second.rules.contains({NW_INGRESS, {"default", "a", 0}}));
}

TEST_CASE("the same policy keeps all slots") {
  const auto resolved = with_endpoints({"a", "b"});
  const auto first = assign_slots({}, resolved);
  CHECK(assign_slots(first, resolved) == first);
}

TEST_CASE("everything that can decide has a counter of its own in each direction") {
  const auto slots = assign_slots({}, with_endpoints({"a"}));
  for (const auto direction : {NW_INGRESS, NW_EGRESS}) CHECK(slots.rules.contains({static_cast<std::uint32_t>(direction), {}}));
  CHECK(slots.rules.contains({NW_INGRESS, {"default", "", -1}}));
  CHECK(slots.rules.contains({NW_INGRESS, {"default", "a", 0}}));
  CHECK_FALSE(slots.rules.contains({NW_EGRESS, {"default", "a", 0}}));
  std::map<std::uint32_t, int> owners;
  for (const auto& [key, slot] : slots.rules) CHECK(++owners[slot] == 1);
}

TEST_CASE("a rule has one counter for all chains of its direction, a staged policy one of its own") {
  auto resolved = with_endpoints({"a"});
  auto& endpoint = resolved.endpoints[0];
  endpoint.chains[NW_CHAIN_FORWARD_INGRESS] = endpoint.chains[NW_CHAIN_INGRESS];
  const auto before = assign_slots({}, with_endpoints({"a"})).rules.size();
  CHECK(assign_slots({}, resolved).rules.size() == before);
  auto staged = rule(model::Action::Deny, "a", 0);  // the name of one that is enforced
  staged.origin.staged = true;
  endpoint.staged[NW_CHAIN_INGRESS] = endpoint.chains[NW_CHAIN_INGRESS];
  endpoint.staged[NW_CHAIN_INGRESS]->tiers[0].rules.push_back(staged);
  endpoint.staged[NW_CHAIN_INGRESS]->tiers.push_back({.name = "new", .rules = {}, .staged = true});
  const auto slots = assign_slots({}, resolved);
  CHECK(slots.rules.size() == before + 2);
  CHECK(slots.rules.contains({NW_INGRESS, {"default", "a", 0, true}}));
  CHECK(slots.rules.contains({NW_INGRESS, {"new", "", -1, true}}));
}

TEST_CASE("where a chain leaves the packet to the next stage or open there is no counter") {
  auto resolved = with_endpoints({"a"});
  auto& endpoint = resolved.endpoints[0];
  const auto before = assign_slots({}, resolved).rules;
  for (const auto chain : {NW_CHAIN_UNTRACKED_EGRESS, NW_CHAIN_FORWARD_EGRESS, NW_CHAIN_PRE_DNAT})
    endpoint.chains[chain].tiers = {{.name = "t" + std::to_string(chain), .rules = {}, .end = model::TierAction::Pass}};
  auto slots = assign_slots({}, resolved).rules;
  CHECK(slots.erase({NW_EGRESS, {"t3", "", -1}}) == 1);  // the end of a tier is Deny some day
  CHECK(slots.size() == before.size());
}

TEST_CASE("a slot that two owners claim goes to one of them") {
  Slots damaged;
  damaged.endpoints = {{"a", 5}, {"b", 5}};
  const auto slots = assign_slots(damaged, with_endpoints({"a", "b"}));
  CHECK(slots.endpoints.at("a") == 5);
  CHECK(slots.endpoints.at("b") == 0);
}

}  // namespace nodewall::compile::test
