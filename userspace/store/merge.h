// What counts when files disagree: the manifests of people and the generated objects as one set. Private to this room.
//
// 1. Of whole objects with one name, the one in the first file by name counts; the others are diagnostics.
// 2. A last good version counts if no file has a whole one.
// 3. People's objects count before generated ones, but for two:
//    - KubeControllersConfiguration: people's spec, the generated status.
//    - a HostEndpoint with the created-by label is the controller's: the generated version counts.
// 4. What the controller deleted is left out although a person's file has it, as long as that file says the same.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "store/datastore.h"
#include "store/manifests.h"

namespace nodewall::store {

// Objects of people that the controller deleted, with the version that it saw.
using Removed = std::map<model::ResourceId, std::string>;

// `only`: nothing but this object, without looking at (and copying) all the others.
Snapshot merge(const Manifests& people, const Manifests* generated, const Removed& removed,
               const model::ResourceId* only = nullptr);

// The objects of one folder by rules 1 and 2, with their file.
struct Held {
  const Object* object = nullptr;
  std::string file;
};
std::map<model::ResourceId, Held> held_objects(const Manifests& manifests, std::vector<config::Diagnostic>* diagnostics,
                                               const model::ResourceId* only = nullptr);

// Does the controller own it?
bool is_automatic(const model::Resource& resource);
// KubeControllersConfiguration that holds a status and nothing else.
bool is_status_only(const model::Resource& resource);
// The same without its status, or without anything but its status; other kinds unchanged.
model::Resource without_status(model::Resource resource);
model::Resource only_status(model::Resource resource);

}  // namespace nodewall::store
