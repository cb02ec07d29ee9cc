// What an update takes for the same as before, and what not: two policies with one difference.
#include <catch2/catch_test_macros.hpp>

#include "compile/compiler.h"
#include "reference.h"

namespace nodewall::compile::test {
namespace {

resolve::ResolvedRule from_set(model::Action action, std::int32_t index, resolve::SetIndex set, std::uint16_t port = 0) {
  auto made = rule(action, "p", index);
  made.source.in = {set};
  if (port != 0) made.destination.ports = {{model::PortRange{port, port}}};
  return made;
}

resolve::EndpointPolicy endpoint(const char* name, std::vector<resolve::ResolvedRule> rules) {
  resolve::EndpointPolicy made;
  made.host_endpoint = name;
  made.chains[NW_CHAIN_INGRESS].tiers = {{.name = "default", .rules = std::move(rules), .end = model::TierAction::Deny}};
  return made;
}

// What a compiler that had `before` makes of `after`.
struct Updated {
  Compiler compiler;
  Slots slots;

  Updated(const resolve::Resolved& before, const resolve::Resolved& after) : slots(assign_slots({}, before)) {
    REQUIRE(assign_slots(slots, after) == slots);
    REQUIRE(compiler.update(std::make_shared<const resolve::Resolved>(before), std::make_shared<const Slots>(slots)));
    REQUIRE(compiler.update(std::make_shared<const resolve::Resolved>(after), std::make_shared<const Slots>(slots)));
  }
  [[nodiscard]] bool allows(const char* source, std::uint16_t port, const char* name = "hep") const {
    return evaluate(compiler.image(), slots.endpoints.at(name), packet(source, "192.0.2.1", 6, port)).allow;
  }
};

}  // namespace

TEST_CASE("sets that were alike are told apart when a member comes to one of them") {
  resolve::Resolved before;
  before.sets = {{{cidr("10.0.0.0/24")}}, {{cidr("10.0.0.0/24")}}};
  before.endpoints = {endpoint("hep", {from_set(model::Action::Allow, 0, 0, 80), from_set(model::Action::Allow, 1, 1, 443)})};
  auto after = before;
  after.sets[0].members = {cidr("10.0.0.0/24"), cidr("10.0.1.0/24")};
  const Updated updated(before, after);
  CHECK(updated.allows("10.0.1.1", 80));
  CHECK_FALSE(updated.allows("10.0.1.1", 443));
  CHECK(updated.allows("10.0.0.1", 443));
}

TEST_CASE("a tier that ends otherwise than before ends so, where another endpoint's still ends as it did") {
  resolve::Resolved before;
  before.sets = {{{cidr("10.0.0.0/24")}}};
  before.endpoints = {endpoint("a", {from_set(model::Action::Deny, 0, 0)}), endpoint("b", {from_set(model::Action::Deny, 0, 0)})};
  before.endpoints[0].chains[NW_CHAIN_INGRESS].profile_rules = {rule(model::Action::Allow, "", 0)};
  auto after = before;
  after.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].end = model::TierAction::Pass;
  const Updated updated(before, after);
  CHECK(updated.allows("10.0.1.1", 80, "a"));
  CHECK_FALSE(updated.allows("10.0.1.1", 80, "b"));
  CHECK_FALSE(Updated(after, before).allows("10.0.1.1", 80, "a"));
}

TEST_CASE("a rule that denies now what it allowed denies it, and the other way round") {
  resolve::Resolved before;
  before.sets = {{{cidr("10.0.0.0/24")}}};
  before.endpoints = {endpoint("hep", {from_set(model::Action::Allow, 0, 0)})};
  before.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].end = model::TierAction::Pass;
  before.endpoints[0].chains[NW_CHAIN_INGRESS].profile_rules = {rule(model::Action::Allow, "", 0)};
  auto after = before;
  after.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules[0].action = model::Action::Deny;
  CHECK_FALSE(Updated(before, after).allows("10.0.0.1", 80));
  CHECK(Updated(after, before).allows("10.0.0.1", 80));
}

TEST_CASE("endpoints that change places keep their rules") {
  resolve::Resolved before;
  before.sets = {{{cidr("10.0.0.0/24")}}, {{cidr("10.0.1.0/24")}}};
  before.endpoints = {endpoint("a", {from_set(model::Action::Allow, 0, 0)}), endpoint("b", {from_set(model::Action::Allow, 0, 1)})};
  auto after = before;
  std::swap(after.endpoints[0], after.endpoints[1]);
  const Updated updated(before, after);
  CHECK(updated.allows("10.0.0.1", 80, "a"));
  CHECK_FALSE(updated.allows("10.0.1.1", 80, "a"));
  CHECK(updated.allows("10.0.1.1", 80, "b"));
}

}  // namespace nodewall::compile::test
