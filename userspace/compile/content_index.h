// ContentIndex: finds the number of a content that is known already, so that equal contents are kept once. It holds hashes and
// numbers only; whoever owns the contents compares them.
#pragma once

#include <cstdint>
#include <vector>

namespace nodewall::compile {

inline std::uint64_t mix_hash(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
  return hash ^ hash >> 29;
}

class ContentIndex {
 public:
  // The number of the content with this hash for which same(number) holds, or `fresh`, which is then kept.
  template <class Same>
  std::uint32_t find_or_add(std::uint64_t hash, std::uint32_t fresh, Same same) {
    hash = mix_hash(hash, 0);
    const auto mask = slots_.size() - 1;
    auto at = hash & mask;
    for (; slots_[at].number != kFree; at = (at + 1) & mask)
      if (slots_[at].hash == hash && same(slots_[at].number)) return slots_[at].number;
    slots_[at] = {hash, fresh};
    if (++used_ * 2 > slots_.size()) grow();
    return fresh;
  }

 private:
  static constexpr std::uint32_t kFree = 0xffffffffU;
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t number = kFree;
  };

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    const auto mask = slots_.size() - 1;
    for (const auto& slot : old) {
      if (slot.number == kFree) continue;
      auto at = slot.hash & mask;
      while (slots_[at].number != kFree) at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(64);
  std::size_t used_ = 0;
};

}  // namespace nodewall::compile
