// The Node object that a daemon keeps for its own node where no cluster does (docs/semantics.md "Automatic host endpoints").
// Pure.
//
// Addresses are those of the host's own interfaces: not of workload interfaces, excluded interfaces and loopback, and none that is
// link-local, anycast or multicast. IPv4 before IPv6, then by interface name, then by address: the order decides the order of
// expectedIPs, and a stable one keeps automatic host endpoints from being written again and again.
//
// A Node that a person wrote is left alone. Ours is known by an annotation, which also says which labels are ours: labels that
// people add to it stay.
#pragma once

#include <optional>
#include <vector>

#include "model/resources.h"
#include "resolve/facts.h"

namespace nodewall::controller {

inline constexpr std::string_view kOwnLabelsAnnotation = "nodewall.io/labels";

// The object as it shall be; nothing when it is so already, or is a person's.
std::optional<model::Resource> node_object(const model::ResourceSet& resources, const resolve::NodeFacts& facts,
                                           const model::Labels& labels);

// Nodes that a daemon kept under another name of this node and that nobody keeps any more. Never a person's.
std::vector<model::ResourceId> left_nodes(const model::ResourceSet& resources, const std::string& node);

}  // namespace nodewall::controller
