// The text of policy.json. PolicyWriter writes it for policies that follow each other: rules that did not change are not put in words again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/state_file.h"

namespace nodewall::engine {

constexpr std::uint64_t kPolicyVersion = 2;

std::string policy_text(const SavedPolicy& policy);

class PolicyWriter {
 public:
  // What policy_text() makes of summarize().
  std::string text(const std::shared_ptr<const resolve::Resolved>& resolved, const std::shared_ptr<const compile::Slots>& slots,
                   std::uint32_t generation, const compile::CostReport& cost);

 private:
  struct Words {
    std::vector<std::pair<resolve::SetIndex, CidrList>> sets;  // that the rules look at
    std::string text;
    std::uint64_t round = 0;
  };
  const std::string& words_of(const resolve::Resolved& resolved, const SharedList<resolve::ResolvedRule>& rules, std::size_t chunk);

  std::uint64_t round_ = 0;
  std::shared_ptr<const resolve::Resolved> last_;  // whose chunks `known_` has: as long as it lives, their addresses are theirs
  std::unordered_map<const std::vector<resolve::ResolvedRule>*, Words> known_;
  std::shared_ptr<const compile::Slots> slots_;
  std::string rule_slots_;
};

}  // namespace nodewall::engine
