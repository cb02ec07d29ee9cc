// Manifests, YAML or JSON. What decodes without a fault is what its own encoding decodes to, as JSON and as YAML. A fault has a place in
// the text.
#include "base/printable.h"
#include "config/decode.h"
#include "config/encode.h"
#include "input.h"

namespace {

using namespace nodewall;

// Nothing that a terminal obeys.
bool is_printable(std::string_view words) {
  return is_utf8(words) && std::ranges::none_of(words, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

void same_again(const model::Resource& resource, const nlohmann::json& encoded, const std::string& text, const char* form) {
  const auto again = config::decode(text, form);
  fuzz::require(again.ok(), std::string(form) + " of a whole object is refused: " +
                                (again.ok() ? "" : config::to_string(again.diagnostics.front())) + "\n" + text);
  fuzz::require(again.resources.size() == 1, std::string(form) + " of one object holds several:\n" + text);
  fuzz::require(again.resources.front().resource == resource, std::string(form) + " changes the object:\n" + text);
  fuzz::require(config::encode(again.resources.front().resource) == encoded, std::string(form) + " is not canonical:\n" + text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::Input(data, size).text();
  const auto decoded = config::decode(text, "input");
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  for (const auto& diagnostic : decoded.diagnostics) {
    const auto words = config::to_string(diagnostic);
    fuzz::require(!diagnostic.message.empty(), "a fault has words");
    fuzz::require(diagnostic.at.line >= 1 && diagnostic.at.line <= lines && diagnostic.at.column >= 1, "a fault has a place: " + words);
    fuzz::require(is_printable(words), "a fault is printable: " + words);
  }
  if (!decoded.ok()) return 0;
  for (const auto& one : decoded.resources) {
    const auto encoded = config::encode(one.resource);
    same_again(one.resource, encoded, encoded.dump(), "JSON");
    same_again(one.resource, encoded, config::to_yaml(encoded), "YAML");
  }
  return 0;
}
