// Stable slots: owners that stay keep theirs.
#include <algorithm>
#include <set>

#include "compile/table_image.h"

namespace nodewall::compile {
namespace {

// `owners`: sorted, unique.
template <class Key>
std::map<Key, std::uint32_t> assign(const std::map<Key, std::uint32_t>& previous, const std::vector<Key>& owners) {
  std::vector<std::uint32_t> slots(owners.size());
  std::vector<bool> kept(owners.size(), false);
  std::set<std::uint32_t> taken;
  auto before = previous.begin();
  for (std::size_t i = 0; i < owners.size(); ++i) {
    while (before != previous.end() && before->first < owners[i]) ++before;
    if (before == previous.end() || before->first != owners[i]) continue;
    kept[i] = taken.insert(before->second).second;  // a slot that two owners claim is one's only
    slots[i] = before->second;
  }
  std::map<Key, std::uint32_t> made;
  std::uint32_t next = 0;
  auto used = taken.begin();
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (!kept[i]) {
      for (; used != taken.end() && *used == next; ++used) ++next;
      slots[i] = next++;
    }
    made.emplace_hint(made.end(), owners[i], slots[i]);
  }
  return made;
}

template <class Key>
void sort_unique(std::vector<Key>& keys) {
  if (!std::ranges::is_sorted(keys)) std::ranges::sort(keys);
  const auto doubles = std::ranges::unique(keys);
  keys.erase(doubles.begin(), doubles.end());
}

// Everything that can decide in a chain, reachable or not: what is reachable changes with addresses, slots need not.
void add_keys(const resolve::ChainPolicy& policy, std::uint32_t chain, std::vector<RuleKey>& keys) {
  const auto direction = resolve::direction_of(chain);
  const auto end = resolve::end_of(chain);
  for (const auto& tier : policy.tiers) {
    for (const auto& rule : tier.rules)
      if (rule.action == model::Action::Allow || rule.action == model::Action::Deny) keys.push_back({direction, rule.origin});
    if (end != resolve::ChainEnd::next || tier.end == model::TierAction::Deny) keys.push_back({direction, resolve::origin_of_end(tier)});
  }
  if (end != resolve::ChainEnd::profiles) return;
  for (const auto& rule : policy.profile_rules)
    if (rule.action != model::Action::Log) keys.push_back({direction, rule.origin});
  keys.push_back({direction, {}});
}

bool same_owners(const resolve::ChainPolicy& a, const resolve::ChainPolicy& b) {
  const auto same_rules = [](const auto& x, const auto& y) {
    return std::ranges::equal(x, y, [](const auto& rule, const auto& other) { return &rule == &other || (rule.action == other.action && rule.origin == other.origin); });
  };
  const auto same_tiers = [&](const resolve::ResolvedTier& x, const resolve::ResolvedTier& y) {
    return x.name == y.name && x.end == y.end && x.staged == y.staged && same_rules(x.rules, y.rules);
  };
  return std::ranges::equal(a.tiers, b.tiers, same_tiers) && same_rules(a.profile_rules, b.profile_rules);
}

}  // namespace

bool same_owners(const resolve::Resolved& a, const resolve::Resolved& b) {
  return std::ranges::equal(a.endpoints, b.endpoints, [](const auto& x, const auto& y) {
    const auto same_staged = [](const auto& p, const auto& q) { return p.has_value() == q.has_value() && (!p || same_owners(*p, *q)); };
    return x.host_endpoint == y.host_endpoint &&
           std::ranges::equal(x.chains, y.chains, [](const auto& p, const auto& q) { return same_owners(p, q); }) &&
           std::ranges::equal(x.staged, y.staged, same_staged);
  });
}

Slots assign_slots(const Slots& previous, const resolve::Resolved& resolved) {
  std::vector<std::string> endpoints;
  std::vector<RuleKey> rules;
  for (const auto& endpoint : resolved.endpoints) {
    endpoints.push_back(endpoint.host_endpoint);
    for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
      if (endpoint.has(chain)) add_keys(endpoint.chains[chain], chain, rules);
      if (endpoint.staged[chain]) add_keys(*endpoint.staged[chain], chain, rules);
    }
  }
  sort_unique(endpoints);
  sort_unique(rules);
  return {.endpoints = assign(previous.endpoints, endpoints), .rules = assign(previous.rules, rules)};
}

}  // namespace nodewall::compile
