#include "config/duration.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "base/printable.h"

namespace nodewall::config {
namespace {

using Wide = unsigned __int128;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;

// Longest first where one is the beginning of another.
constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
    {"ns", 1},      {"us", 1'000}, {"\xC2\xB5s", 1'000}, {"\xCE\xBCs", 1'000},
    {"ms", 1'000'000}, {"s", kSecond}, {"m", kMinute},      {"h", kHour}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits of a fraction, at most 18 of them counted: more is below a nanosecond in every unit but hours.
struct Number {
  Wide whole = 0;
  Wide fraction = 0;
  Wide scale = 1;
  bool any = false;
};

Number take_number(std::string_view& text) {
  constexpr Wide kMost = std::numeric_limits<std::int64_t>::max();
  Number number;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    number.any = true;
    if (number.whole <= kMost) number.whole = number.whole * 10 + static_cast<unsigned>(text.front() - '0');
  }
  if (!text.starts_with('.')) return number;
  for (text.remove_prefix(1); !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    number.any = true;
    if (number.scale >= 1'000'000'000'000'000'000) continue;
    number.fraction = number.fraction * 10 + static_cast<unsigned>(text.front() - '0');
    number.scale *= 10;
  }
  return number;
}

std::int64_t take_unit(std::string_view& text) {
  for (const auto& [unit, nanoseconds] : kUnits) {
    if (!text.starts_with(unit)) continue;
    text.remove_prefix(unit.size());
    return nanoseconds;
  }
  return 0;
}

// value / unit with the fraction's zeros cut: 1500000000, s -> "1.5"
std::string decimal(std::int64_t value, std::int64_t unit) {
  std::string text = std::to_string(value / unit);
  std::int64_t rest = value % unit;
  if (rest == 0) return text;
  text += '.';
  for (std::int64_t digit = unit / 10; rest != 0; digit /= 10) {
    text += static_cast<char>('0' + rest / digit);
    rest %= digit;
  }
  return text;
}

}  // namespace

Result<model::Duration> parse_duration(std::string_view text) {
  const auto wrong = [&] {
    return fail(Errc::config, "'" + printable(text) + "' is not a duration such as 90s, 5m0s or 1h30m");
  };
  if (text == "0") return model::Duration(0);
  if (text.empty()) return wrong();
  Wide total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const auto number = take_number(rest);
    const auto unit = take_unit(rest);
    if (!number.any || unit == 0) return wrong();
    total += number.whole * static_cast<Wide>(unit) + number.fraction * static_cast<Wide>(unit) / number.scale;
    if (total > static_cast<Wide>(std::numeric_limits<std::int64_t>::max()))
      return fail(Errc::config, "'" + printable(text) + "' is too long a duration");
  }
  return model::Duration(static_cast<std::int64_t>(total));
}

std::string to_string(model::Duration duration) {
  const std::int64_t value = duration.count();
  if (value == 0) return "0s";
  if (value < 1'000) return std::to_string(value) + "ns";
  if (value < 1'000'000) return decimal(value, 1'000) + "\xC2\xB5s";
  if (value < kSecond) return decimal(value, 1'000'000) + "ms";
  std::string text;
  if (value >= kHour) text += std::to_string(value / kHour) + "h";
  if (value >= kMinute) text += std::to_string(value % kHour / kMinute) + "m";
  return text + decimal(value % kMinute, kSecond) + "s";
}

}  // namespace nodewall::config
