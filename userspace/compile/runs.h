// Runs: a set of small numbers (classes) as ascending, disjoint, non-adjacent runs. Classes are numbered in the order of the
// values they hold, so the classes of a network or of a port range are a few runs, however many there are.
#pragma once

#include <cstdint>
#include <vector>

namespace nodewall::compile {

struct Run {
  std::uint32_t first = 0;
  std::uint32_t last = 0;  // inclusive
  bool operator==(const Run&) const = default;
};
using Runs = std::vector<Run>;

Runs runs_of(std::vector<std::uint32_t>& ids);  // sorts them; no number twice
Runs intersect(const Runs& a, const Runs& b);
Runs subtract(const Runs& a, const Runs& b);
std::uint64_t count(const Runs& runs);

}  // namespace nodewall::compile
