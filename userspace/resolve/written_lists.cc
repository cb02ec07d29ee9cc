#include "resolve/written_lists.h"

#include <span>

namespace nodewall::resolve {
namespace {

constexpr std::size_t kLookAhead = 64;  // so far members that were put in or taken out are looked for

// A place in all lists, one behind the other.
class Place {
 public:
  explicit Place(const WrittenLists& lists) {
    for (const auto& list : lists)
      for (std::size_t i = 0; i < list.chunks(); ++i) chunks_.emplace_back(list.chunk(i));
  }
  [[nodiscard]] bool at_end() const { return chunk_ == chunks_.size(); }
  const Cidr& operator*() const { return chunks_[chunk_][at_]; }
  void operator++() {
    if (++at_ == chunks_[chunk_].size()) {
      ++chunk_;
      at_ = 0;
    }
  }
  // So many members on; null: behind the end.
  [[nodiscard]] const Cidr* ahead(std::size_t count) const {
    auto at = at_ + count;
    for (auto chunk = chunk_; chunk < chunks_.size(); ++chunk) {
      if (at < chunks_[chunk].size()) return &chunks_[chunk][at];
      at -= chunks_[chunk].size();
    }
    return nullptr;
  }
  static bool skip_shared(Place& a, Place& b) {
    if (a.at_ != 0 || b.at_ != 0 || a.chunks_[a.chunk_].data() != b.chunks_[b.chunk_].data()) return false;
    ++a.chunk_;
    ++b.chunk_;
    return true;
  }

 private:
  std::vector<std::span<const Cidr>> chunks_;
  std::size_t chunk_ = 0, at_ = 0;
};

void move(Place& from, std::size_t count, std::vector<Cidr>& to) {
  for (; count > 0; --count, ++from) to.push_back(*from);
}

// Both are at members that differ: goes on to where they agree again, if that is near.
void step(Place& old, Place& now, MemberChanges& found) {
  for (std::size_t count = 1; count <= kLookAhead; ++count) {
    const auto *old_ahead = old.ahead(count), *now_ahead = now.ahead(count);
    if (now_ahead != nullptr && *now_ahead == *old) return move(now, count, found.fresh);
    if (old_ahead != nullptr && *old_ahead == *now) return move(old, count, found.gone);
  }
  move(old, 1, found.gone);
  move(now, 1, found.fresh);
}

}  // namespace

std::optional<MemberChanges> member_changes(const WrittenLists& before, const WrittenLists& after, std::size_t most) {
  MemberChanges found;
  Place old(before), now(after);
  while (!old.at_end() || !now.at_end()) {
    if (found.gone.size() + found.fresh.size() > most) return std::nullopt;
    if (old.at_end()) {
      move(now, 1, found.fresh);
    } else if (now.at_end()) {
      move(old, 1, found.gone);
    } else if (Place::skip_shared(old, now)) {
      continue;
    } else if (*old == *now) {
      ++old;
      ++now;
    } else {
      step(old, now, found);
    }
  }
  if (found.gone.size() + found.fresh.size() > most) return std::nullopt;
  return found;
}

std::vector<Cidr> all_members(const WrittenLists& lists) {
  std::size_t count = 0;
  for (const auto& list : lists) count += list.size();
  std::vector<Cidr> members;
  members.reserve(count);
  for (const auto& list : lists)
    for (std::size_t i = 0; i < list.chunks(); ++i) members.insert(members.end(), list.chunk(i).begin(), list.chunk(i).end());
  return members;
}

}  // namespace nodewall::resolve
