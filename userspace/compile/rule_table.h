// RuleTable: numbers what decides (rules and ends) so that in every chain what comes first has the lower number.
//
// One entry for each (direction, origin, verdict, reason), shared by all chains that have it: a rule that is asked for the host's own and
// for forwarded packets is one, and so is one that an enforced chain and a staged one have. Chains that order entries differently (profiles
// are listed in any order, a staged policy may stand elsewhere) get entries of their own where they must.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "compile/content_index.h"
#include "compile/table_image.h"

namespace nodewall::compile {

constexpr std::uint32_t kPassKey = 0xffffffffU;

struct RuleEntry {
  std::uint32_t direction = NW_INGRESS;
  resolve::Origin origin;
  std::uint8_t verdict = NW_DENY;
  std::uint8_t reason = NW_REASON_POLICY;
  bool operator==(const RuleEntry&) const = default;
};

// What no rule says has no counter: an open end, an end where the next stage goes on, "to be logged".
bool is_counted(const RuleEntry& entry);

class RuleTable {
 public:
  std::uint32_t key(RuleEntry entry);

  // Numbers the keys of all chains; afterwards indices(chain) has the rule index of each of its keys. kPassKey may stand
  // between keys; it gets the index of what follows it.
  void number(const std::vector<std::vector<std::uint32_t>>& chains);
  [[nodiscard]] const std::vector<std::uint32_t>& indices(std::size_t chain) const { return indices_[chain]; }
  [[nodiscard]] const std::vector<std::uint32_t>& key_by_index() const { return key_by_index_; }
  [[nodiscard]] const RuleEntry& entry(std::uint32_t key) const { return entries_[key]; }

 private:
  [[nodiscard]] std::vector<std::uint32_t> common_order(const std::vector<std::vector<std::uint32_t>>& chains) const;
  void number_chain(const std::vector<std::uint32_t>& chain, const std::vector<std::uint32_t>& first_index);

  std::vector<RuleEntry> entries_;
  ContentIndex index_;
  std::vector<std::uint32_t> key_by_index_;
  std::vector<std::vector<std::uint32_t>> more_indices_;  // by key: entries beside the first
  std::vector<std::vector<std::uint32_t>> indices_;       // by chain
};

}  // namespace nodewall::compile
