// policy.json: the slots, and the enforced policy in words (policy_words.cc), as policy_text.cc writes it.
#include <set>

#include "engine/files.h"
#include "engine/json_reader.h"
#include "engine/policy_text.h"
#include "engine/state_file.h"

namespace nodewall::engine {
namespace {

using nlohmann::json;

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
  return write_policy_text(run_dir, policy_text(policy));
}

Status write_policy_text(const std::string& run_dir, std::string_view text) { return write_private_file(run_dir + "/policy.json", text); }

}  // namespace nodewall::engine
