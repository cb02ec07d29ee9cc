// Ports: criteria on protocol with destination port, ICMP type and code, or source port, as interval sets over one space:
// protocol << 16 | port (ICMP: type << 8 | code). No port criterion matches a protocol without ports.
#pragma once

#include <cstdint>

#include "compile/partition.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::compile {

using PortIntervals = Intervals<std::uint32_t>;
constexpr std::uint32_t kProtocols = 256;
constexpr std::uint32_t kPorts = 65536;

bool has_ports(unsigned protocol);
bool is_icmp(unsigned protocol);

PortIntervals destination_intervals(const resolve::ResolvedRule& rule);
PortIntervals source_intervals(const std::vector<model::PortRange>& ports);

}  // namespace nodewall::compile
