// The formats of names, labels and interfaces.
#include <algorithm>

#include "model/validate.h"

namespace nodewall::model {
namespace {

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

// The name part of a label's key, and its value unless empty.
bool is_qualified(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_of_name(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

}  // namespace

bool is_dns_label(std::string_view text) { return is_label_of_name(text, 63); }

bool is_dns_subdomain(std::string_view text) {
  constexpr std::size_t kMost = 253;
  if (text.size() > kMost) return false;
  while (true) {
    const auto dot = text.find('.');
    if (!is_label_of_name(text.substr(0, dot), kMost)) return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_label_key(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == text.npos) return is_qualified(text);
  return is_dns_subdomain(text.substr(0, slash)) && is_qualified(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) { return text.empty() || is_qualified(text); }

bool is_interface_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

}  // namespace nodewall::model
