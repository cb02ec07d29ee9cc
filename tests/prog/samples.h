// Samples: one good frame of every shape that the programs tell apart, for tests that cut, change and split frames.
#pragma once

#include <vector>

#include "harness/packet.h"

namespace prog {

struct Sample {
  const char* what;  // begins with IPv4 or IPv6
  packet::Bytes frame;
};

std::vector<Sample> samples();          // a peer's, to the host
std::vector<Sample> samples_of_host();  // the host's own

}  // namespace prog
