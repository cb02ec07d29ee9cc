// The policies that are measured: two shapes that users have, by size.
//
//   own_cidr_and_port  `size` rules, each allows one /24 to one TCP port; the last one is met by the packet that is allowed
//   one_set            one rule that allows TCP 80 from a set of `size` networks of /24 to /32
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "resolve/endpoint_policy.h"
#include "resolve/packet.h"

namespace nodewall::bench {

struct Scenario {
  std::string name;
  std::uint64_t size = 0;
  resolve::Resolved resolved;                 // one endpoint, interface eth0
  std::vector<resolve::PacketQuery> denied;   // packets of many sources that policy denies
};

Result<Scenario> make_scenario(const std::string& name, std::uint64_t size);
inline const std::vector<std::string> kScenarios = {"own_cidr_and_port", "one_set"};

}  // namespace nodewall::bench
