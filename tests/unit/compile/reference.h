// A reference for the compiler's tests: the policy part judged by a plain scan, and makers of small policies.
#pragma once

#include <algorithm>
#include <random>
#include <string>

#include "compile/table_image.h"

namespace nodewall::compile::test {

inline Cidr cidr(const char* text) { return *parse_cidr(text, BareAddress::is_host); }
inline Address address(const char* text) { return *parse_address(text); }

inline resolve::ResolvedRule rule(model::Action action, std::string policy, std::int32_t index) {
  resolve::ResolvedRule made;
  made.action = action;
  made.protocols.set();
  made.origin = {.tier = "default", .policy = std::move(policy), .rule = index};
  return made;
}

inline resolve::PacketQuery packet(const char* source, const char* destination, std::uint8_t protocol, std::uint16_t port = 0,
                                   std::uint32_t direction = NW_INGRESS) {
  resolve::PacketQuery made;
  made.interface = "eth0";
  made.direction = direction;
  made.source = address(source);
  made.destination = address(destination);
  made.protocol = protocol;
  made.source_port = 40000;
  made.destination_port = port;
  return made;
}

inline bool in_set(const resolve::AddressSet& set, const Address& value) {
  return std::ranges::any_of(set.members, [&](const Cidr& net) { return net.contains(value); });
}

inline bool side_matches(const resolve::Resolved& resolved, const resolve::Side& side, const Address& value, bool has_ports,
                         std::uint16_t port) {
  for (const auto set : side.in)
    if (!in_set(resolved.sets[set], value)) return false;
  for (const auto set : side.not_in)
    if (in_set(resolved.sets[set], value)) return false;
  if (!side.ports) return true;
  return has_ports && std::ranges::any_of(*side.ports, [&](const auto& range) { return range.first <= port && port <= range.last; });
}

inline bool icmp_matches(const model::Icmp& icmp, const resolve::PacketQuery& packet) {
  if (packet.protocol != (packet.source.family == Family::v4 ? 1 : 58)) return false;
  return (!icmp.type || *icmp.type == packet.icmp_type) && (!icmp.code || *icmp.code == packet.icmp_code);
}

inline bool matches(const resolve::Resolved& resolved, const resolve::ResolvedRule& rule, const resolve::PacketQuery& packet) {
  const bool has_ports = packet.protocol == 6 || packet.protocol == 17 || packet.protocol == 132 || packet.protocol == 136;
  if (packet.source.family == Family::v4 ? !rule.v4 : !rule.v6) return false;
  if (!rule.protocols[packet.protocol]) return false;
  if (rule.icmp && !icmp_matches(*rule.icmp, packet)) return false;
  if (rule.not_icmp && icmp_matches(*rule.not_icmp, packet)) return false;
  return side_matches(resolved, rule.source, packet.source, has_ports, packet.source_port) &&
         side_matches(resolved, rule.destination, packet.destination, has_ports, packet.destination_port);
}

inline resolve::Judgement scan(const resolve::Resolved& resolved, std::size_t endpoint, const resolve::PacketQuery& packet) {
  const auto& it = resolved.endpoints[endpoint];
  const auto& policy = packet.direction == NW_INGRESS ? it.ingress : it.egress;
  for (const auto& tier : policy.tiers) {
    const auto found = std::ranges::find_if(tier.rules, [&](const auto& rule) { return matches(resolved, rule, packet); });
    if (found == tier.rules.end()) {
      if (tier.end == model::TierAction::Pass) continue;
      return {false, NW_REASON_TIER_DEFAULT, {.tier = tier.name, .policy = "", .rule = -1}};
    }
    if (found->action == model::Action::Pass) continue;
    return {found->action == model::Action::Allow, NW_REASON_POLICY, found->origin};
  }
  for (const auto& rule : policy.profile_rules)
    if (matches(resolved, rule, packet)) return {rule.action == model::Action::Allow, NW_REASON_PROFILE, rule.origin};
  return {false, NW_REASON_NO_PROFILE, {}};
}

}  // namespace nodewall::compile::test
