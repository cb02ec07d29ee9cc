#include "compile/class_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "compile/content_index.h"

namespace nodewall::compile {
namespace {

constexpr std::uint64_t kFewUses = 64;

std::uint64_t hash_of(std::uint32_t set) { return mix_hash(mix_hash(0x6e6f6465, set), 0x77616c6c); }

Runs::const_iterator run_of(const Runs& runs, std::uint32_t id) {  // the first that does not end before it
  return std::ranges::lower_bound(runs, id, {}, &Run::last);
}

}  // namespace

bool contains(const Runs& runs, std::uint32_t id) {
  const auto run = run_of(runs, id);
  return run != runs.end() && run->first <= id;
}

void toggle(Runs& runs, std::uint32_t id) {
  const Runs one{{id, id}};
  if (contains(runs, id)) {
    runs = subtract(runs, one);
    return;
  }
  const auto place = runs.begin() + (run_of(runs, id) - runs.begin());
  const bool joins_next = place != runs.end() && place->first == id + 1;
  const bool joins_last = place != runs.begin() && (place - 1)->last + 1 == id;
  if (joins_last && joins_next) {
    (place - 1)->last = place->last;
    runs.erase(place);
  } else if (joins_last) {
    (place - 1)->last = id;
  } else if (joins_next) {
    place->first = id;
  } else {
    runs.insert(place, {id, id});
  }
}

void ClassTable::spread_backgrounds() {
  for (auto& runs : sets) {
    bool grew = false;
    for (const auto& pool : pools) {
      if (pool.next == pool.end || !contains(runs, pool.background)) continue;
      runs.push_back({pool.next, pool.end - 1});
      grew = true;
    }
    if (!grew) continue;
    std::ranges::sort(runs, {}, &Run::first);
    std::size_t kept = 0;
    for (std::size_t i = 1; i < runs.size(); ++i) {
      if (runs[kept].last + 1 == runs[i].first) runs[kept].last = runs[i].last;
      else runs[++kept] = runs[i];
    }
    runs.resize(kept + 1);
  }
}

std::vector<std::uint32_t> ClassTable::sets_with(std::uint32_t id) const {
  std::vector<std::uint32_t> found;
  for (std::uint32_t set = 0; set < sets.size(); ++set)
    if (contains(sets[set], id)) found.push_back(set);
  return found;
}

// A background stays where it is: what leaves it gets another number.
void ClassTable::know_backgrounds() {
  if (knows_backgrounds_) return;
  knows_backgrounds_ = true;
  for (auto& pool : pools) pool.sets = sets_with(pool.background);
}

void ClassTable::add_set(std::vector<std::uint32_t> ids) {
  const auto own = ids.size();
  for (auto& pool : pools) {
    if (std::find(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(own), pool.background) == ids.begin() + static_cast<std::ptrdiff_t>(own)) continue;
    for (auto id = pool.next; id < pool.end; ++id) ids.push_back(id);
    if (knows_backgrounds_) pool.sets.push_back(static_cast<std::uint32_t>(sets.size()));
  }
  sets.push_back(runs_of(ids));
}

void ClassTable::add_use(std::uint32_t set) {
  if (uses_.size() <= set) uses_.resize(sets.size());
  ++uses_[set];
  ++all_uses_;
}

std::uint64_t ClassTable::uses(std::span<const std::uint32_t> some) const {
  std::uint64_t total = 0;
  for (const auto set : some) total += 1U + (set < uses_.size() ? uses_[set] : 0U);
  return total;
}

std::optional<std::uint32_t> ClassTable::twin(std::uint32_t id, std::uint32_t first, std::uint32_t last) {
  know_backgrounds();
  const auto own = sets_with(id);
  SparePool* best = nullptr;
  std::vector<std::uint32_t> differences, best_differences;
  constexpr auto kNone = ~std::uint64_t{0};
  std::uint64_t least = kNone, least_with_empty = kNone;
  for (auto& pool : pools) {
    if (pool.background < first || pool.background > last) continue;
    differences.clear();
    std::ranges::set_symmetric_difference(own, pool.sets, std::back_inserter(differences));
    const auto changes = uses(differences);
    least_with_empty = std::min(least_with_empty, changes);
    if (pool.next == pool.end || changes >= least) continue;
    least = changes;
    best = &pool;
    std::swap(differences, best_differences);
  }
  if (best == nullptr || least > least_with_empty + kFewUses + all_uses_ / 32) return std::nullopt;
  const auto made = best->next++;
  for (const auto set : best_differences) {
    toggle(sets[set], made);
    dirty_.push_back(set);
  }
  return made;
}

void ClassTable::sign() {
  if (!signature_.empty()) return;
  signature_.resize(count);
  for (std::uint32_t set = 0; set < sets.size(); ++set)
    for (const auto& run : sets[set])
      for (auto id = run.first; id <= run.last; ++id) signature_[id] ^= hash_of(set);
  const auto is_spare = [&](std::uint32_t id) {
    return std::ranges::any_of(pools, [&](const SparePool& pool) { return pool.next <= id && id < pool.end; });
  };
  for (std::uint32_t id = 0; id < count; ++id)
    if (!is_spare(id)) by_signature_.emplace(signature_[id], id);
}

bool ClassTable::differ_only_in(std::uint32_t a, std::uint32_t b, std::uint32_t set) const {
  for (std::uint32_t it = 0; it < sets.size(); ++it)
    if ((contains(sets[it], a) == contains(sets[it], b)) == (it == set)) return false;
  return true;
}

std::optional<std::uint32_t> ClassTable::moved(std::uint32_t id, std::uint32_t set, std::uint32_t first, std::uint32_t last) {
  sign();
  const auto wanted = signature_[id] ^ hash_of(set);
  const auto [begin, end] = by_signature_.equal_range(wanted);
  for (auto it = begin; it != end; ++it)
    if (it->second >= first && it->second <= last && differ_only_in(it->second, id, set)) return it->second;
  const auto made = twin(id, first, last);
  if (!made) return std::nullopt;
  toggle(sets[set], *made);
  dirty_.push_back(set);
  signature_[*made] = wanted;
  by_signature_.emplace(wanted, *made);
  return made;
}

std::vector<std::uint32_t> ClassTable::take_dirty() {
  std::ranges::sort(dirty_);
  dirty_.erase(std::unique(dirty_.begin(), dirty_.end()), dirty_.end());
  return std::exchange(dirty_, {});
}

}  // namespace nodewall::compile
