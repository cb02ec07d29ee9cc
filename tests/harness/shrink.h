// Differences between judges: found by random scenarios, shrunk until nothing can be left out, written as a vector.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "harness/random.h"
#include "harness/scenario.h"
#include "resolve/packet.h"

namespace nodewall::test {

// Whether the answers about this packet differ in this scenario.
using Differs = std::function<bool(const Scenario&, const resolve::PacketQuery&)>;

// A scenario as small as leaving out objects, rules, criteria, entries and interfaces one at a time makes it, in which the packet is
// still answered differently. Ends: every step makes the scenario smaller.
Scenario shrink(Scenario scenario, const resolve::PacketQuery& packet, const Differs& differs);

// Writes the packet with the oracle's answer as a vector file; the path.
Result<std::filesystem::path> write_vector(const Scenario& scenario, const resolve::PacketQuery& packet,
                                           const resolve::Judgement& expected, const std::string& name);

}  // namespace nodewall::test
