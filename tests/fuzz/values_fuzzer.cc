// Small values: addresses, networks, durations, and patterns of interface names. First line: the value; second: a name to match.
#include "base/ip.h"
#include "base/printable.h"
#include "config/duration.h"
#include "input.h"
#include "model/pattern.h"

namespace {

using namespace nodewall;

// Whether the text of a value is read as that value.
template <class Value>
bool is_same(const Result<Value>& again, const Value& value) {
  return again.has_value() && *again == value;
}

void address(std::string_view text) {
  const auto read = parse_address(text);
  if (read) fuzz::require(is_same(parse_address(to_string(*read)), *read), "an address is what its text says: " + to_string(*read));
}

void network(std::string_view text, BareAddress bare) {
  const auto read = parse_cidr(text, bare);
  if (!read) return;
  fuzz::require(is_same(parse_cidr(to_string(*read), BareAddress::refuse), *read), "a network is what its text says: " + to_string(*read));
  fuzz::require(read->contains(read->address) && read->contains(read->masked().address), "a network contains its own address");
  fuzz::require(read->masked().masked() == read->masked(), "host bits are cleared once");
}

void duration(std::string_view text) {
  const auto read = config::parse_duration(text);
  if (!read) return;
  fuzz::require(read->count() >= 0, "a duration is not negative");
  const auto written = config::to_string(*read);
  fuzz::require(is_same(config::parse_duration(written), *read), "a duration is what its text says: " + written);
}

// Written in another way a pattern says the same; one of letters only says that the name has them.
void pattern(std::string_view text, std::string_view name) {
  const auto read = model::Pattern::make(text);
  if (!read) return;
  const bool matches = read->matches(name);
  const std::string group = "(?:" + std::string(text) + ")";
  const auto same = group + "|.*" + group;  // may be longer than a pattern can be
  if (const auto other = model::Pattern::make(same))
    fuzz::require(other->matches(name) == matches, "a pattern says what '" + same + "' says");
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (std::ranges::all_of(text, is_letter)) fuzz::require(matches == name.contains(text), "letters stand for themselves");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto text = input.line();
  const auto name = input.line();
  address(text);
  network(text, BareAddress::refuse);
  network(text, BareAddress::is_host);
  duration(text);
  fuzz::require(is_utf8(printable(text)), "what is printed is text");
  pattern(text, name);
  const model::NameList names({std::string(text), std::string(name)});
  (void)names.contains(name);
  return 0;
}
