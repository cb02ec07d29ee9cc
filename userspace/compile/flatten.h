// Flattening: the tiers of one chain and what comes after them as ordered terms (criteria -> rule of the rule table).
//
// Tiers that hold no Pass are simply strung together: only a Pass needs to know where its tier ends. So a chain is a list of
// segments, and a Pass of one segment goes on with the next.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compile/predicates.h"
#include "compile/rule_table.h"

namespace nodewall::compile {

struct Term {
  Criteria criteria;
  std::uint32_t leaf = 0;  // rule_leaf() or pass_leaf(); ascending
  const resolve::ResolvedRule* rule = nullptr;
};

struct Segment {
  std::vector<Term> terms;
  bool has_pass = false;
  std::optional<std::uint32_t> end;  // the leaf where no term matches; nothing: go on
};

struct Chain {
  std::vector<Segment> segments;
  std::uint32_t default_rule = NW_SLOT_UNUSED;  // where nothing decides; unused: the chain says nothing
  std::vector<std::size_t> looked_at;           // by tier, profiles last: so many rules; behind them none can make a difference
};

// The same before the rule table is numbered: keys in the place of leaves.
struct Step {
  Criteria criteria;
  std::uint32_t key = kPassKey;  // in RuleTable
  const resolve::ResolvedRule* rule = nullptr;
};
struct Tier {
  std::vector<Step> steps;
  std::optional<std::uint32_t> end_key;
  std::size_t looked_at = 0;  // rules
};
struct FlatPolicy {
  std::vector<Tier> tiers;  // the last one ends in a key; tiers that can't be reached are left out
};

// Log rules decide nothing and are left out. `direction` is that of the counters.
FlatPolicy flatten(const resolve::ChainPolicy& policy, resolve::ChainEnd end, std::uint32_t direction, Predicates& predicates,
                   RuleTable& table);
// Which packets are logged: a list of two answers only, NW_LOG and NW_NEXT, that ends with the last Log rule. No tiers: no packet is.
FlatPolicy flatten_log(const resolve::ChainPolicy& policy, Predicates& predicates, RuleTable& table);
std::vector<std::uint32_t> keys_of(const FlatPolicy& policy);
// `numbers`: the rule index of every key of keys_of().
Chain chain_of(const FlatPolicy& policy, const std::vector<std::uint32_t>& numbers);

}  // namespace nodewall::compile
