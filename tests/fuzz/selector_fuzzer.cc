// Selectors. First line: the selector; further lines: labels, "name=value". The canonical form is a fixed point, and means the same.
#include "input.h"
#include "model/selector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodewall;
  fuzz::Input input(data, size);
  const auto text = input.line();
  const auto selector = model::Selector::parse(text);
  if (!selector) {
    fuzz::require(!selector.error().message().empty(), "an error has words");
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
  fuzz::require(!selector->is_all() || selector->matches(labels), "all() matches everything");
  return 0;
}
