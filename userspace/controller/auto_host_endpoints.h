// The automatic host endpoint controller (docs/semantics.md "Automatic host endpoints"): nodes and KubeControllersConfiguration in,
// wanted changes out. Pure: the engine carries the changes to the datastore.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/resources.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::controller {

struct Changes {
  std::vector<model::Resource> write;      // created or replaced, in order
  std::vector<model::ResourceId> remove;
  std::vector<resolve::Condition> conditions;  // a user's object occupies an automatic name, a template's selector is invalid, ...
  [[nodiscard]] bool empty() const { return write.empty() && remove.empty(); }
};

// `environment` overrides the resource (AUTO_HOST_ENDPOINTS, ...; status.environmentVars). Writes the default
// KubeControllersConfiguration when there is none, and its status.runningConfig when that changed.
Changes reconcile(const model::ResourceSet& resources, const std::map<std::string, std::string>& environment);

// Addresses of an automatic host endpoint, in Calico's order (6.3).
std::vector<Address> expected_ips(const model::Node& node);

}  // namespace nodewall::controller
