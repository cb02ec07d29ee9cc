// Two policies for the program's fuzzer, compiled once: odd generations run under the first, even ones under the second, which allows
// less. Both look at addresses of both families, ports, ICMP, and a protocol without ports.
#pragma once

#include <cstdint>
#include <vector>

#include "maps/policy.h"

namespace nodewall::fuzz {

inline constexpr std::uint32_t kRuleCounters = 64;

const std::vector<nw_line>& program_policy(std::uint32_t generation);

}  // namespace nodewall::fuzz
