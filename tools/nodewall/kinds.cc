#include "kinds.h"

#include <fmt/format.h>

#include "terminal.h"

namespace nodewall::cli {

std::optional<model::Kind> kind_argument(const std::string& text) {
  if (const auto kind = model::kind_by_alias(text)) return kind;
  std::string known;
  for (const auto kind : model::kAllKinds) known += fmt::format("{}{}", known.empty() ? "" : ", ", name(kind));
  usage(fmt::format("resource type '{}' is not known", text), "the kinds are " + known);
  return std::nullopt;
}

}  // namespace nodewall::cli
