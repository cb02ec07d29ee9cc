#include "engine/policy_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace nodewall::engine {
namespace {

using nlohmann::json;

std::string_view end_word(const std::string& end) { return end; }
std::string_view end_word(model::TierAction end) { return tier_end_word(end); }

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
  Writer& rule(const RuleSummary& rule) {
    return raw("{\"action\":").text(rule.action).raw(",\"match\":").text(rule.match).raw(",\"origin\":").origin(rule.origin).raw("}");
  }
  // `rules` writes a list of them.
  template <typename Chain, typename Rules>
  Writer& chain(const Chain& chain, Rules rules) {
    raw("{\"profileRules\":");
    rules(chain.profile_rules);
    raw(",\"tiers\":").list(chain.tiers, [&](const auto& tier) {
      raw("{\"end\":").text(end_word(tier.end)).raw(",\"name\":").text(tier.name).raw(",\"rules\":");
      rules(tier.rules);
      raw(tier.staged ? ",\"staged\":true}" : ",\"staged\":false}");
    });
    return raw("}");
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

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

json to_json(const std::map<std::uint32_t, std::size_t>& chains) {
  json to = json::object();
  for (const auto& [chain, index] : chains) to[std::string(resolve::chain_name(chain))] = index;
  return to;
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

std::string small(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string rule_slots_text(const compile::Slots& slots) {
  Writer out;
  out.list(slots.rules, [&](const auto& rule) {
    out.raw("{\"direction\":").number(rule.first.direction).raw(",\"origin\":").origin(rule.first.origin);
    out.raw(",\"slot\":").number(rule.second).raw("}");
  });
  return out.take();
}

std::string rules_text(const std::vector<RuleSummary>& rules) {
  Writer out;
  for (bool first = true; const auto& rule : rules) {
    if (!first) out.raw(",");
    first = false;
    out.rule(rule);
  }
  return out.take();
}

// What stands behind the chains.
void write_rest(Writer& out, const compile::CostReport& cost, const std::string& endpoint_slots, const std::vector<EndpointSummary>& endpoints,
                std::uint32_t generation, std::string_view rule_slots) {
  out.raw(",\"cost\":").raw(small(to_json(cost))).raw(",\"endpointSlots\":").raw(endpoint_slots);
  out.raw(",\"endpoints\":").raw(small(to_json(endpoints))).raw(",\"generation\":").number(generation);
  out.raw(",\"ruleSlots\":").raw(rule_slots).raw(",\"version\":").number(kPolicyVersion).raw("}\n");
}

// Rules that a list of rules tells as one are not told apart by where its chunks end.
bool parts_rules(const SharedList<resolve::ResolvedRule>& rules, std::size_t chunk) {
  return chunk > 0 && rules.chunk(chunk - 1).back().origin == rules.chunk(chunk).front().origin;
}

}  // namespace

std::string policy_text(const SavedPolicy& policy) {
  Writer out;
  const auto rules = [&](const std::vector<RuleSummary>& list) { out.raw("[").raw(rules_text(list)).raw("]"); };
  out.raw("{\"chains\":").list(policy.chains, [&](const ChainSummary& chain) { out.chain(chain, rules); });
  write_rest(out, policy.cost, small(policy.slots.endpoints), policy.endpoints, policy.generation, rule_slots_text(policy.slots));
  return out.take();
}

// The sets' members are told too, the first of them and how many: they have to be the same ones.
const std::string& PolicyWriter::words_of(const resolve::Resolved& resolved, const SharedList<resolve::ResolvedRule>& rules, std::size_t chunk) {
  auto& known = known_[&rules.chunk(chunk)];
  const auto is_same = [&](const auto& set) { return resolved.sets[set.first].members == set.second; };
  if (known.round == 0 || !std::ranges::all_of(known.sets, is_same)) {
    known.sets.clear();
    for (const auto& rule : rules.chunk(chunk))
      for (const auto* list : {&rule.source.in, &rule.source.not_in, &rule.destination.in, &rule.destination.not_in})
        for (const auto set : *list) known.sets.emplace_back(set, resolved.sets[set].members);
    known.text = rules_text(rule_words(resolved, rules.chunk(chunk)));
  }
  known.round = round_;
  return known.text;
}

std::string PolicyWriter::text(const std::shared_ptr<const resolve::Resolved>& resolved, const std::shared_ptr<const compile::Slots>& slots,
                               std::uint32_t generation, const compile::CostReport& cost) {
  ++round_;
  if (slots != slots_) {
    rule_slots_ = rule_slots_text(*slots);
    slots_ = slots;
  }
  const auto outline = outline_of(*resolved);
  Writer out;
  const auto rules = [&](const SharedList<resolve::ResolvedRule>& list) {
    out.raw("[");
    bool whole = true;
    for (std::size_t i = 0; i < list.chunks(); ++i) whole = whole && !parts_rules(list, i);
    if (!whole) out.raw(rules_text(rule_words(*resolved, {list.begin(), list.end()})));
    for (std::size_t i = 0; whole && i < list.chunks(); ++i) out.raw(i > 0 ? "," : "").raw(words_of(*resolved, list, i));
    out.raw("]");
  };
  out.raw("{\"chains\":").list(outline.chains, [&](const resolve::ChainPolicy* chain) { out.chain(*chain, rules); });
  write_rest(out, cost, small(slots->endpoints), outline.endpoints, generation, rule_slots_);
  std::erase_if(known_, [&](const auto& it) { return it.second.round != round_; });
  last_ = resolved;
  return out.take();
}

}  // namespace nodewall::engine
