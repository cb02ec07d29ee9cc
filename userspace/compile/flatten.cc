#include "compile/flatten.h"

#include <algorithm>
#include <ranges>

#include "compile/diagram.h"

namespace nodewall::compile {
namespace {

bool matches_all(const Criteria& criteria) { return criteria == Criteria{}; }

std::uint32_t rule_key(const resolve::ResolvedRule& rule, std::uint32_t direction, std::uint8_t reason, RuleTable& table) {
  const auto verdict = rule.action == model::Action::Allow ? NW_ALLOW : NW_DENY;
  return table.key({.direction = direction, .origin = rule.origin, .verdict = static_cast<std::uint8_t>(verdict), .reason = reason});
}

std::uint32_t next_key(RuleTable& table) { return table.key({.origin = {}, .verdict = NW_NEXT, .reason = NW_REASON_NONE}); }

// A rule that matches everything ends its tier: what follows it in there can't be reached.
Tier flatten_tier(const resolve::ResolvedTier& tier, std::uint32_t direction, Predicates& predicates, RuleTable& table) {
  Tier made;
  bool passes = tier.end == model::TierAction::Pass;
  for (const auto& rule : tier.rules) {
    ++made.looked_at;
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
                              .origin = resolve::origin_of_end(tier),
                              .verdict = NW_DENY,
                              .reason = NW_REASON_TIER_DEFAULT});
    return made;
  }
  while (!made.steps.empty() && made.steps.back().key == kPassKey) made.steps.pop_back();
  return made;
}

Tier flatten_profiles(const SharedList<resolve::ResolvedRule>& rules, std::uint32_t direction, Predicates& predicates,
                      RuleTable& table) {
  Tier made;
  for (const auto& rule : rules) {
    ++made.looked_at;
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
  made.end_key = table.key({.direction = direction, .origin = {}, .verdict = NW_DENY, .reason = NW_REASON_NO_PROFILE});
  return made;
}

bool has_pass(const Tier& tier) {
  for (const auto& step : tier.steps)
    if (step.key == kPassKey) return true;
  return false;
}

bool is_log(const resolve::ResolvedRule& rule) { return rule.action == model::Action::Log; }

using RuleRange = std::ranges::subrange<SharedList<resolve::ResolvedRule>::const_iterator>;

// One list of the chain for the question "is it logged": what decides says no. `end`: what a packet meets that no rule matches; nothing:
// the next list.
Tier flatten_list_log(RuleRange rules, bool passes, std::optional<std::uint32_t> end, Predicates& predicates,
                      RuleTable& table) {
  const auto logged = table.key({.origin = {}, .verdict = NW_LOG, .reason = NW_REASON_NONE});
  Tier made;
  for (const auto& rule : rules) {
    ++made.looked_at;
    const auto criteria = predicates.of(rule);
    if (!criteria) continue;
    const auto key = is_log(rule) ? logged : passes && rule.action == model::Action::Pass ? kPassKey : next_key(table);
    if (matches_all(*criteria)) {
      if (key != kPassKey) made.end_key = key;
      return made;
    }
    made.steps.push_back({*criteria, key, &rule});
  }
  made.end_key = end;
  return made;
}

}  // namespace

FlatPolicy flatten(const resolve::ChainPolicy& policy, resolve::ChainEnd end, std::uint32_t direction, Predicates& predicates,
                   RuleTable& table) {
  FlatPolicy flat;
  for (const auto& tier : policy.tiers) {
    flat.tiers.push_back(flatten_tier(tier, direction, predicates, table));
    if (flat.tiers.back().end_key && !has_pass(flat.tiers.back())) return flat;
  }
  switch (end) {
    case resolve::ChainEnd::profiles: flat.tiers.push_back(flatten_profiles(policy.profile_rules, direction, predicates, table)); break;
    case resolve::ChainEnd::open:
      flat.tiers.push_back({.steps = {}, .end_key = table.key({.origin = {}, .verdict = NW_ALLOW, .reason = NW_REASON_FORWARDED}), .looked_at = 0});
      break;
    case resolve::ChainEnd::next: flat.tiers.push_back({.steps = {}, .end_key = next_key(table), .looked_at = 0}); break;
  }
  return flat;
}

FlatPolicy flatten_log(const resolve::ChainPolicy& policy, Predicates& predicates, RuleTable& table) {
  std::vector<RuleRange> lists;
  for (const auto& tier : policy.tiers) lists.emplace_back(tier.rules.begin(), tier.rules.end());
  lists.emplace_back(policy.profile_rules.begin(), policy.profile_rules.end());
  while (!lists.empty() && std::ranges::none_of(lists.back(), is_log)) lists.pop_back();
  if (lists.empty()) return {};
  auto& last = lists.back();
  while (!is_log(last.back())) last = {last.begin(), last.end() - 1};
  FlatPolicy flat;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const bool is_last = i + 1 == lists.size();
    std::optional<std::uint32_t> end;
    if (is_last || policy.tiers[i].end == model::TierAction::Deny) end = next_key(table);
    flat.tiers.push_back(flatten_list_log(lists[i], !is_last, end, predicates, table));
    if (flat.tiers.back().end_key && !has_pass(flat.tiers.back())) break;
  }
  const auto logs = [&](const Tier& tier) {
    const auto says_log = [&](std::uint32_t key) { return key != kPassKey && table.entry(key).verdict == NW_LOG; };
    return (tier.end_key && says_log(*tier.end_key)) || std::ranges::any_of(tier.steps, says_log, &Step::key);
  };
  return std::ranges::any_of(flat.tiers, logs) ? flat : FlatPolicy{};
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
    chain.looked_at.push_back(tier.looked_at);
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
