// to_yaml: YAML text in the style of Go's sigs.k8s.io/yaml.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/printable.h"
#include "config/encode.h"

namespace nodewall::config {
namespace {

using Json = nlohmann::json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Words that YAML 1.1 or 1.2 readers take for null or a truth value.
bool is_reserved_word(std::string_view text) {
  constexpr std::array<std::string_view, 11> kWords = {"null", "true", "false", "yes", "no", "on",
                                                       "off",  "y",    "n",     "~",   "<<"};
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return std::ranges::find(kWords, std::string_view(lower)) != kWords.end();
}

// A number of base 60, as YAML 1.1 readers take it: digits, then groups of ":" and 0 to 59, then maybe a fraction.
bool is_sexagesimal(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == text.npos || text.substr(0, colon).find_first_not_of("0123456789_") != text.npos) return false;
  for (text.remove_prefix(colon); text.starts_with(':');) {
    const auto end = text.find_first_of(":.", 1);
    const auto digits = text.substr(1, end == text.npos ? end : end - 1);
    const bool small = digits.size() == 1 || (digits.size() == 2 && digits[0] <= '5');
    if (!small || !std::ranges::all_of(digits, is_digit)) return false;
    text = end == text.npos ? std::string_view{} : text.substr(end);
  }
  return text.empty() || text.find_first_not_of("0123456789_", 1) == text.npos;
}

// Would be a number, a sexagesimal or a date for some reader. Quotes more than needed rather than less, but leaves
// addresses, networks and durations bare.
bool looks_like_number(std::string_view text) {
  const auto first = text.find_first_not_of("+-.");
  if (first == text.npos || first > 2) return false;
  const auto rest = text.substr(first);
  std::string lower(rest);
  std::ranges::transform(lower, lower.begin(), [](char c) { return static_cast<char>(c | 0x20); });
  if (first > 0 && (lower == "inf" || lower == "nan")) return true;
  if (!is_digit(rest.front())) return false;
  if (rest.starts_with("0x") || rest.starts_with("0X") || rest.starts_with("0o") || rest.starts_with("0b"))
    return rest.find_first_not_of("0123456789abcdefABCDEF_", 2) == rest.npos;
  if (std::ranges::count(rest, '.') > 1) return false;  // an address
  const auto date = rest.size() >= 8 && rest.find_first_not_of("0123456789") == 4 && rest[4] == '-';
  if (date) return true;
  return is_sexagesimal(rest) || rest.find_first_not_of("0123456789.eE+-_") == rest.npos;
}

bool needs_quotes(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return true;
  if (is_reserved_word(text) || looks_like_number(text)) return true;
  if (std::string_view("!&*|>'\"%@`#,[]{}=").contains(text.front())) return true;
  if (std::string_view("-?:").contains(text.front()) && (text.size() == 1 || text[1] == ' ')) return true;
  if (text.starts_with("---") || text.starts_with("...")) return true;
  return text.find(": ") != text.npos || text.find(" #") != text.npos || text.back() == ':';
}

bool is_ascii_control(char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f; }

// What YAML wants escaped beside those: the C1 controls (with NEL), the line and paragraph separators, the byte order mark.
std::string_view escaped_character(std::string_view rest) {
  for (const std::string_view special : {"\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"})
    if (rest.starts_with(special)) return special;
  const bool c1 = rest.size() >= 2 && rest[0] == '\xC2' && static_cast<std::uint8_t>(rest[1]) < 0xa0;
  return c1 ? rest.substr(0, 2) : std::string_view{};
}

bool is_printable(std::string_view text) {
  if (!is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (is_ascii_control(text[i]) || !escaped_character(text.substr(i)).empty()) return false;
  return true;
}

// With escapes that every YAML reader knows. Bytes that are not UTF-8 become U+FFFD.
std::string double_quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto good = text.substr(0, utf8_length(text));
    for (std::size_t i = 0; i < good.size();) {
      const char c = good[i];
      if (const auto special = escaped_character(good.substr(i)); !special.empty()) {
        out += special == "\xE2\x80\xA8"   ? "\\u2028"
               : special == "\xE2\x80\xA9" ? "\\u2029"
               : special == "\xEF\xBB\xBF" ? "\\uFEFF"
                                          : fmt::format("\\x{:02X}", static_cast<std::uint8_t>(special[1]));
        i += special.size();
        continue;
      }
      ++i;
      if (c == '\n')
        out += "\\n";
      else if (c == '\t')
        out += "\\t";
      else if (is_ascii_control(c))
        out += fmt::format("\\x{:02X}", static_cast<std::uint8_t>(c));
      else
        out += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
    }
    text.remove_prefix(good.size());
    if (text.empty()) break;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(1);
  }
  return out + "\"";
}

// Single quotes where the value would need escapes in double ones, as go-yaml chooses.
std::string scalar(const std::string& text) {
  if (!is_printable(text)) return double_quoted(text);
  if (!needs_quotes(text)) return text;
  const bool would_change_type = is_reserved_word(text) || looks_like_number(text);
  if (text.find_first_of("\\\"") == text.npos && (would_change_type || text.empty())) return '"' + text + '"';
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

void write(const Json& value, int indent, std::string& out);

void write_field(const std::string& key, const Json& value, int indent, std::string& out) {
  out += scalar(key) + ":";
  if (value.is_object() && !value.empty()) {
    out += '\n';
    out.append(static_cast<std::size_t>(indent) + 2, ' ');
    write(value, indent + 2, out);
  } else if (value.is_array() && !value.empty()) {
    out += '\n';
    out.append(static_cast<std::size_t>(indent), ' ');
    write(value, indent, out);
  } else {
    out += ' ';
    write(value, indent, out);
  }
}

// Writes at `indent`, where the first line has its indentation already; ends with a line break.
void write(const Json& value, int indent, std::string& out) {
  if (value.is_object() && !value.empty()) {
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      if (!std::exchange(first, false)) out.append(static_cast<std::size_t>(indent), ' ');
      write_field(key, item, indent, out);
    }
  } else if (value.is_array() && !value.empty()) {
    bool first = true;
    for (const auto& item : value) {
      if (!std::exchange(first, false)) out.append(static_cast<std::size_t>(indent), ' ');
      out += "- ";
      write(item, indent + 2, out);
    }
  } else if (value.is_string()) {
    out += scalar(value.get_ref<const std::string&>()) + "\n";
  } else {
    out += value.dump() + "\n";
  }
}

}  // namespace

std::string to_yaml(const nlohmann::json& value) {
  std::string out;
  write(value, 0, out);
  return out;
}

}  // namespace nodewall::config
