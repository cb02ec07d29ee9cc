#include "config/reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/printable.h"
#include "config/duration.h"

namespace nodewall::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// The known name that was most likely meant, or an empty one.
std::string_view nearest(std::string_view text, std::span<const std::string_view> known) {
  if (text.size() > 64) return {};
  std::string_view best;
  std::size_t least = text.size() < 4 ? 2 : 3;
  for (const auto name : known) {
    const auto distance = edit_distance(lower(text), lower(name));
    if (distance >= least) continue;
    least = distance;
    best = name;
  }
  return best;
}

std::string listed(std::span<const std::string_view> names) {
  std::string text;
  for (const auto name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

bool is_core_float(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" || text == ".NAN")
    return true;
  const auto digits = [&] {
    std::size_t count = 0;
    while (count < text.size() && is_digit(text[count])) ++count;
    text.remove_prefix(count);
    return count;
  };
  auto count = digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    count += digits();
  }
  if (count == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

// 0x1f, 0o17
std::optional<std::uint64_t> other_base(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : text.starts_with("0o") ? 8 : 0;
  if (base == 0) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() == 2) return std::nullopt;
  return value;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Decimal without sign and leading zeros, which other YAML readers take for octal.
std::optional<std::int64_t> plain_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  const auto digits = negative ? text.substr(1) : text;
  if (!all_digits(digits) || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  return number<std::int64_t>(text);
}

}  // namespace

void Reader::fault(Position at, std::string reason) {
  if (faults_.size() >= kMaxFaults) {
    ++more_;
    return;
  }
  faults_.push_back({.path = path_, .at = at, .reason = std::move(reason)});
}

Reader::Step::Step(Reader& reader, std::string_view field) : reader_(reader), length_(reader.path_.size()) {
  if (length_ != 0) reader_.path_ += '.';
  reader_.path_ += field;
}

Reader::Step::Step(Reader& reader, std::size_t index) : reader_(reader), length_(reader.path_.size()) {
  reader_.path_ += "[" + std::to_string(index) + "]";
}

bool Reader::is_mapping(const Node& node) {
  if (node.type == Node::Type::mapping) return true;
  if (node.type != Node::Type::null) fault(node, "wants fields (a mapping), got " + shown(node));
  return false;
}

bool Reader::is_sequence(const Node& node) {
  if (node.type == Node::Type::sequence) return true;
  if (node.type != Node::Type::null) fault(node, "wants a list, got " + shown(node));
  return false;
}

void Reader::unknown_field(const Node::Key& key, std::span<const std::string_view> known) {
  std::string reason = "unknown field \"" + printable(key.text) + "\"";
  const auto meant = nearest(key.text, known);
  if (!meant.empty())
    reason += "; did you mean \"" + std::string(meant) + "\"?";
  else if (known.size() <= 24)
    reason += "; expected one of " + listed(known);
  else
    reason += "; it is not a field of this object, or in the wrong place";
  const Step step(*this, printable(key.text));
  fault(key.at, std::move(reason));
}

void Reader::require(const Node& node, std::string_view key) {
  if (node.type != Node::Type::mapping) return;
  for (std::size_t i = 0; i < node.keys.size(); ++i)
    if (node.keys[i].text == key && node.items[i].type != Node::Type::null) return;
  const Step step(*this, key);
  fault(node, std::string(key) + " must be specified");
}

ScalarKind scalar_kind(const Node& node) {
  if (!node.plain) return ScalarKind::text;
  const auto& text = node.text;
  for (const auto truth : {"true", "True", "TRUE", "false", "False", "FALSE"})
    if (text == truth) return ScalarKind::boolean;
  return is_core_float(text) || other_base(text) ? ScalarKind::number : ScalarKind::text;
}

std::string shown(const Node& node) {
  switch (node.type) {
    case Node::Type::null: return "nothing";
    case Node::Type::sequence: return "a list";
    case Node::Type::mapping: return "a mapping";
    case Node::Type::scalar: break;
  }
  const auto text = printable(std::string_view(node.text).substr(0, 64));
  return scalar_kind(node) == ScalarKind::text ? "\"" + text + "\"" : text;
}

nlohmann::json to_json(const Node& node) {
  switch (node.type) {
    case Node::Type::null: return nullptr;
    case Node::Type::sequence: {
      auto out = nlohmann::json::array();
      for (const auto& item : node.items) out.push_back(to_json(item));
      return out;
    }
    case Node::Type::mapping: {
      auto out = nlohmann::json::object();
      for (std::size_t i = 0; i < node.keys.size(); ++i) out[node.keys[i].text] = to_json(node.items[i]);
      return out;
    }
    case Node::Type::scalar: break;
  }
  const auto kind = scalar_kind(node);
  if (kind == ScalarKind::boolean) return node.text[0] == 't' || node.text[0] == 'T';
  if (kind == ScalarKind::text) return node.text;
  if (const auto integer = number<std::int64_t>(node.text)) return *integer;
  if (const auto integer = other_base(node.text)) return *integer;
  const auto real = number<double>(node.text);
  if (real && std::isfinite(*real)) return *real;
  return node.text;
}

std::optional<std::string> read_text(Reader& reader, const Node& node) {
  if (node.type == Node::Type::null) return std::string();
  if (node.type != Node::Type::scalar) {
    reader.fault(node, "wants a string, got " + shown(node));
    return std::nullopt;
  }
  if (scalar_kind(node) == ScalarKind::text) return node.text;
  reader.fault(node, "wants a string, got " + shown(node) + "; put it in quotes");
  return std::nullopt;
}

std::optional<std::int64_t> read_integer(Reader& reader, const Node& node, std::int64_t least,
                                         std::int64_t most) {
  const auto wants = "wants a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  if (node.type == Node::Type::scalar && scalar_kind(node) == ScalarKind::number) {
    const auto value = plain_decimal(node.text);
    if (value && *value >= least && *value <= most) return value;
    if (!value) {
      reader.fault(node, wants + " in plain decimal digits, got " + shown(node));
      return std::nullopt;
    }
  }
  reader.fault(node, wants + ", got " + shown(node));
  return std::nullopt;
}

void read_switch(Reader& reader, const Node& node, std::optional<bool>& out) {
  if (node.type == Node::Type::null) return;
  if (node.type == Node::Type::scalar && (node.text == "Enabled" || node.text == "Disabled"))
    out = node.text == "Enabled";
  else
    reader.fault(node, "use Enabled or Disabled, not " + shown(node));
}

void read_nets(Reader& reader, const Node& node, std::vector<Cidr>& out, BareAddress bare) {
  if (!reader.is_sequence(node)) return;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Reader::Step step(reader, i);
    const auto text = read_text(reader, node.items[i]);
    if (!text) continue;
    auto cidr = parse_cidr(*text, bare);
    if (cidr)
      out.push_back(*cidr);
    else
      reader.fault(node.items[i], printable(cidr.error().what));
  }
}

