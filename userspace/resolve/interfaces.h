// Which host endpoint of this node governs which interface.
#pragma once

#include <vector>

#include "resolve/conditions.h"
#include "resolve/facts.h"
#include "resolve/inventory.h"

namespace nodewall::resolve {

// `endpoints` are those of the node, by name; Assignment::endpoint counts in them. Sorted by interface name.
std::vector<Assignment> assign_interfaces(const std::vector<KnownEndpoint>& endpoints, const NodeFacts& facts,
                                          const Settings& settings, Conditions& conditions);

// The host's own addresses, and the broadcast addresses of its IPv4 networks. Sorted, unique.
std::vector<Address> local_addresses(const NodeFacts& facts);
std::vector<Address> broadcast_addresses(const NodeFacts& facts);

}  // namespace nodewall::resolve
