// What the daemon writes to the datastore for itself: the node's own Node object, automatic host endpoints, the configuration of the
// controllers (docs/datastore.md). One object that cannot be written does not keep the others from being written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/auto_host_endpoints.h"
#include "resolve/facts.h"
#include "store/datastore.h"

namespace nodewall::engine {

struct Generated {
  std::size_t changes = 0;             // objects that were written or removed: read the store again, and come back
  std::vector<std::string> failures;   // "HostEndpoint(a): ...", one a line; what people wrote is enforced all the same
  std::vector<resolve::Condition> conditions;
};

// `resources` as just read from `store`. `labels` are those of the own Node; `environment` as in controller::reconcile.
Generated write_generated(store::DirectoryStore& store, const model::ResourceSet& resources, const resolve::NodeFacts& facts,
                          const model::Labels& labels, const std::map<std::string, std::string>& environment);

}  // namespace nodewall::engine