void read_nets(Reader& reader, const Node& node, SharedList<Cidr>& out, BareAddress bare) {
  std::vector<Cidr> nets;
  read_nets(reader, node, nets, bare);
  out = std::move(nets);
}

std::optional<std::size_t> read_choice(Reader& reader, const Node& node,
                                       std::span<const std::string_view> names) {
  if (node.type == Node::Type::scalar) {
    const auto found = std::ranges::find(names, std::string_view(node.text));
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  }
  std::string reason = "wants one of " + listed(names) + ", got " + shown(node);
  const auto meant = node.type == Node::Type::scalar ? nearest(node.text, names) : std::string_view{};
  if (!meant.empty()) reason += "; did you mean " + std::string(meant) + "?";
  reader.fault(node, std::move(reason));
  return std::nullopt;
}

void read(Reader& reader, const Node& node, std::string& out) {
  if (auto text = read_text(reader, node)) out = std::move(*text);
}

void read(Reader& reader, const Node& node, bool& out) {
  if (node.type == Node::Type::null) return;
  if (node.type == Node::Type::scalar && scalar_kind(node) == ScalarKind::boolean)
    out = lower(node.text) == "true";
  else
    reader.fault(node, "wants true or false, got " + shown(node));
}

void read(Reader& reader, const Node& node, double& out) {
  const auto value = node.type == Node::Type::scalar && scalar_kind(node) == ScalarKind::number
                         ? number<double>(node.text)
                         : std::nullopt;
  if (value && std::isfinite(*value))
    out = *value;
  else
    reader.fault(node, "wants a number, got " + shown(node));
}

