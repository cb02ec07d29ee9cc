// `nodewall verify`: the tables in the kernel against the policy of the datastore (engine/verify.h), beside a daemon that goes on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "inspect_node.h"

namespace nodewall::cli {

struct VerifySource {
  NodePlace place;
  std::string datastore;  // empty: the daemon's, else as everywhere
  std::string node;       // empty: the daemon's, else this machine's
};

// Looks again when the policy changed meanwhile, and once when something differed: a change may have been under way. An error means that
// nothing can be said: no root, nothing enforced, or a policy that keeps changing.
Result<nlohmann::json> verify_json(const VerifySource& source, std::vector<std::string>& warnings);
std::string verify_text(const nlohmann::json& report);

}  // namespace nodewall::cli
