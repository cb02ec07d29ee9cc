// Random: a stream of numbers that a seed decides, the same on every machine (the library's distributions are not).
#pragma once

#include <cstdint>
#include <iterator>

namespace nodewall::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {  // splitmix64
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
  }
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(next() % limit); }
  std::size_t between(std::size_t least, std::size_t most) { return least + below(most - least + 1); }
  bool percent(unsigned chance) { return below(100) < chance; }
  template <typename List>
  const auto& pick(const List& list) { return *std::next(std::begin(list), static_cast<std::ptrdiff_t>(below(std::size(list)))); }

 private:
  std::uint64_t state_;
};

}  // namespace nodewall::test
