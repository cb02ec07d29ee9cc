// The node's name, which HostEndpoint.spec.node has to equal exactly: `option`, else NODENAME, else the lower-cased host name.
#pragma once

#include <string>

#include "base/result.h"

namespace nodewall::engine {

std::string node_name(const std::string& option);

// Errc::config, with what to do, for a name that no object can have: nothing could be kept under it.
Status check_node_name(const std::string& name);

}  // namespace nodewall::engine
