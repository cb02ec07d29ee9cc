// policy.json: the slots, and the enforced policy in words.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/files.h"
#include "engine/json_reader.h"
#include "engine/state_file.h"

namespace nodewall::engine {
namespace {

using nlohmann::json;

constexpr std::uint64_t kPolicyVersion = 2;
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

std::string match_text(const resolve::Resolved& resolved, const resolve::ResolvedRule& rule) {
  std::string text;
  if (rule.v4 != rule.v6) text += rule.v4 ? " IPv4" : " IPv6";
  text += protocols_text(rule.protocols);
  if (rule.icmp) text += " " + icmp_text(*rule.icmp);
  if (rule.not_icmp) text += " not " + icmp_text(*rule.not_icmp);
  text += side_text(resolved, rule.source, "from");
  text += side_text(resolved, rule.destination, "to");
  return text.empty() ? text : text.substr(1);
}

std::vector<RuleSummary> rules_of(const resolve::Resolved& resolved,
                                  const std::vector<resolve::ResolvedRule>& rules) {
  std::vector<RuleSummary> lines;
  for (const auto& rule : rules) {
    auto match = match_text(resolved, rule);
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
                           .end = tier.end == model::TierAction::Pass ? "Pass" : "Deny",
                           .staged = tier.staged,
                           .rules = rules_of(resolved, tier.rules)});
  }
  chain.profile_rules = rules_of(resolved, policy.profile_rules);
  return chain;
}

// A staged policy may have the name of an enforced one.
json to_json(const resolve::Origin& origin) {
  auto list = json::array({origin.tier, origin.policy, origin.rule});
  if (origin.staged) list.push_back("staged");
  return list;
}

json to_json(const std::vector<RuleSummary>& rules) {
  json list = json::array();
  for (const auto& rule : rules) {
    list.push_back({{"origin", to_json(rule.origin)}, {"action", rule.action}, {"match", rule.match}});
  }
  return list;
}

resolve::Origin origin_from(JsonReader& in, const json& from) {
  const bool staged = from.is_array() && from.size() == 4 && from[3] == "staged";
  const bool whole = from.is_array() && from.size() == (staged ? 4 : 3) && from[0].is_string() &&
                     from[1].is_string() && from[2].is_number_integer();
  const auto rule = whole ? from[2].get<std::int64_t>() : -1;
  if (!whole || rule < -1 || rule > INT32_MAX) {
    in.reject();
    return {};
  }
  return {from[0].get<std::string>(), from[1].get<std::string>(), static_cast<std::int32_t>(rule), staged};
}

std::vector<RuleSummary> rules_from(JsonReader& in, const json& list) {
  std::vector<RuleSummary> rules;
  for (const auto& entry : list) {
    const auto origin = entry.is_object() ? entry.value("origin", json()) : json();
    rules.push_back({origin_from(in, origin), in.text(entry, "action"), in.text(entry, "match")});
  }
  return rules;
}

compile::Slots slots_from(JsonReader& in, const json& from) {
  compile::Slots slots;
  std::set<std::uint64_t> taken;
  for (const auto& [name, value] : in.object(from, "endpointSlots").items()) {
    const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() < NW_SLOT_UNUSED;
    if (!fits || !taken.insert(value.get<std::uint64_t>()).second) in.reject();
    else slots.endpoints.emplace(name, value.get<std::uint32_t>());
  }
  taken.clear();
  for (const auto& entry : in.array(from, "ruleSlots")) {
    const auto slot = in.number(entry, "slot", NW_MAX_RULE_COUNTERS - 1);
    const auto direction = static_cast<std::uint32_t>(in.number(entry, "direction", NW_EGRESS));
    const auto origin = origin_from(in, entry.is_object() ? entry.value("origin", json()) : json());
    if (!taken.insert(slot).second) in.reject();
    slots.rules.emplace(compile::RuleKey{direction, origin}, static_cast<std::uint32_t>(slot));
  }
  return slots;
}

json to_json(const compile::CostReport& cost) {
  return {{"bytes", cost.bytes},
          {"addressBytes", cost.address_bytes},
          {"diagramBytes", cost.diagram_bytes},
          {"addressClasses", cost.address_classes},
          {"l4Classes", cost.l4_classes},
          {"sourcePortClasses", cost.source_port_classes},
          {"rules", cost.rules},
          {"deepestDiagram", cost.deepest_diagram}};
}

compile::CostReport cost_from(JsonReader& in, const json& from) {
  compile::CostReport cost;
  cost.bytes = in.number(from, "bytes", SIZE_MAX);
  cost.address_bytes = in.number(from, "addressBytes", SIZE_MAX);
  cost.diagram_bytes = in.number(from, "diagramBytes", SIZE_MAX);
  cost.address_classes = in.number(from, "addressClasses", SIZE_MAX);
  cost.l4_classes = in.number(from, "l4Classes", SIZE_MAX);
  cost.source_port_classes = in.number(from, "sourcePortClasses", SIZE_MAX);
  cost.rules = in.number(from, "rules", SIZE_MAX);
  cost.deepest_diagram = in.number(from, "deepestDiagram", SIZE_MAX);
  return cost;
}

