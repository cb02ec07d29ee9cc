#include "go_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "terminal.h"

namespace nodewall::cli {
namespace {

constexpr std::size_t kMinimumWidth = 5;
constexpr std::size_t kPadding = 3;

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string shortest(double value, std::chars_format format) {
  std::array<char, 512> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
  return {buffer.data(), end};
}

}  // namespace

std::string go_float(double value) {
  // Decimal exponents that are written without "e".
  constexpr int kLeastFixed = -4;
  constexpr int kMostFixed = 5;
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const auto scientific = shortest(value, std::chars_format::scientific);
  const auto e = scientific.find('e');
  int exponent = 0;
  const char* digits = scientific.data() + e + 1;
  std::from_chars(*digits == '+' ? digits + 1 : digits, scientific.data() + scientific.size(), exponent);
  if (exponent < kLeastFixed || exponent > kMostFixed) return scientific;
  return shortest(value, std::chars_format::fixed);
}

std::string go_table(const std::vector<std::vector<std::string>>& rows) {
  auto cells = rows;
  std::vector<std::size_t> widths;
  for (auto& row : cells) {
    widths.resize(std::max(widths.size(), row.size()), kMinimumWidth);
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = escaped(row[i]);
      widths[i] = std::max(widths[i], characters(row[i]) + kPadding);
    }
  }
  std::string text;
  for (const auto& row : cells) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      text.append(widths[i] - characters(row[i]), ' ');
    }
    text += '\n';
  }
  return text;
}

}  // namespace nodewall::cli
