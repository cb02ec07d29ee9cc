#include "compile/rule_table.h"

#include <algorithm>
#include <functional>
#include <string>

namespace nodewall::compile {
namespace {

constexpr std::uint32_t kNone = 0xffffffffU;

std::uint64_t hash_of(const RuleEntry& entry) {
  const std::hash<std::string> text;
  std::uint64_t hash = static_cast<std::uint32_t>(entry.origin.rule);
  for (const std::uint64_t part : {std::uint64_t{text(entry.origin.tier)}, std::uint64_t{text(entry.origin.policy)},
                                   std::uint64_t{entry.direction} << 24 | (entry.origin.staged ? 1U << 16 : 0U) | entry.verdict << 8 |
                                       entry.reason})
    hash = mix_hash(hash, part);
  return hash;
}

}  // namespace

bool is_counted(const RuleEntry& entry) {
  return entry.verdict <= NW_ALLOW && entry.reason != NW_REASON_FORWARDED;
}

std::uint32_t RuleTable::key(RuleEntry entry) {
  const auto fresh = static_cast<std::uint32_t>(entries_.size());
  const auto key = index_.find_or_add(hash_of(entry), fresh, [&](std::uint32_t other) { return entries_[other] == entry; });
  if (key == fresh) entries_.push_back(std::move(entry));
  return key;
}

// An order of all keys that every chain agrees with, as far as there is one.
std::vector<std::uint32_t> RuleTable::common_order(const std::vector<std::vector<std::uint32_t>>& chains) const {
  std::vector<std::vector<std::uint32_t>> after(entries_.size());
  std::vector<std::uint32_t> waits(entries_.size(), 0), order;
  for (const auto& chain : chains) {
    auto previous = kNone;
    for (const auto key : chain) {
      if (key == kPassKey || key == previous) continue;
      if (previous != kNone && (after[previous].empty() || after[previous].back() != key)) {
        after[previous].push_back(key);
        ++waits[key];
      }
      previous = key;
    }
  }
  order.reserve(entries_.size());
  std::vector<bool> placed(entries_.size(), false);
  for (std::uint32_t start = 0; start < entries_.size(); ++start) {
    std::vector<std::uint32_t> ready;
    if (waits[start] == 0 && !placed[start]) ready.push_back(start);
    while (!ready.empty()) {
      const auto key = ready.back();
      ready.pop_back();
      placed[key] = true;
      order.push_back(key);
      for (const auto next : after[key])
        if (--waits[next] == 0) ready.push_back(next);
    }
  }
  for (std::uint32_t key = 0; key < entries_.size(); ++key)
    if (!placed[key]) order.push_back(key);
  return order;
}

void RuleTable::number(const std::vector<std::vector<std::uint32_t>>& chains) {
  key_by_index_ = common_order(chains);
  std::vector<std::uint32_t> first_index(entries_.size());
  for (std::uint32_t i = 0; i < key_by_index_.size(); ++i) first_index[key_by_index_[i]] = i;
  more_indices_.resize(entries_.size());
  for (const auto& chain : chains) number_chain(chain, first_index);
}

void RuleTable::number_chain(const std::vector<std::uint32_t>& chain, const std::vector<std::uint32_t>& first_index) {
  auto& indices = indices_.emplace_back(chain.size());
  std::int64_t last = -1;
  auto previous = kNone;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const auto key = chain[i];
    if (key != kPassKey && key != previous) {
      std::int64_t index = first_index[key];
      if (index <= last) {
        auto& more = more_indices_[key];
        const auto found = std::ranges::find_if(more, [&](std::uint32_t it) { return it > last; });
        if (found == more.end()) {
          more.push_back(static_cast<std::uint32_t>(key_by_index_.size()));
          key_by_index_.push_back(key);
          index = more.back();
        } else {
          index = *found;
        }
      }
      last = index;
    }
    if (key != kPassKey) indices[i] = static_cast<std::uint32_t>(last);
    previous = key;
  }
  for (std::size_t i = chain.size(); i-- > 0;)
    if (chain[i] == kPassKey) indices[i] = i + 1 < chain.size() ? indices[i + 1] : static_cast<std::uint32_t>(last + 1);
}

}  // namespace nodewall::compile