json to_json(const std::map<std::uint32_t, std::size_t>& chains) {
  json to = json::object();
  for (const auto& [chain, index] : chains) to[std::string(resolve::chain_name(chain))] = index;
  return to;
}

std::map<std::uint32_t, std::size_t> chains_from(JsonReader& in, const json& from, std::size_t count) {
  std::map<std::uint32_t, std::size_t> chains;
  for (const auto& [name, value] : from.items()) {
    std::uint32_t chain = 0;
    while (chain <= NW_CHAIN_PRE_DNAT && resolve::chain_name(chain) != name) ++chain;
    const bool there = value.is_number_unsigned() && value.get<std::uint64_t>() < count;
    if (chain > NW_CHAIN_PRE_DNAT || !there) in.reject();
    else chains.emplace(chain, value.get<std::size_t>());
  }
  return chains;
}

json to_json(const ChainSummary& chain) {
  json tiers = json::array();
  for (const auto& tier : chain.tiers) {
    tiers.push_back({{"name", tier.name}, {"end", tier.end}, {"staged", tier.staged}, {"rules", to_json(tier.rules)}});
  }
  return {{"tiers", std::move(tiers)}, {"profileRules", to_json(chain.profile_rules)}};
}

ChainSummary chain_from(JsonReader& in, const json& from) {
  ChainSummary chain;
  for (const auto& tier : in.array(from, "tiers")) {
    chain.tiers.push_back({.name = in.text(tier, "name"),
                           .end = in.text(tier, "end"),
                           .staged = in.flag(tier, "staged"),
                           .rules = rules_from(in, in.array(tier, "rules"))});
  }
  chain.profile_rules = rules_from(in, in.array(from, "profileRules"));
  return chain;
}

json to_json(const SavedPolicy& policy) {
  json rule_slots = json::array();
  for (const auto& [key, slot] : policy.slots.rules) {
    rule_slots.push_back(
        {{"direction", key.direction}, {"origin", to_json(key.origin)}, {"slot", slot}});
  }
  json endpoints = json::array();
  for (const auto& endpoint : policy.endpoints) {
    endpoints.push_back({{"name", endpoint.host_endpoint},
                         {"policies", endpoint.policies},
                         {"stagedPolicies", endpoint.staged_policies},
                         {"profiles", endpoint.profiles},
                         {"chains", to_json(endpoint.chains)},
                         {"staged", to_json(endpoint.staged)}});
  }
  json chains = json::array();
  for (const auto& chain : policy.chains) chains.push_back(to_json(chain));
  return {{"version", kPolicyVersion},
          {"generation", policy.generation},
          {"endpointSlots", policy.slots.endpoints},
          {"ruleSlots", std::move(rule_slots)},
          {"endpoints", std::move(endpoints)},
          {"chains", std::move(chains)},
          {"cost", to_json(policy.cost)}};
}

}  // namespace

SavedPolicy summarize(const resolve::Resolved& resolved, const compile::Slots& slots) {
  SavedPolicy saved;
  saved.slots = slots;
  // Endpoints with the same policies and profiles mostly have the same rules; named ports may make them differ.
  std::multimap<std::string, std::pair<const resolve::ChainPolicy*, std::size_t>> known;
  const auto index_of = [&](const std::string& key, const resolve::ChainPolicy& policy) {
    const auto [first, last] = known.equal_range(key);
    for (auto it = first; it != last; ++it) {
      if (*it->second.first == policy) return it->second.second;
    }
    saved.chains.push_back(chain_of(resolved, policy));
    known.emplace(key, std::pair(&policy, saved.chains.size() - 1));
    return saved.chains.size() - 1;
  };
  for (const auto& endpoint : resolved.endpoints) {
    auto& summary = saved.endpoints.emplace_back(EndpointSummary{.host_endpoint = endpoint.host_endpoint,
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
  return saved;
}

Result<SavedPolicy> read_policy(const std::string& run_dir) {
  const auto path = run_dir + "/policy.json";
  const auto text = read_private_file(path);
  if (!text) return fail(text.error());
  const json from = json::parse(*text, nullptr, false);
  JsonReader in;
  SavedPolicy policy;
  if (in.number(from, "version", UINT32_MAX) != kPolicyVersion) in.reject();
  policy.generation = in.u32(from, "generation");
  policy.slots = slots_from(in, from);
  policy.cost = cost_from(in, in.object(from, "cost"));
  for (const auto& entry : in.array(from, "chains")) policy.chains.push_back(chain_from(in, entry));
  for (const auto& entry : in.array(from, "endpoints")) {
    policy.endpoints.push_back({.host_endpoint = in.text(entry, "name"),
                                .policies = in.texts(entry, "policies"),
                                .staged_policies = in.texts(entry, "stagedPolicies"),
                                .profiles = in.texts(entry, "profiles"),
                                .chains = chains_from(in, in.object(entry, "chains"), policy.chains.size()),
                                .staged = chains_from(in, in.object(entry, "staged"), policy.chains.size())});
  }
  if (!in.ok()) return fail(Errc::abi, path + " is not a policy file of this version");
  return policy;
}

Status write_policy(const std::string& run_dir, const SavedPolicy& policy) {
  return write_private_file(
      run_dir + "/policy.json",
      to_json(policy).dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace nodewall::engine
