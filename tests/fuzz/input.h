// Input: the bytes that a fuzzer was given, taken from the front; behind the end everything is zero and empty. And require():
// what must hold for any input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace nodewall::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::span<const std::uint8_t> bytes(std::size_t size) {
    const auto taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::uint8_t byte() {
    const auto one = bytes(1);
    return one.empty() ? std::uint8_t{0} : one.front();
  }
  std::uint16_t u16() {  // little endian
    const unsigned low = byte();
    return static_cast<std::uint16_t>(low | unsigned{byte()} << 8);
  }
  // Up to the next line break, which is taken too.
  std::string_view line() {
    const auto end = std::ranges::find(rest_, std::uint8_t{'\n'});
    const auto taken = bytes(static_cast<std::size_t>(end - rest_.begin()));
    bytes(1);
    return text_of(taken);
  }
  std::string_view text() { return text_of(bytes(rest_.size())); }

 private:
  static std::string_view text_of(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::span<const std::uint8_t> rest_;
};

// Ends the process, so that the fuzzer keeps the input.
inline void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what.c_str());
  std::abort();
}

}  // namespace nodewall::fuzz
