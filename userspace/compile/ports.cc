#include "compile/ports.h"

#include <algorithm>

namespace nodewall::compile {
namespace {

constexpr std::uint32_t kLast = kPorts - 1;

Interval<std::uint32_t> icmp_interval(const model::Icmp& icmp) {
  if (!icmp.type) return {0, kLast};
  const std::uint32_t type = *icmp.type;
  if (!icmp.code) return {type << 8, type << 8 | 255};
  return {type << 8 | *icmp.code, type << 8 | *icmp.code};
}

// No port of a protocol that has none matches.
void append_ports(PortIntervals& made, unsigned protocol, const std::vector<model::PortRange>& ports) {
  const std::uint32_t base = protocol << 16;
  if (!has_ports(protocol)) return;
  for (const auto& range : ports) append_interval(made, base | range.first, base | range.last);
}

void append_icmp(PortIntervals& made, unsigned protocol, const resolve::ResolvedRule& rule) {
  const std::uint32_t base = protocol << 16;
  const auto in = rule.icmp ? icmp_interval(*rule.icmp) : Interval<std::uint32_t>{0, kLast};
  if (!rule.not_icmp) {
    append_interval(made, base | in.first, base | in.last);
    return;
  }
  const auto out = icmp_interval(*rule.not_icmp);
  if (out.first > in.first) append_interval(made, base | in.first, base | std::min(in.last, out.first - 1));
  if (out.last < in.last) append_interval(made, base | std::max(in.first, out.last + 1), base | in.last);
}

}  // namespace

bool has_ports(unsigned protocol) { return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136; }
bool is_icmp(unsigned protocol) { return protocol == 1 || protocol == 58; }

PortIntervals destination_intervals(const resolve::ResolvedRule& rule) {
  PortIntervals made;
  for (auto at = rule.protocols._Find_first(); at < kProtocols; at = rule.protocols._Find_next(at)) {
    const auto protocol = static_cast<unsigned>(at);
    if (!is_icmp(protocol) && rule.icmp) continue;
    if (rule.destination.ports)
      append_ports(made, protocol, *rule.destination.ports);
    else if (is_icmp(protocol))
      append_icmp(made, protocol, rule);
    else
      append_interval(made, protocol << 16, protocol << 16 | kLast);
  }
  return made;
}

PortIntervals source_intervals(const std::vector<model::PortRange>& ports) {
  PortIntervals made;
  for (unsigned protocol = 0; protocol < kProtocols; ++protocol) append_ports(made, protocol, ports);
  return made;
}

}  // namespace nodewall::compile
