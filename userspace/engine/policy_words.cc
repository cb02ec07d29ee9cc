// The enforced policy in words, as policy.json has it.
#include <fmt/format.h>

#include <map>
#include <unordered_map>

#include "engine/state_file.h"

namespace nodewall::engine {
namespace {

constexpr std::size_t kShownMembers = 3;  // of a set or port list; the rest is a number

std::string action_name(model::Action action) {
  switch (action) {
    case model::Action::Allow: return "Allow";
    case model::Action::Deny: return "Deny";
    case model::Action::Log: return "Log";
    case model::Action::Pass: return "Pass";
  }
  return "Deny";
}

template <typename List, typename Print>
std::string shorten(const List& list, Print print) {
  std::string text;
  std::size_t shown = 0;
  for (const auto& entry : list) {
    if (shown == kShownMembers) break;
    text += (shown++ ? "," : "") + print(entry);
  }
  if (list.size() > shown) text += fmt::format(",+{}", list.size() - shown);
  return text;
}

std::string set_text(const resolve::Resolved& resolved, resolve::SetIndex index) {
  if (index >= resolved.sets.size() || resolved.sets[index].members.empty()) return "{nothing}";
  const auto& members = resolved.sets[index].members;
  const auto text = shorten(members, [](const Cidr& cidr) { return to_string(cidr); });
  return members.size() == 1 ? text : "{" + text + "}";
}

std::string side_text(const resolve::Resolved& resolved, const resolve::Side& side,
                      std::string_view word) {
  std::string text;
  const auto add = [&](const std::string& part) { text += " " + part; };
  if (!side.in.empty() || !side.not_in.empty() || side.ports) add(std::string(word));
  for (const auto index : side.in) add(set_text(resolved, index));
  for (const auto index : side.not_in) add("not " + set_text(resolved, index));
  if (side.ports) {
    const auto ports = shorten(*side.ports, [](const model::PortRange& range) {
      return range.first == range.last ? fmt::format("{}", range.first)
                                       : fmt::format("{}-{}", range.first, range.last);
    });
    add(side.ports->empty() ? "no port" : "port " + ports);
  }
  return text;
}

std::string icmp_text(const model::Icmp& icmp) {
  std::string text = "ICMP";
  if (icmp.type) text += fmt::format(" type {}", *icmp.type);
  if (icmp.code) text += fmt::format(" code {}", *icmp.code);
  return text;
}

std::string protocols_text(const std::bitset<256>& protocols) {
  const auto name = [](std::size_t number) {
    return model::to_string(model::Protocol{.number = static_cast<std::uint8_t>(number)});
  };
  if (protocols.all()) return "";
  std::vector<std::size_t> wanted;
  const bool negated = protocols.count() > 128;
  for (std::size_t i = 0; i < 256; ++i) {
    if (protocols[i] != negated) wanted.push_back(i);
  }
  return std::string(negated ? " not " : " ") + shorten(wanted, name);
}

// Few sets of protocols stand in many rules.
using ProtocolWords = std::unordered_map<std::bitset<256>, std::string>;

std::string match_text(const resolve::Resolved& resolved, const resolve::ResolvedRule& rule, ProtocolWords& protocols) {
  std::string text;
  if (rule.v4 != rule.v6) text += rule.v4 ? " IPv4" : " IPv6";
  auto known = protocols.find(rule.protocols);
  if (known == protocols.end()) known = protocols.emplace(rule.protocols, protocols_text(rule.protocols)).first;
  text += known->second;
  if (rule.icmp) text += " " + icmp_text(*rule.icmp);
  if (rule.not_icmp) text += " not " + icmp_text(*rule.not_icmp);
  text += side_text(resolved, rule.source, "from");
  text += side_text(resolved, rule.destination, "to");
  return text.empty() ? text : text.substr(1);
}

template <typename Rules>
std::vector<RuleSummary> words_of(const resolve::Resolved& resolved, const Rules& rules) {
  std::vector<RuleSummary> lines;
  ProtocolWords protocols;
  for (const auto& rule : rules) {
    auto match = match_text(resolved, rule, protocols);
    if (!lines.empty() && lines.back().origin == rule.origin) {
      lines.back().match += " or " + match;
    } else {
      lines.push_back({rule.origin, action_name(rule.action), std::move(match)});
    }
  }
  return lines;
}

ChainSummary chain_of(const resolve::Resolved& resolved, const resolve::ChainPolicy& policy) {
  ChainSummary chain;
  for (const auto& tier : policy.tiers) {
    chain.tiers.push_back({.name = tier.name,
                           .end = std::string(tier_end_word(tier.end)),
                           .staged = tier.staged,
                           .rules = words_of(resolved, tier.rules)});
  }
  chain.profile_rules = words_of(resolved, policy.profile_rules);
  return chain;
}

}  // namespace

std::string_view tier_end_word(model::TierAction end) { return end == model::TierAction::Pass ? "Pass" : "Deny"; }

std::vector<RuleSummary> rule_words(const resolve::Resolved& resolved, const std::vector<resolve::ResolvedRule>& rules) {
  return words_of(resolved, rules);
}

PolicyOutline outline_of(const resolve::Resolved& resolved) {
  PolicyOutline outline;
  // Endpoints with the same policies and profiles mostly have the same rules; named ports may make them differ.
  std::multimap<std::string, std::size_t> known;
  const auto index_of = [&](const std::string& key, const resolve::ChainPolicy& policy) {
    const auto [first, last] = known.equal_range(key);
    for (auto it = first; it != last; ++it) {
      if (*outline.chains[it->second] == policy) return it->second;
    }
    outline.chains.push_back(&policy);
    known.emplace(key, outline.chains.size() - 1);
    return outline.chains.size() - 1;
  };
  for (const auto& endpoint : resolved.endpoints) {
    auto& summary = outline.endpoints.emplace_back(EndpointSummary{.host_endpoint = endpoint.host_endpoint,
                                                                   .policies = endpoint.policies,
                                                                   .staged_policies = endpoint.staged_policies,
                                                                   .profiles = endpoint.profiles,
                                                                   .chains = {},
                                                                   .staged = {}});
    const auto key = fmt::format("{} | {} | {}", fmt::join(endpoint.policies, " "),
                                 fmt::join(endpoint.staged_policies, " "), fmt::join(endpoint.profiles, " "));
    for (std::uint32_t chain = 0; chain <= NW_CHAIN_PRE_DNAT; ++chain) {
      const auto name = fmt::format("{} {}", chain, key);
      if (endpoint.has(chain)) summary.chains.emplace(chain, index_of(name, endpoint.chains[chain]));
      if (endpoint.staged[chain]) summary.staged.emplace(chain, index_of("staged " + name, *endpoint.staged[chain]));
    }
  }
  return outline;
}

SavedPolicy summarize(const resolve::Resolved& resolved, const compile::Slots& slots) {
  auto outline = outline_of(resolved);
  SavedPolicy saved;
  saved.slots = slots;
  saved.endpoints = std::move(outline.endpoints);
  for (const auto* chain : outline.chains) saved.chains.push_back(chain_of(resolved, *chain));
  return saved;
}

}  // namespace nodewall::engine