void read(Reader& reader, const Node& node, std::int64_t& out) {
  constexpr std::int64_t kMost = std::int64_t{1} << 53;  // what JSON carries exactly
  if (const auto value = read_integer(reader, node, -kMost, kMost)) out = *value;
}

void read(Reader& reader, const Node& node, model::Labels& out) {
  if (!reader.is_mapping(node)) return;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const Reader::Step step(reader, printable(node.keys[i].text));
    if (auto value = read_text(reader, node.items[i])) out[node.keys[i].text] = std::move(*value);
  }
}

void read(Reader& reader, const Node& node, model::Duration& out) {
  const auto duration = node.type == Node::Type::scalar
                            ? parse_duration(node.text)
                            : Result<model::Duration>(fail(Errc::config, "wants a duration, got " + shown(node)));
  if (duration)
    out = *duration;
  else
    reader.fault(node, duration.error().what);
}

void read(Reader& reader, const Node& node, Address& out) {
  const auto text = read_text(reader, node);
  if (!text) return;
  auto address = parse_address(*text);
  if (address)
    out = *address;
  else
    reader.fault(node, printable(address.error().what));
}

void read(Reader& reader, const Node& node, model::Selector& out) {
  const auto text = read_text(reader, node);
  if (!text) return;
  auto selector = model::Selector::parse(*text);
  if (selector)
    out = std::move(*selector);
  else
    reader.fault(node, "invalid selector: " + selector.error().what);
}

void read(Reader& reader, const Node& node, std::optional<model::Selector>& out) {
  if (node.type == Node::Type::null || (node.type == Node::Type::scalar && node.text.empty())) return;
  read(reader, node, out.emplace());
}

void read(Reader& reader, const Node& node, model::Protocol& out) {
  if (node.type != Node::Type::scalar || scalar_kind(node) == ScalarKind::boolean)
    return reader.fault(node, "protocol name invalid: got " + shown(node));
  if (scalar_kind(node) == ScalarKind::number || all_digits(node.text)) {
    const auto value = plain_decimal(node.text);
    if (!value || *value < 1 || *value > 255)
      return reader.fault(node, "protocol number invalid: wants 1 to 255, got " + shown(node));
    out = {.number = static_cast<std::uint8_t>(*value), .as_name = false};
    return;
  }
  const auto known = model::protocol_by_name(node.text);
  if (known) {
    out = *known;
    return;
  }
  constexpr std::array<std::string_view, 6> kNames = {"TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"};
  reader.fault(node, "protocol name invalid: wants one of " + listed(kNames) + " or a number, got " + shown(node));
}

void read(Reader& reader, const Node& node, model::Port& out) {
  if (node.type != Node::Type::scalar || scalar_kind(node) == ScalarKind::boolean)
    return reader.fault(node, "wants a port, a range \"first:last\" or a port's name, got " + shown(node));
  const std::string_view text = node.text;
  const auto colon = text.find(':');
  if (colon != text.npos || scalar_kind(node) == ScalarKind::number || all_digits(text)) {
    const auto first = plain_decimal(text.substr(0, colon));
    const auto last = colon == text.npos ? first : plain_decimal(text.substr(colon + 1));
    if (!first || !last || *first < 1 || *last > 65535)
      return reader.fault(node, "wants a port from 1 to 65535 or a range \"first:last\" of them, got " + shown(node));
    if (*first > *last)
      return reader.fault(node, "the first port of the range " + shown(node) + " is greater than the last");
    out = model::PortRange{.first = static_cast<std::uint16_t>(*first), .last = static_cast<std::uint16_t>(*last)};
    return;
  }
  const bool allowed = std::ranges::all_of(text, [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
  });
  if (text.empty() || text.size() > 128 || !allowed)
    return reader.fault(node, shown(node) + " is not a port's name: 1 to 128 of letters, digits, _, . and -");
  out = node.text;
}

}  // namespace nodewall::config
