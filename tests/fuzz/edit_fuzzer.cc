// The datastore's editor: a file that people wrote, in which one object is replaced, removed or added.
#include "config/decode.h"
#include "input.h"
#include "store/document_edit.h"

namespace {

using namespace nodewall;

std::size_t holds(const config::Decoded& decoded, const model::ResourceId& id) {
  return static_cast<std::size_t>(std::ranges::count_if(decoded.resources, [&](const auto& one) { return one.resource.id() == id; }));
}

void append(std::string_view text, std::string_view file, const model::Resource& resource, std::size_t before) {
  const auto added = store::append_object(text, file, resource);
  if (!added) return;
  fuzz::require(holds(config::decode(*added, file), resource.id()) == before + 1, "an object that was added is there:\n" + *added);
}

void edit(std::string_view text, std::string_view file, const model::Resource& resource, std::size_t before) {
  if (const auto replaced = store::replace_object(text, file, resource)) {
    const auto decoded = config::decode(*replaced, file);
    fuzz::require(std::ranges::any_of(decoded.resources, [&](const auto& one) { return one.resource == resource; }),
                  "an object that was replaced is there:\n" + *replaced);
  }
  if (const auto removed = store::remove_object(text, file, resource.id())) {
    fuzz::require(holds(config::decode(*removed, file), resource.id()) < before, "an object that was removed is gone:\n" + *removed);
  }
  append(text, file, resource, before);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto file = input.byte() == '{' ? "input.json" : "input.yaml";
  const auto text = fuzz::Input(data, size).text();
  const auto decoded = config::decode(text, file);
  if (!decoded.resources.empty()) {
    const auto& one = decoded.resources[size % decoded.resources.size()].resource;
    edit(text, file, one, holds(decoded, one.id()));
  }
  model::Resource fresh;
  fresh.metadata.name = "added-by-the-fuzzer";
  fresh.spec = model::GlobalNetworkSet{};
  append(text, file, fresh, holds(decoded, fresh.id()));
  return 0;
}
