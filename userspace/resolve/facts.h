// What resolving needs to know of the node beside the resources: its name and interfaces. Plain data; the daemon fills it from
// netlink, `trace` from a facts file, tests by hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip.h"

namespace nodewall::resolve {

struct InterfaceFacts {
  std::string name;
  std::uint32_t ifindex = 0;       // 0 when not known (facts file)
  std::vector<Cidr> addresses;     // own addresses with their networks' prefix, host bits set: 10.0.0.2/24
  bool has_ethernet_header = true;
  bool is_loopback = false;
  bool is_up = true;
  bool sees_ingress = true;        // false: what comes in by it is seen only at the interface it comes by (of a VRF, of an ipvlan in l3s mode)
  bool operator==(const InterfaceFacts&) const = default;
};

struct NodeFacts {
  std::string node;  // compared exactly with HostEndpoint.spec.node
  std::vector<InterfaceFacts> interfaces;
  bool operator==(const NodeFacts&) const = default;
};

}  // namespace nodewall::resolve
