// The node's name, which HostEndpoint.spec.node has to equal exactly: `option`, else NODENAME, else the lower-cased host name.
#pragma once

#include <string>

namespace nodewall::engine {

std::string node_name(const std::string& option);

}  // namespace nodewall::engine
