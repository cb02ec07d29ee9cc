#include "store/merge.h"

#include <utility>

namespace nodewall::store {
namespace {

using Kcc = model::KubeControllersConfiguration;
using HeldObjects = std::map<model::ResourceId, Held>;

config::Diagnostic not_used(const Manifests& from, const Held& held, const std::string& why) {
  const auto object = to_string(held.object->resource.id());
  return {.file = from.folder().path() + "/" + held.file,
          .at = held.object->at,
          .message = object + " " + why,
          .object = object};
}

void add_people(const Manifests& people, const Removed& removed, const HeldObjects& held, Snapshot& out) {
  for (const auto& [id, one] : held) {
    const auto& resource = one.object->resource;
    if (model::is_built_in(id)) {
      out.diagnostics.push_back(not_used(people, one, "is built in and cannot be changed: not used"));
      continue;
    }
    const auto gone = removed.find(id);
    if (gone != removed.end() && gone->second == resource.metadata.resource_version) {
      out.diagnostics.push_back(
          not_used(people, one,
                   "carries the label of automatic host endpoints and is none that is wanted: not used; remove the label "
                   "projectcalico.org/created-by to make it yours"));
      continue;
    }
    out.resources.insert_or_assign(id, without_status(resource));
  }
}

void add_generated(const Manifests& people, const HeldObjects& of_people, const HeldObjects& generated, Snapshot& out) {
  for (const auto& [id, one] : generated) {
    if (model::is_built_in(id)) continue;
    const auto& resource = one.object->resource;
    const auto found = out.resources.find(id);
    if (const auto* status = std::get_if<Kcc>(&resource.spec)) {
      if (found == out.resources.end()) {
        if (!is_status_only(resource)) out.resources.emplace(id, resource);
      } else if (auto* spec = std::get_if<Kcc>(&found->second.spec)) {
        spec->status_environment = status->status_environment;
        spec->running_config = status->running_config;
      }
      continue;
    }
    if (found == out.resources.end()) {
      out.resources.emplace(id, resource);
    } else if (is_automatic(found->second) && is_automatic(resource)) {
      if (found->second.spec != resource.spec || found->second.metadata.labels != resource.metadata.labels)
        out.diagnostics.push_back(
            not_used(people, of_people.at(id), "is an automatic host endpoint: the generated version is used"));
      found->second = resource;
    }
  }
}

}  // namespace

HeldObjects held_objects(const Manifests& manifests, std::vector<config::Diagnostic>* diagnostics,
                         const model::ResourceId* only) {
  HeldObjects held;
  for (const bool last_good : {false, true}) {
    for (const auto& [name, file] : manifests.files()) {
      for (const auto& object : file.objects) {
        if (object.last_good != last_good) continue;
        const auto& resource = object.resource;
        if (only != nullptr && (resource.metadata.name != only->name || resource.kind() != only->kind)) continue;
        const auto [found, is_new] = held.try_emplace(object.resource.id(), Held{&object, name});
        if (is_new || last_good || diagnostics == nullptr) continue;
        diagnostics->push_back(
            not_used(manifests, {&object, name}, "is already in " + found->second.file + ": this one is not used"));
      }
    }
  }
  return held;
}

Snapshot merge(const Manifests& people, const Manifests* generated, const Removed& removed,
               const model::ResourceId* only) {
  Snapshot out;
  for (const auto* folder : {&people, generated}) {
    if (folder == nullptr) continue;
    for (const auto& [name, file] : folder->files())
      out.diagnostics.insert(out.diagnostics.end(), file.diagnostics.begin(), file.diagnostics.end());
  }
  const auto of_people = held_objects(people, &out.diagnostics, only);
  add_people(people, removed, of_people, out);
  if (generated != nullptr)
    add_generated(people, of_people, held_objects(*generated, &out.diagnostics, only), out);
  for (auto& resource : model::built_in_resources()) {
    auto id = resource.id();
    out.resources.insert_or_assign(std::move(id), std::move(resource));
  }
  return out;
}

bool is_automatic(const model::Resource& resource) {
  if (resource.kind() != model::Kind::HostEndpoint) return false;
  const auto label = resource.metadata.labels.find(model::kCreatedByLabel);
  return label != resource.metadata.labels.end() && label->second == model::kCreatedByValue;
}

bool is_status_only(const model::Resource& resource) {
  return std::holds_alternative<Kcc>(resource.spec) && std::get<Kcc>(without_status(resource).spec) == Kcc{};
}

model::Resource without_status(model::Resource resource) {
  if (auto* kcc = std::get_if<Kcc>(&resource.spec)) {
    kcc->status_environment.clear();
    kcc->running_config.reset();
  }
  return resource;
}

model::Resource only_status(model::Resource resource) {
  if (auto* kcc = std::get_if<Kcc>(&resource.spec)) {
    Kcc status;
    status.status_environment = std::move(kcc->status_environment);
    status.running_config = std::move(kcc->running_config);
    resource.spec = std::move(status);
    model::Metadata metadata;
    metadata.name = std::move(resource.metadata.name);
    resource.metadata = std::move(metadata);
  }
  return resource;
}

}  // namespace nodewall::store
