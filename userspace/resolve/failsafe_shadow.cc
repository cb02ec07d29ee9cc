#include "resolve/failsafe_shadow.h"

#include <fmt/core.h>

#include <algorithm>

namespace nodewall::resolve {
namespace {

bool is_open(const std::vector<model::FailsafePort>& ports, std::uint8_t protocol, int port, Family family) {
  return std::ranges::any_of(ports, [&](const model::FailsafePort& open) {
    const bool any_peer = !open.net || (open.net->prefix == 0 && open.net->address.family == family);
    return open.protocol.number == protocol && open.port == port && any_peer;
  });
}

// Every packet that the rule can match goes to a port that is open for every peer.
bool is_shadowed(const ResolvedRule& rule, const std::vector<model::FailsafePort>& ports) {
  if (!rule.destination.ports) return false;
  for (std::size_t protocol = 0; protocol < rule.protocols.size(); ++protocol) {
    if (!rule.protocols.test(protocol)) continue;
    for (const auto& range : *rule.destination.ports) {
      if (static_cast<std::size_t>(range.last - range.first) >= ports.size()) return false;
      for (int port = range.first; port <= range.last; ++port) {
        const auto number = static_cast<std::uint8_t>(protocol);
        if (rule.v4 && !is_open(ports, number, port, Family::v4)) return false;
        if (rule.v6 && !is_open(ports, number, port, Family::v6)) return false;
      }
    }
  }
  return true;
}

}  // namespace

void report_shadowed_rules(std::span<const ResolvedRule> rules, const std::vector<model::FailsafePort>& ports,
                           const model::ResourceId& owner, std::string_view direction, Conditions& conditions) {
  for (std::size_t i = 0; i < rules.size();) {
    // The parts that one written rule was split into stand together.
    std::size_t end = i + 1;
    while (end < rules.size() && rules[end].origin.rule == rules[i].origin.rule) ++end;
    const auto parts = rules.subspan(i, end - i);
    if (parts.front().action == model::Action::Deny &&
        std::ranges::all_of(parts, [&](const ResolvedRule& part) { return is_shadowed(part, ports); })) {
      conditions.add(Conditions::Severity::warning, owner, "FailsafeShadows",
                     fmt::format("{} rule {} denies only ports that the failsafe list keeps open: it denies nothing", direction,
                                 parts.front().origin.rule));
    }
    i = end;
  }
}

}  // namespace nodewall::resolve
