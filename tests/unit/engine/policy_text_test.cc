// The text of policy.json, as one writes it who remembers what it wrote last.
#include <catch2/catch_test_macros.hpp>

#include "engine/policy_text.h"

using namespace nodewall;
using engine::PolicyWriter;

namespace {

resolve::ResolvedRule rule(std::int32_t number, std::vector<resolve::SetIndex> from = {}) {
  resolve::ResolvedRule made;
  made.action = model::Action::Deny;
  made.protocols.set(6);
  made.source.in = std::move(from);
  made.origin = {"default", "p", number};
  return made;
}

Cidr host(std::uint32_t number) { return {Address::v4(0x0a000000U + number), 32}; }

// 500 rules in chunks of a hundred, the first of each looking at a set.
resolve::Resolved policy() {
  resolve::Resolved resolved;
  resolved.sets = {{{host(1)}}, {{host(2), host(3)}}};
  resolve::EndpointPolicy endpoint;
  endpoint.host_endpoint = "eth0";
  auto& tier = endpoint.chains[NW_CHAIN_INGRESS].tiers.emplace_back();
  tier.name = "default";
  for (std::int32_t first = 0; first < 500; first += 100) {
    std::vector<resolve::ResolvedRule> rules;
    for (auto i = first; i < first + 100; ++i) rules.push_back(i == first ? rule(i, {0, 1}) : rule(i));
    tier.rules.append(rules);
  }
  endpoint.chains[NW_CHAIN_INGRESS].profile_rules = {rule(-1)};
  resolved.endpoints = {endpoint};
  return resolved;
}

class Writing {
 public:
  void step(const resolve::Resolved& resolved) {
    auto shared = std::make_shared<const resolve::Resolved>(resolved);
    auto whole = engine::summarize(resolved, *slots);
    whole.generation = ++generation_;
    whole.cost.rules = generation_;
    CHECK(writer_.text(shared, slots, generation_, whole.cost) == engine::policy_text(whole));
  }
  std::shared_ptr<const compile::Slots> slots = std::make_shared<compile::Slots>();

 private:
  PolicyWriter writer_;
  std::uint32_t generation_ = 0;
};

}  // namespace

TEST_CASE("a policy in words is the whole policy, whatever of it was written before") {
  auto resolved = policy();
  auto& rules = resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules;
  Writing writing;
  writing.step(resolved);
  writing.step(resolved);
  SECTION("a rule changes") {
    auto changed = rule(250, {1});
    rules.set(250, changed);
    writing.step(resolved);
  }
  SECTION("a set that rules look at gets a member, and another one its number") {
    resolved.sets[1].members = resolved.sets[1].members.with(host(4));
    writing.step(resolved);
    std::swap(resolved.sets[0], resolved.sets[1]);
    writing.step(resolved);
  }
  SECTION("the slots change") {
    auto slots = *writing.slots;
    slots.rules[{NW_INGRESS, {"default", "p", 7}}] = 3;
    slots.endpoints["eth0"] = 1;
    writing.slots = std::make_shared<compile::Slots>(slots);
    writing.step(resolved);
  }
  SECTION("rules of one origin stand on both sides of a border of chunks") {
    auto changed = rule(99, {1});
    rules.set(100, changed);
    writing.step(resolved);
    rules.set(100, rule(100));
    writing.step(resolved);
  }
  SECTION("an endpoint comes with the rules of another, and goes") {
    resolved.endpoints.push_back(resolved.endpoints[0]);
    resolved.endpoints[1].host_endpoint = "eth1";
    resolved.endpoints[1].staged[NW_CHAIN_EGRESS] = resolved.endpoints[0].chains[NW_CHAIN_INGRESS];
    writing.step(resolved);
    resolved.endpoints.pop_back();
    rules.clear();
    writing.step(resolved);
  }
}
