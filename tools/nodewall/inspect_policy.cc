// show policy: each host endpoint with its chains, and what each rule decided.
#include <fmt/format.h>

#include "base/printable.h"
#include "inspect_json.h"
#include "inspect_node.h"
#include "inspect_table.h"

namespace nodewall::cli {
namespace {

using nlohmann::json;

// Packets that rules decided, by rule counter slot; empty when the maps cannot be read.
std::vector<nw_count> rule_counts(const NodeView& view) {
  auto datapath = open_pinned(view);
  if (!datapath) return {};
  auto counts = datapath->rule_counters();
  return counts ? std::move(*counts) : std::vector<nw_count>();
}

class PolicyView {
 public:
  PolicyView(const engine::SavedPolicy& policy, std::vector<nw_count> counts)
      : policy_(policy), counts_(std::move(counts)) {}

  json endpoint(const engine::EndpointSummary& endpoint) const {
    json to = {{"hostEndpoint", endpoint.host_endpoint},
               {"policies", endpoint.policies},
               {"stagedPolicies", endpoint.staged_policies},
               {"profiles", endpoint.profiles},
               {"staged", json::object()}};
    for (const auto& [number, index] : endpoint.chains) to[std::string(resolve::chain_name(number))] = chain(index, number);
    for (const auto& [number, index] : endpoint.staged)
      to["staged"][std::string(resolve::chain_name(number))] = chain(index, number);
    return to;
  }

 private:
  json chain(std::size_t index, std::uint32_t number) const {
    if (index >= policy_.chains.size()) return json::object();
    const auto direction = resolve::direction_of(number);
    const auto& summary = policy_.chains[index];
    json tiers = json::array();
    for (const auto& tier : summary.tiers) {
      json entry = {{"name", tier.name},
                    {"end", tier.end},
                    {"staged", tier.staged},
                    {"rules", rules(tier.rules, direction)}};
      count(entry, {.tier = tier.name, .policy = "", .rule = -1, .staged = tier.staged}, direction);
      tiers.push_back(std::move(entry));
    }
    return {{"tiers", std::move(tiers)}, {"profileRules", rules(summary.profile_rules, direction)}};
  }

  json rules(const std::vector<engine::RuleSummary>& list, std::uint32_t direction) const {
    json lines = json::array();
    for (const auto& rule : list) {
      json line = {{"policy", rule.origin.policy},
                   {"rule", rule.origin.rule},
                   {"action", rule.action},
                   {"match", rule.match},
                   {"staged", rule.origin.staged}};
      count(line, rule.origin, direction);
      lines.push_back(std::move(line));
    }
    return lines;
  }

  void count(json& into, const resolve::Origin& origin, std::uint32_t direction) const {
    const auto slot = policy_.slots.rules.find({direction, origin});
    if (slot == policy_.slots.rules.end() || slot->second >= counts_.size()) return;
    into["packets"] = counts_[slot->second].packets;
    into["bytes"] = counts_[slot->second].bytes;
  }

  const engine::SavedPolicy& policy_;
  std::vector<nw_count> counts_;
};

// A rule that decides nothing by itself, and one whose counter cannot be read, has no counts.
std::string count_of(const json& from, const char* key) { return from.contains(key) ? number_of(from, key) : ""; }

std::string action_of(const json& from, const char* key) {
  return text_of(from, key) + (from.value("staged", false) ? " (staged)" : "");
}

void add_rules(const json& rules, const std::string& tier, std::vector<TableRow>& rows) {
  for (const auto& rule : rules) {
    rows.push_back({tier, text_of(rule, "policy"), fmt::format("{}", rule["rule"].get<int>()), action_of(rule, "action"),
                    text_of(rule, "match"), count_of(rule, "packets"), count_of(rule, "bytes")});
  }
}

std::string chain_text(const json& chain) {
  std::vector<TableRow> rows;
  if (chain.empty()) return "";
  for (const auto& tier : chain["tiers"]) {
    add_rules(tier["rules"], text_of(tier, "name"), rows);
    rows.push_back({text_of(tier, "name"), "", "end", action_of(tier, "end"), "", count_of(tier, "packets"),
                    count_of(tier, "bytes")});
  }
  add_rules(chain["profileRules"], "(profiles)", rows);
  return text_table({"TIER", "POLICY", "RULE", "ACTION", "MATCH", "PACKETS", "BYTES"}, rows);
}

std::string chains_text(const json& chains, const std::string& host_endpoint, const char* what) {
  std::string text;
  for (std::uint32_t number = 0; number <= NW_CHAIN_PRE_DNAT; ++number) {
    const std::string name(resolve::chain_name(number));
    if (!chains.contains(name)) continue;
    text += fmt::format("\nHost endpoint {}, {}{}:\n", host_endpoint, name, what);
    text += chain_text(chains[name]);
  }
  return text;
}

}  // namespace

Result<json> policy_json(const NodeView& view) {
  if (!view.policy) return fail(Errc::not_found, "no policy was ever enforced here: no " + view.run_dir + "/policy.json");
  const PolicyView policy(*view.policy, rule_counts(view));
  json endpoints = json::array();
  for (const auto& endpoint : view.policy->endpoints) endpoints.push_back(policy.endpoint(endpoint));
  const auto& cost = view.policy->cost;
  return json{{"generation", view.policy->generation},
              {"endpoints", std::move(endpoints)},
              {"image",
               {{"bytes", cost.bytes},
                {"rules", cost.rules},
                {"addressClasses", cost.address_classes},
                {"l4Classes", cost.l4_classes},
                {"deepestDiagram", cost.deepest_diagram}}}};
}

std::string policy_text(const json& policy) {
  std::string text = fmt::format("Generation {}, {} rules in {} bytes\n", number_of(policy, "generation"),
                                 number_of(policy["image"], "rules"),
                                 number_of(policy["image"], "bytes"));
  for (const auto& endpoint : policy["endpoints"]) {
    const auto name = printable(text_of(endpoint, "hostEndpoint"));
    text += chains_text(endpoint, name, "");
    text += chains_text(endpoint["staged"], name, ", as the staged policies would have it");
  }
  return text;
}

}  // namespace nodewall::cli
