#include "compile/flatten.h"

#include "compile/diagram.h"

namespace nodewall::compile {
namespace {

bool matches_all(const Criteria& criteria) { return criteria == Criteria{}; }

std::uint32_t rule_key(const resolve::ResolvedRule& rule, std::uint32_t direction, std::uint8_t reason, RuleTable& table) {
  return table.key({.direction = direction, .origin = rule.origin, .allow = rule.action == model::Action::Allow, .reason = reason});
}

// A rule that matches everything ends its tier: what follows it in there can't be reached.
Tier flatten_tier(const resolve::ResolvedTier& tier, std::uint32_t direction, Predicates& predicates, RuleTable& table) {
  Tier made;
  bool passes = tier.end == model::TierAction::Pass;
  for (const auto& rule : tier.rules) {
    if (rule.action == model::Action::Log) continue;
    const auto criteria = predicates.of(rule);
    if (!criteria) continue;
    const bool pass = rule.action == model::Action::Pass;
    if (pass && matches_all(*criteria)) {
      passes = true;
      break;
    }
    const auto key = pass ? kPassKey : rule_key(rule, direction, NW_REASON_POLICY, table);
    if (!pass && matches_all(*criteria)) {
      made.end_key = key;
      break;
    }
    made.steps.push_back({*criteria, key, &rule});
  }
  if (made.end_key) return made;
  if (!passes) {
    made.end_key = table.key({.direction = direction,
                              .origin = {.tier = tier.name, .policy = "", .rule = -1},
                              .allow = false,
                              .reason = NW_REASON_TIER_DEFAULT});
    return made;
  }
  while (!made.steps.empty() && made.steps.back().key == kPassKey) made.steps.pop_back();
  return made;
}

Tier flatten_profiles(const std::vector<resolve::ResolvedRule>& rules, std::uint32_t direction, Predicates& predicates,
                      RuleTable& table) {
  Tier made;
  for (const auto& rule : rules) {
    if (rule.action == model::Action::Log) continue;
    const auto criteria = predicates.of(rule);
    if (!criteria) continue;
    const auto key = rule_key(rule, direction, NW_REASON_PROFILE, table);
    if (matches_all(*criteria)) {
      made.end_key = key;
      return made;
    }
    made.steps.push_back({*criteria, key, &rule});
  }
  made.end_key = table.key({.direction = direction, .origin = {}, .allow = false, .reason = NW_REASON_NO_PROFILE});
  return made;
}

bool has_pass(const Tier& tier) {
  for (const auto& step : tier.steps)
    if (step.key == kPassKey) return true;
  return false;
}

}  // namespace

FlatPolicy flatten(const resolve::ChainPolicy& policy, std::uint32_t direction, Predicates& predicates, RuleTable& table) {
  FlatPolicy flat;
  for (const auto& tier : policy.tiers) {
    flat.tiers.push_back(flatten_tier(tier, direction, predicates, table));
    if (flat.tiers.back().end_key && !has_pass(flat.tiers.back())) return flat;
  }
  flat.tiers.push_back(flatten_profiles(policy.profile_rules, direction, predicates, table));
  return flat;
}

std::vector<std::uint32_t> keys_of(const FlatPolicy& policy) {
  std::vector<std::uint32_t> keys;
  for (const auto& tier : policy.tiers) {
    for (const auto& step : tier.steps) keys.push_back(step.key);
    if (tier.end_key) keys.push_back(*tier.end_key);
  }
  return keys;
}

Chain chain_of(const FlatPolicy& policy, const std::vector<std::uint32_t>& numbers) {
  Chain chain;
  chain.segments.emplace_back();
  std::size_t at = 0;
  for (const auto& tier : policy.tiers) {
    auto& segment = chain.segments.back();
    for (const auto& step : tier.steps) {
      const bool pass = step.key == kPassKey;
      segment.has_pass |= pass;
      segment.terms.push_back({step.criteria, pass ? pass_leaf(numbers[at]) : rule_leaf(numbers[at]), step.rule});
      ++at;
    }
    if (tier.end_key) {
      segment.end = rule_leaf(numbers[at]);
      chain.default_rule = numbers[at++];
    }
    if (segment.has_pass) chain.segments.emplace_back();
  }
  return chain;
}

}  // namespace nodewall::compile
