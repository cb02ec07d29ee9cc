// RuleMemory: the resolved rules of lists of rules, kept from one round of resolving to the next, chunk by chunk.
//
// A chunk is used again if it says the same at the same place of the list, and what it looks at looks the same: each set that it
// used has the same number and is empty or not as it was, and no host endpoint changed if it names a port. Then resolving it again would
// take the same way to the same end.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "resolve/rules.h"

namespace nodewall::resolve {

class RuleMemory {
 public:
  // Resolves the rules of a list, by what is remembered of it; what there is to say goes to the context's conditions. Of a profile Pass
  // is Deny. `failsafe`: ports of that direction that are open before rules are asked.
  SharedList<ResolvedRule> resolve(const SharedList<model::Rule>& rules, const RuleList& list,
                                   const std::vector<model::FailsafePort>& failsafe, RuleContext& context, std::uint64_t round);
  // Lists that were not asked for in this round.
  void drop_others(std::uint64_t round);

 private:
  struct Part {
    std::size_t first = 0;
    bool names_ports = false;
    SharedList<ResolvedRule> made;
    std::vector<SetUse> uses;  // in the order of use
    std::vector<Condition> said, shadowed;
  };
  struct Remembered {
    std::string tier;
    std::vector<model::FailsafePort> failsafe;
    SharedList<model::Rule> written;
    std::vector<Part> parts;  // by chunk of `written`
    std::uint64_t round = 0;
  };

  static bool holds(const Part& part, RuleContext& context);
  static Part make(const std::vector<model::Rule>& rules, std::size_t first, const RuleList& list,
                   const std::vector<model::FailsafePort>& failsafe, RuleContext& context);

  std::map<std::pair<model::ResourceId, std::string_view>, Remembered> lists_;  // by owner and direction
};

}  // namespace nodewall::resolve
