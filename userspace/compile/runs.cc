#include "compile/runs.h"

#include <algorithm>

namespace nodewall::compile {

Runs runs_of(std::vector<std::uint32_t>& ids) {
  if (!std::ranges::is_sorted(ids)) std::ranges::sort(ids);
  Runs runs;
  for (const auto id : ids) {
    if (!runs.empty() && runs.back().last + 1 == id)
      runs.back().last = id;
    else
      runs.push_back({id, id});
  }
  return runs;
}

Runs intersect(const Runs& a, const Runs& b) {
  Runs both;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const auto first = std::max(a[i].first, b[j].first);
    const auto last = std::min(a[i].last, b[j].last);
    if (first <= last) both.push_back({first, last});
    if (a[i].last < b[j].last)
      ++i;
    else
      ++j;
  }
  return both;
}

Runs subtract(const Runs& a, const Runs& b) {
  Runs rest;
  std::size_t j = 0;
  for (auto run : a) {
    while (j < b.size() && b[j].last < run.first) ++j;
    for (auto k = j; k < b.size() && b[k].first <= run.last; ++k) {
      if (b[k].first > run.first) rest.push_back({run.first, b[k].first - 1});
      if (b[k].last >= run.last) {
        run.first = 1;
        run.last = 0;  // nothing left
        break;
      }
      run.first = b[k].last + 1;
    }
    if (run.first <= run.last) rest.push_back(run);
  }
  return rest;
}

std::uint64_t count(const Runs& runs) {
  std::uint64_t total = 0;
  for (const auto& run : runs) total += std::uint64_t{run.last} - run.first + 1;
  return total;
}

}  // namespace nodewall::compile
