// A rule as written -> the resolved rules that match exactly the same packets.
//
// One rule becomes several where a ResolvedRule cannot say it alone: named ports (port_match.h), and ICMP, whose number depends on the
// family. What cannot be resolved matches nothing: the rule is left out and a condition names it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "resolve/conditions.h"
#include "resolve/inventory.h"

namespace nodewall::resolve {

struct RuleContext {
  Inventory& inventory;
  SetTable& sets;
  Conditions& conditions;
};

struct RuleList {
  model::ResourceId owner;      // policy or profile, for conditions
  std::string tier;             // empty for profiles
  std::string_view direction;   // "ingress" or "egress"
};

// `first`: number of the first of these rules in the list.
std::vector<ResolvedRule> resolve_rules(const std::vector<model::Rule>& rules, std::size_t first, const RuleList& list, RuleContext& context);

}  // namespace nodewall::resolve
