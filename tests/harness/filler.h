// Filler: rules in front of everything else that match no packet of ours: they speak of the networks that are set aside for
// benchmarks (198.18.0.0/15, 2001:2::/48).
#pragma once

#include "harness/scenario.h"
#include "resolve/packet.h"

namespace nodewall::test {

// A tier "aaa-filler" with default action Pass, whose policies select every host endpoint and have `rules` rules for each direction.
void add_filler(Scenario& scenario, std::size_t rules);
bool is_filler_address(const resolve::PacketQuery& packet);  // source or destination

}  // namespace nodewall::test
