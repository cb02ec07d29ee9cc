// The datastore as the verbs see it: what is stored, and what exists although nobody stored it: the built-in profiles and tiers, and
// the default KubeControllersConfiguration. Guards what the datastore itself does not: built-in objects, tiers in use.
#pragma once

#include <string>

#include "arguments.h"
#include "base/result.h"
#include "model/resources.h"
#include "store/datastore.h"

namespace nodewall::cli {

// --datastore (or its default), with what the daemon generated for it if there is any.
Result<store::DirectoryStore> open_datastore(const std::string& option);

enum class Change : std::uint8_t { create, update, apply };

class Session {
 public:
  // Warns of files that the datastore could not read, and of compatibility flags that mean nothing.
  static Result<Session> open(const Arguments& arguments);

  [[nodiscard]] const model::ResourceSet& resources() const { return resources_; }
  [[nodiscard]] bool has(const model::ResourceId& id) const { return resources_.contains(id); }
  Result<model::Resource> find(const model::ResourceId& id) const;  // Errc::not_found

  // Calico's rules: create ignores server metadata and fails when the object exists; update keeps the object's uid and creation
  // time, replaces labels, annotations and spec, and fails on a resourceVersion that is not the current one.
  Status write(model::Resource resource, Change change);
  Status remove(const model::ResourceId& id);

 private:
  Session(store::DirectoryStore store, model::ResourceSet stored);
  void add_implied();
  Status may_write(const model::Resource& resource, Change change) const;
  Status may_remove(const model::ResourceId& id) const;

  store::DirectoryStore store_;
  model::ResourceSet stored_;
  model::ResourceSet resources_;
};

}  // namespace nodewall::cli
