// Manifests, YAML or JSON. What decodes without a fault is what its own encoding decodes to, as JSON and as YAML.
#include "config/decode.h"
#include "config/encode.h"
#include "input.h"

namespace {

using namespace nodewall;

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
  const auto decoded = config::decode(fuzz::Input(data, size).text(), "input");
  for (const auto& diagnostic : decoded.diagnostics) fuzz::require(!config::to_string(diagnostic).empty(), "a fault has words");
  if (!decoded.ok()) return 0;
  for (const auto& one : decoded.resources) {
    const auto encoded = config::encode(one.resource);
    same_again(one.resource, encoded, encoded.dump(), "JSON");
    same_again(one.resource, encoded, config::to_yaml(encoded), "YAML");
  }
  return 0;
}
