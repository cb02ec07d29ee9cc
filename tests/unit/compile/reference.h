// A reference for the compiler's tests: the policy part judged by a plain scan, and makers of small policies.
#pragma once

#include <algorithm>
#include <random>
#include <string>

#include "compile/image_reader.h"
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

// One endpoint, whose ingress has one tier of these rules.
inline resolve::Resolved one_endpoint(std::vector<resolve::AddressSet> sets, std::vector<resolve::ResolvedRule> rules) {
  resolve::Resolved resolved;
  resolved.sets = std::move(sets);
  auto& endpoint = resolved.endpoints.emplace_back();
  endpoint.host_endpoint = "hep";
  endpoint.chains[NW_CHAIN_INGRESS].tiers.push_back({.name = "default", .rules = std::move(rules), .end = model::TierAction::Deny});
  return resolved;
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

// What one chain says.
struct ChainAnswer {
  std::uint32_t verdict = NW_DENY;  // NW_DENY, NW_ALLOW, NW_NEXT, NW_LOG
  std::uint32_t reason = NW_REASON_NONE;
  resolve::Origin origin;
  bool staged = false;
  bool operator==(const ChainAnswer&) const = default;
};

inline ChainAnswer ask(const TableImage& image, std::uint32_t slot, std::uint32_t variant, std::uint32_t chain,
                       const resolve::PacketQuery& packet) {
  const auto found = ImageReader(image.lines).ask(slot, variant, chain, packet);
  ChainAnswer answer{found.verdict, found.reason, {}, found.staged};
  if (found.rule < image.origins.size()) answer.origin = image.origins[found.rule];
  return answer;
}

inline const resolve::ResolvedRule* first_match(const resolve::Resolved& resolved, const SharedList<resolve::ResolvedRule>& rules,
                                                bool with_log, const resolve::PacketQuery& packet) {
  for (const auto& rule : rules)
    if ((with_log || rule.action != model::Action::Log) && matches(resolved, rule, packet)) return &rule;
  return nullptr;
}

inline ChainAnswer rule_answer(const resolve::ResolvedRule& rule, std::uint32_t reason) {
  const std::uint32_t verdict = rule.action == model::Action::Allow ? NW_ALLOW : NW_DENY;
  return {verdict, reason, rule.origin, rule.origin.staged};
}

// What the list of rules says that is enforced, or would be (`policy` a staged one).
inline ChainAnswer scan_list(const resolve::Resolved& resolved, const resolve::ChainPolicy& policy, std::uint32_t chain,
                             const resolve::PacketQuery& packet) {
  for (const auto& tier : policy.tiers) {
    const auto* rule = first_match(resolved, tier.rules, false, packet);
    if (rule == nullptr && tier.end == model::TierAction::Deny)
      return {NW_DENY, NW_REASON_TIER_DEFAULT, {tier.name, "", -1, tier.staged}, tier.staged};
    if (rule == nullptr || rule->action == model::Action::Pass) continue;
    return rule_answer(*rule, NW_REASON_POLICY);
  }
  switch (resolve::end_of(chain)) {
    case resolve::ChainEnd::open: return {NW_ALLOW, NW_REASON_FORWARDED, {}, false};
    case resolve::ChainEnd::next: return {NW_NEXT, NW_REASON_NONE, {}, false};
    case resolve::ChainEnd::profiles: break;
  }
  const auto* rule = first_match(resolved, policy.profile_rules, false, packet);
  return rule == nullptr ? ChainAnswer{NW_DENY, NW_REASON_NO_PROFILE, {}, false} : rule_answer(*rule, NW_REASON_PROFILE);
}

// Is the packet logged: does a Log rule match before what decides?
inline bool scan_log(const resolve::Resolved& resolved, const resolve::ChainPolicy& policy, const resolve::PacketQuery& packet) {
  for (const auto& tier : policy.tiers) {
    const auto* rule = first_match(resolved, tier.rules, true, packet);
    if (rule == nullptr && tier.end == model::TierAction::Deny) return false;
    if (rule == nullptr || rule->action == model::Action::Pass) continue;
    return rule->action == model::Action::Log;
  }
  const auto* rule = first_match(resolved, policy.profile_rules, true, packet);
  return rule != nullptr && rule->action == model::Action::Log;
}

// A variant of a chain of an endpoint; one that it does not have leaves it to the next stage.
inline ChainAnswer scan(const resolve::Resolved& resolved, std::size_t endpoint, std::uint32_t variant, std::uint32_t chain,
                        const resolve::PacketQuery& packet) {
  const auto& it = resolved.endpoints[endpoint];
  const ChainAnswer kNext = {NW_NEXT, NW_REASON_NONE, {}, false};
  if (variant == NW_VARIANT_STAGED) return it.staged[chain] ? scan_list(resolved, *it.staged[chain], chain, packet) : kNext;
  if (!it.has(chain)) return kNext;
  if (variant == NW_VARIANT_ENFORCED) return scan_list(resolved, it.chains[chain], chain, packet);
  return scan_log(resolved, it.chains[chain], packet) ? ChainAnswer{NW_LOG, NW_REASON_NONE, {}, false} : kNext;
}

inline resolve::Judgement scan(const resolve::Resolved& resolved, std::size_t endpoint, const resolve::PacketQuery& packet) {
  const auto answer = scan(resolved, endpoint, NW_VARIANT_ENFORCED, packet.direction, packet);
  return {answer.verdict == NW_ALLOW, answer.reason, answer.origin};
}

}  // namespace nodewall::compile::test
