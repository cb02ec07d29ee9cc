// policy.json: the slots, and the enforced policy in words (policy_words.cc).
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

// A policy has rules by the ten thousand, and is written whenever it changes: as text at once, without a tree of values.
class Writer {
 public:
  Writer& raw(std::string_view text) {
    text_ += text;
    return *this;
  }
  Writer& text(std::string_view text) {
    const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
    if (!std::ranges::all_of(text, is_plain)) return raw(json(text).dump(-1, ' ', false, json::error_handler_t::replace));
    text_ += '"';
    text_ += text;
    text_ += '"';
    return *this;
  }
  Writer& number(std::int64_t number) {
    fmt::format_to(std::back_inserter(text_), "{}", number);
    return *this;
  }
  // `one` writes an entry.
  template <typename List, typename One>
  Writer& list(const List& list, One one) {
    text_ += '[';
    for (bool first = true; const auto& entry : list) {
      if (!first) text_ += ',';
      first = false;
      one(entry);
    }
    text_ += ']';
    return *this;
  }
  // A staged policy may have the name of an enforced one.
  Writer& origin(const resolve::Origin& origin) {
    raw("[").text(origin.tier).raw(",").text(origin.policy).raw(",").number(origin.rule);
    return raw(origin.staged ? ",\"staged\"]" : "]");
  }
  Writer& rules(const std::vector<RuleSummary>& rules) {
    return list(rules, [&](const RuleSummary& rule) {
      raw("{\"action\":").text(rule.action).raw(",\"match\":").text(rule.match).raw(",\"origin\":").origin(rule.origin).raw("}");
    });
  }
  Writer& chain(const ChainSummary& chain) {
    raw("{\"profileRules\":").rules(chain.profile_rules).raw(",\"tiers\":");
    list(chain.tiers, [&](const TierSummary& tier) {
      raw("{\"end\":").text(tier.end).raw(",\"name\":").text(tier.name).raw(",\"rules\":").rules(tier.rules);
      raw(tier.staged ? ",\"staged\":true}" : ",\"staged\":false}");
    });
    return raw("}");
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

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

json to_json(const std::vector<EndpointSummary>& endpoints) {
  json list = json::array();
  for (const auto& endpoint : endpoints) {
    list.push_back({{"name", endpoint.host_endpoint},
                    {"policies", endpoint.policies},
                    {"stagedPolicies", endpoint.staged_policies},
                    {"profiles", endpoint.profiles},
                    {"chains", to_json(endpoint.chains)},
                    {"staged", to_json(endpoint.staged)}});
  }
  return list;
}

std::string text_of(const SavedPolicy& policy) {
  const auto small = [](const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); };
  Writer out;
  out.raw("{\"chains\":").list(policy.chains, [&](const ChainSummary& chain) { out.chain(chain); });
  out.raw(",\"cost\":").raw(small(to_json(policy.cost)));
  out.raw(",\"endpointSlots\":").raw(small(policy.slots.endpoints));
  out.raw(",\"endpoints\":").raw(small(to_json(policy.endpoints)));
  out.raw(",\"generation\":").number(policy.generation);
  out.raw(",\"ruleSlots\":").list(policy.slots.rules, [&](const auto& rule) {
    out.raw("{\"direction\":").number(rule.first.direction).raw(",\"origin\":").origin(rule.first.origin);
    out.raw(",\"slot\":").number(rule.second).raw("}");
  });
  return out.raw(",\"version\":").number(kPolicyVersion).raw("}\n").take();
}

}  // namespace

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
  return write_private_file(run_dir + "/policy.json", text_of(policy));
}

}  // namespace nodewall::engine
