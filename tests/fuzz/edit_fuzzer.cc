// The datastore's editor: a file that people wrote, in which one object is replaced or removed, or a broken one mended.
#include "config/decode.h"
#include "input.h"
#include "store/document_edit.h"

namespace {

using namespace nodewall;

std::size_t holds(const config::Decoded& decoded, const model::ResourceId& id) {
  return static_cast<std::size_t>(std::ranges::count_if(decoded.resources, [&](const auto& one) { return one.resource.id() == id; }));
}

void replace(std::string_view text, std::string_view file, const model::Resource& resource) {
  const auto replaced = store::replace_object(text, file, resource);
  if (!replaced) return;
  const auto decoded = config::decode(*replaced, file);
  fuzz::require(std::ranges::any_of(decoded.resources, [&](const auto& one) { return one.resource == resource; }),
                "an object that was replaced is there:\n" + *replaced);
}

void remove(std::string_view text, std::string_view file, const model::ResourceId& id) {
  const auto removed = store::remove_object(text, file, id);
  if (removed) fuzz::require(holds(config::decode(*removed, file), id) == 0, "an object that was removed is gone:\n" + *removed);
}

// Of the objects with faults a set, which can be made without knowing more of it.
void mend(std::string_view text, std::string_view file, const config::Decoded& decoded) {
  constexpr std::string_view kSet = "GlobalNetworkSet(";
  const auto is_set = [&](const auto& fault) { return fault.object.starts_with(kSet); };
  const auto broken = std::ranges::find_if(decoded.diagnostics, is_set);
  if (broken == decoded.diagnostics.end()) return;
  model::Resource whole;
  whole.metadata.name = broken->object.substr(kSet.size(), broken->object.size() - kSet.size() - 1);
  whole.spec = model::GlobalNetworkSet{};
  replace(text, file, whole);
  remove(text, file, whole.id());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto file = input.byte() == '{' ? "input.json" : "input.yaml";
  const auto text = fuzz::Input(data, size).text();
  const auto decoded = config::decode(text, file);
  mend(text, file, decoded);
  if (decoded.resources.empty()) return 0;
  const auto& one = decoded.resources[size % decoded.resources.size()].resource;
  replace(text, file, one);
  remove(text, file, one.id());
  return 0;
}
