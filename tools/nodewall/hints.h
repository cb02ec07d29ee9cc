// What a person would want to know about a change that succeeded: host endpoints that close everything.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/resources.h"

namespace nodewall::cli {

// Names of the host endpoints that no policy selects and that have no profile that exists.
std::set<std::string> bare_endpoints(const model::ResourceSet& resources);

// Sentences about what changed between both: host endpoints that became bare or were written (`written`) and are bare, and written
// ones whose node is not among the nodes that are known.
std::vector<std::string> hints(const model::ResourceSet& before, const model::ResourceSet& after,
                               const std::set<model::ResourceId>& written);

}  // namespace nodewall::cli
