// Partition: an ordered space of values (addresses, ports) cut into the classes that a list of interval sets tells apart.
//
//   sets {[10,19]} {[15,29]}  ->  starts 0 10 15 20 30, classes 0 1 2 3 0
//
// Exact: two values have one class exactly if they are in the same sets. It is made by refinement, set by set, and compares no
// hashes. The work is the number of elementary intervals that the sets cover, added up. Classes are numbered in the order of
// their least values. `Pos` is an unsigned integer type; the space is all of its values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "compile/runs.h"

namespace nodewall::compile {

template <class Pos>
struct Interval {
  Pos first = 0;
  Pos last = 0;  // inclusive
  bool operator==(const Interval&) const = default;
};
template <class Pos>
using Intervals = std::vector<Interval<Pos>>;  // ascending, disjoint, not adjacent

// Adds an interval that begins at or after the beginning of every one before it.
template <class Pos>
void append_interval(Intervals<Pos>& set, Pos first, Pos last) {
  if (!set.empty() && (first <= set.back().last || first - set.back().last == 1))
    set.back().last = std::max(set.back().last, last);
  else
    set.push_back({first, last});
}

template <class Pos>
class Partition {
 public:
  // Nothing: the sets need more than `most_classes` or more than `most_work`; `refused` is then the set that was too much.
  static std::optional<Partition> of(std::span<const Intervals<Pos>> sets, std::uint32_t most_classes,
                                     std::uint64_t most_work, std::size_t& refused) {
    Partition made;
    made.cut(sets);
    if (!made.refine(sets, most_classes, most_work, refused)) return std::nullopt;
    made.number();
    made.collect(sets);
    made.merge_neighbours();
    return made;
  }

  std::vector<Pos> starts;             // of the pieces; starts[0] is 0, neighbours differ in class
  std::vector<std::uint32_t> classes;  // by piece
  std::uint32_t class_count = 1;
  std::vector<Runs> by_set;            // the classes inside each set

 private:
  struct Span {
    std::uint32_t begin, end;  // elementary intervals, end exclusive
  };

  void cut(std::span<const Intervals<Pos>> sets) {
    starts.push_back(0);
    for (const auto& set : sets)
      for (const auto& interval : set) {
        starts.push_back(interval.first);
        if (interval.last != static_cast<Pos>(~Pos{0})) starts.push_back(interval.last + 1);
      }
    if (!std::ranges::is_sorted(starts)) std::ranges::sort(starts);
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    classes.assign(starts.size(), 0);
    spans_.reserve(starts.size());
    for (const auto& set : sets) {
      std::size_t at = 0;
      for (const auto& interval : set) {
        const auto begin = find(interval.first, at);
        at = begin;
        const auto end =
            interval.last == static_cast<Pos>(~Pos{0}) ? starts.size() : find(interval.last + 1, at);
        at = end;
        spans_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
      }
    }
  }

  // Index of a start at or behind `from`: steps that double, then a binary search, so that ascending intervals cost little.
  std::size_t find(Pos value, std::size_t from) const {
    std::size_t step = 1, low = from;
    while (low + step < starts.size() && starts[low + step] < value) {
      low += step;
      step *= 2;
    }
    const auto begin = starts.begin();
    const auto high = std::min(low + step + 1, starts.size());
    return static_cast<std::size_t>(
        std::lower_bound(begin + static_cast<std::ptrdiff_t>(low), begin + static_cast<std::ptrdiff_t>(high), value) - begin);
  }

  // Splits each class that a set cuts. A class that is wholly inside moves to a new number and its old one is used again.
  bool refine(std::span<const Intervals<Pos>> sets, std::uint32_t most_classes, std::uint64_t most_work,
              std::size_t& refused) {
    std::vector<std::uint32_t> members{static_cast<std::uint32_t>(starts.size())}, split{0}, seen{0}, free;
    std::uint32_t in_use = 1;
    std::size_t at = 0;
    std::uint64_t work = 0;
    for (std::size_t set = 0; set < sets.size(); ++set) {
      refused = set;
      for (std::size_t k = 0; k < sets[set].size(); ++k, ++at) {
        work += spans_[at].end - spans_[at].begin;
        if (work > most_work) return false;
        for (auto i = spans_[at].begin; i < spans_[at].end; ++i) {
          const auto old = classes[i];
          if (seen[old] != set + 1) {
            seen[old] = static_cast<std::uint32_t>(set + 1);
            split[old] = take(free, members, split, seen);
            ++in_use;
          }
          classes[i] = split[old];
          ++members[split[old]];
          if (--members[old] == 0) {
            free.push_back(old);
            --in_use;
          }
        }
      }
      if (in_use > most_classes) return false;
    }
    return true;
  }

  static std::uint32_t take(std::vector<std::uint32_t>& free, std::vector<std::uint32_t>& members,
                            std::vector<std::uint32_t>& split, std::vector<std::uint32_t>& seen) {
    if (!free.empty()) {
      const auto label = free.back();
      free.pop_back();
      return label;
    }
    members.push_back(0);
    split.push_back(0);
    seen.push_back(0);
    return static_cast<std::uint32_t>(members.size() - 1);
  }

  void number() {
    constexpr std::uint32_t kNone = 0xffffffffU;
    std::vector<std::uint32_t> numbers;
    std::uint32_t next = 0;
    for (auto& label : classes) {
      if (label >= numbers.size()) numbers.resize(label + 1, kNone);
      if (numbers[label] == kNone) numbers[label] = next++;
      label = numbers[label];
    }
    class_count = next;
  }

  void collect(std::span<const Intervals<Pos>> sets) {
    std::vector<std::uint32_t> seen(class_count, 0), ids;
    by_set.resize(sets.size());
    std::size_t at = 0;
    for (std::size_t set = 0; set < sets.size(); ++set) {
      ids.clear();
      for (std::size_t k = 0; k < sets[set].size(); ++k, ++at)
        for (auto i = spans_[at].begin; i < spans_[at].end; ++i) {
          if (seen[classes[i]] == set + 1) continue;
          seen[classes[i]] = static_cast<std::uint32_t>(set + 1);
          ids.push_back(classes[i]);
        }
      by_set[set] = runs_of(ids);
    }
    spans_ = {};
  }

  void merge_neighbours() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      if (kept > 0 && classes[kept - 1] == classes[i]) continue;
      starts[kept] = starts[i];
      classes[kept++] = classes[i];
    }
    starts.resize(kept);
    classes.resize(kept);
  }

  std::vector<Span> spans_;  // of every interval of every set, in order
};

}  // namespace nodewall::compile
