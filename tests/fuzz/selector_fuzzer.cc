// Selectors. First line: the selector; further lines: labels, "name=value". The canonical form is a fixed point, and means the same. An
// error says the column.
#include <charconv>

#include "input.h"
#include "model/selector.h"

namespace {

using namespace nodewall;

bool names_column(std::string_view error, std::size_t size) {
  constexpr std::string_view kWord = "column ";
  std::size_t column = 0;
  const auto at = error.find(kWord);
  if (at == error.npos) return false;
  const auto [end, failed] = std::from_chars(error.data() + at + kWord.size(), error.data() + error.size(), column);
  return failed == std::errc() && column >= 1 && column <= size + 1;
}

// Not every negation can be read: it may be nested too deep.
void negated(const model::Selector& selector, const model::Labels& labels) {
  const auto opposite = model::Selector::parse("!(" + selector.canonical() + ")");
  if (!opposite) return;
  fuzz::require(opposite->matches(labels) != selector.matches(labels), "a negation means the opposite: " + opposite->canonical());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto text = input.line();
  const auto selector = model::Selector::parse(text);
  if (!selector) {
    fuzz::require(names_column(selector.error().message(), text.size()), "an error has a place: " + selector.error().message());
    return 0;
  }
  model::Labels labels;
  while (!input.empty()) {
    const auto line = input.line();
    const auto equals = std::min(line.find('='), line.size());
    labels.emplace(line.substr(0, equals), line.substr(std::min(equals + 1, line.size())));
  }
  const auto& canonical = selector->canonical();
  const auto again = model::Selector::parse(canonical);
  fuzz::require(again.has_value(), "the canonical form is refused: " + canonical);
  fuzz::require(again->canonical() == canonical, "the canonical form is no fixed point: " + canonical);
  fuzz::require(again->id() == selector->id(), "the identifier follows the canonical form: " + canonical);
  fuzz::require(again->matches(labels) == selector->matches(labels), "the canonical form means something else: " + canonical);
  fuzz::require(again->matches({}) == selector->matches({}), "the canonical form means something else: " + canonical);
  negated(*selector, labels);
  fuzz::require(!selector->is_all() || selector->matches(labels), "all() matches everything");
  return 0;
}
