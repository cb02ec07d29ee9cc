// Generator: random valid resources, and packets near the boundaries of what they mention. One seed, one scenario.
//
// Addresses, ports, labels and names come from small pools, so that rules overlap, contradict and shadow each other and packets hit
// them; a policy of unrelated random values would hardly ever be decided by anything but its default.
#pragma once

#include "harness/random.h"
#include "harness/scenario.h"
#include "resolve/packet.h"

namespace nodewall::test {

struct Shape {
  std::size_t policies = 6;
  std::size_t rules = 5;  // most of a policy and direction
  std::size_t sets = 3;
  std::size_t nets = 6;   // most of a set
  bool operator==(const Shape&) const = default;
};

Shape random_shape(Random& random);
Scenario random_scenario(Random& random, const Shape& shape);
model::Rule random_rule(Random& random, bool ingress);

// What packets are drawn from: every address, port, protocol and ICMP type that the scenario mentions, and their neighbours.
struct PacketPools {
  std::vector<Address> v4, v6;
  std::vector<std::uint16_t> ports;
  std::vector<std::uint8_t> protocols;
  std::vector<std::string> interfaces;
  std::vector<Address> local_v4, local_v6;
};
PacketPools packet_pools(const Scenario& scenario);
resolve::PacketQuery random_packet(Random& random, const PacketPools& pools);

}  // namespace nodewall::test
