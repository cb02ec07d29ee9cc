#include "base/printable.h"

#include <cstdint>

namespace nodewall {
namespace {

constexpr std::size_t kMostBytes = 256;

// Length of the well-formed UTF-8 character that starts at `at`, 0 if none does. Refuses overlong forms and surrogates.
std::size_t character_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  const auto value = static_cast<std::uint8_t>(c);
  out += "\\x";
  out += kHex[value >> 4];
  out += kHex[value & 15];
}

bool is_control(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  if (first < 0x20 || first == 0x7f) return true;
  // C1 controls are U+0080 to U+009F.
  return first == 0xc2 && character.size() == 2 && static_cast<std::uint8_t>(character[1]) < 0xa0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (at >= kMostBytes) return out + "...";
    const auto length = character_length(text, at);
    const auto character = text.substr(at, length == 0 ? 1 : length);
    if (length == 0 || is_control(character))
      for (const char c : character) append_escaped(out, c);
    else
      out += character;
    at += character.size();
  }
  return out;
}

std::size_t utf8_length(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto length = character_length(text, at);
    if (length == 0) break;
    at += length;
  }
  return at;
}

bool is_utf8(std::string_view text) { return utf8_length(text) == text.size(); }

}  // namespace nodewall
