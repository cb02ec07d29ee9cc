#include "resolve/tiers.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

namespace nodewall::resolve {
namespace {

constexpr double kLast = std::numeric_limits<double>::infinity();
constexpr double kTierOrder = 1'000'000;  // of a tier that has none, as `default`

struct Sortable {
  OrderedTier tier;
  bool missing = false;
  double order = kLast;
};

// Tier objects by name. The three that are built in are what they are, whatever an object of that name says.
std::map<std::string, model::Tier> known_tiers(const model::ResourceSet& resources) {
  std::map<std::string, model::Tier> tiers;
  for (const auto& resource : model::built_in_tiers())
    tiers.emplace(resource.metadata.name, std::get<model::Tier>(resource.spec));
  for (const auto& [id, resource] : resources)
    if (const auto* tier = std::get_if<model::Tier>(&resource.spec)) tiers.emplace(id.name, *tier);
  return tiers;
}

Sortable make_tier(const std::string& name, const std::map<std::string, model::Tier>& known) {
  Sortable made;
  made.tier.name = name;
  const auto found = known.find(name);
  made.missing = found == known.end();
  if (!made.missing) {
    made.order = found->second.order.value_or(kTierOrder);
    made.tier.end = found->second.default_action.value_or(model::TierAction::Deny);
  }
  return made;
}

std::string tier_of(const model::GlobalNetworkPolicy& policy) { return policy.tier.value_or(std::string(model::kDefaultTier)); }

using PolicyMap = std::map<std::pair<std::string, std::string>, OrderedPolicy>;  // by tier and name

void apply_staged(const model::ResourceId& id, const model::StagedGlobalNetworkPolicy& staged, PolicyMap& policies) {
  const std::pair key(tier_of(staged.policy), id.name);
  switch (staged.action.value_or(model::StagedAction::Set)) {
    case model::StagedAction::Ignore: return;
    case model::StagedAction::Delete: policies.erase(key); return;
    case model::StagedAction::Set:
    case model::StagedAction::Learn: policies[key] = {id, &staged.policy}; return;
  }
}

PolicyMap policies_of(const model::ResourceSet& resources, World world) {
  PolicyMap policies;
  for (const auto& [id, resource] : resources)
    if (const auto* policy = std::get_if<model::GlobalNetworkPolicy>(&resource.spec))
      policies.emplace(std::pair(tier_of(*policy), id.name), OrderedPolicy{id, policy});
  if (world == World::enforced) return policies;
  for (const auto& [id, resource] : resources)
    if (const auto* staged = std::get_if<model::StagedGlobalNetworkPolicy>(&resource.spec)) apply_staged(id, *staged, policies);
  return policies;
}

}  // namespace

bool has_staged(const model::ResourceSet& resources) {
  return std::ranges::any_of(resources, [](const auto& it) { return it.first.kind == model::Kind::StagedGlobalNetworkPolicy; });
}

std::vector<OrderedTier> ordered_tiers(const model::ResourceSet& resources, World world, Conditions& conditions) {
  const auto known = known_tiers(resources);
  std::map<std::string, Sortable> by_name;
  for (const auto& [key, policy] : policies_of(resources, world)) {
    const auto& [name, policy_name] = key;
    auto found = by_name.find(name);
    if (found == by_name.end()) found = by_name.emplace(name, make_tier(name, known)).first;
    if (found->second.missing) {
      conditions.add(Conditions::Severity::warning, policy.id, "TierMissing",
                     fmt::format("tier {} does not exist: the policy is evaluated after all others, "
                                 "and what it does not decide is denied",
                                 name));
    }
    found->second.tier.policies.push_back(policy);
  }
  std::vector<Sortable> sorted;
  for (auto& [name, tier] : by_name) sorted.push_back(std::move(tier));
  std::ranges::sort(sorted, {}, [](const Sortable& it) { return std::tie(it.missing, it.order, it.tier.name); });
  std::vector<OrderedTier> result;
  for (auto& it : sorted) {
    std::ranges::stable_sort(it.tier.policies, {}, [](const OrderedPolicy& policy) {
      return std::pair<double, const std::string&>(policy.spec->order.value_or(kLast), policy.id.name);
    });
    result.push_back(std::move(it.tier));
  }
  return result;
}

}  // namespace nodewall::resolve
