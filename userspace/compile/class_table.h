// ClassTable: which classes of one dimension are in which sets, while sets change.
//
// A change can need a class that there is not: addresses that are in other sets than any address was. Numbers for those are kept ready:
// spare classes, that hold no value. A spare one is in the sets that its background is in, a class that holds much of the space, so that
// what becomes of it when it gets values is seldom new to a set: diagrams of these sets stay as they are.
//
// Classes are never joined: a class that lost its last value stays. It costs a number, and no answer is wrong for it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "compile/runs.h"

namespace nodewall::compile {

struct SparePool {
  std::uint32_t background = 0;
  std::uint32_t next = 0, end = 0;  // the spare classes left
  std::vector<std::uint32_t> sets = {};  // that the background is in, once they were asked for
};

bool contains(const Runs& runs, std::uint32_t id);
void toggle(Runs& runs, std::uint32_t id);  // in or out

class ClassTable {
 public:
  std::vector<Runs> sets;  // by number of the set: its classes
  std::vector<SparePool> pools;
  std::uint32_t count = 0;  // of classes, spare ones too

  // Puts the spare classes where their backgrounds are; once, when sets and pools are filled.
  void spread_backgrounds();

  // The class of values of `id` that come into `set`, or go out of it. Nothing: there is no such class, and no spare one.
  std::optional<std::uint32_t> moved(std::uint32_t id, std::uint32_t set, std::uint32_t first, std::uint32_t last);
  // A class like `id`, out of the pool from where least depends on the sets that it comes into or leaves. Pools of classes from `first` to
  // `last` only. Nothing: no spare class, or none that would not change very much more than one of a pool that is empty by now.
  std::optional<std::uint32_t> twin(std::uint32_t id, std::uint32_t first, std::uint32_t last);

  void add_set(std::vector<std::uint32_t> ids);  // spare classes come by themselves
  void add_use(std::uint32_t set);               // so much more depends on which classes are in it

  [[nodiscard]] std::vector<std::uint32_t> take_dirty();  // sets whose classes changed; sorted

 private:
  [[nodiscard]] bool differ_only_in(std::uint32_t a, std::uint32_t b, std::uint32_t set) const;
  [[nodiscard]] std::vector<std::uint32_t> sets_with(std::uint32_t id) const;
  [[nodiscard]] std::uint64_t uses(std::span<const std::uint32_t> sets) const;
  void know_backgrounds();
  void sign();

  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> uses_;  // by set, beside one
  std::uint64_t all_uses_ = 0;
  bool knows_backgrounds_ = false;
  // For each class a hash of the sets it is in: finds the class that could be it; the sets themselves are compared.
  std::vector<std::uint64_t> signature_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_signature_;
};

}  // namespace nodewall::compile
