// Written from docs/semantics.md; the numbers in comments are its statements.
#include "oracle/oracle.h"

#include <algorithm>

namespace nodewall::oracle {
namespace {

using resolve::AddressSet;
using resolve::Judgement;
using resolve::PacketQuery;
using resolve::Resolved;
using resolve::ResolvedRule;
using resolve::Side;

constexpr std::uint8_t kTcp = 6, kUdp = 17, kSctp = 132, kUdpLite = 136;
constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32;

Judgement allow(std::uint32_t reason) { return {true, reason, {}}; }
Judgement deny(std::uint32_t reason) { return {false, reason, {}}; }

bool is_v4(const PacketQuery& packet) { return packet.source.family == Family::v4; }
bool is_icmp(const PacketQuery& packet) { return packet.protocol == (is_v4(packet) ? 1 : 58); }
bool has_ports(const PacketQuery& packet) {
  return packet.protocol == kTcp || packet.protocol == kUdp || packet.protocol == kSctp || packet.protocol == kUdpLite;
}

// --- What the host says about addresses ---

const resolve::EndpointPolicy* endpoint_of(const Resolved& resolved, const std::string& interface) {
  for (const auto& assignment : resolved.assignments)
    if (assignment.interface == interface) return &resolved.endpoints[assignment.endpoint];
  return nullptr;
}

bool is_multicast(const Address& address) {
  return address.family == Family::v4 ? address.bytes[12] >> 4 == 14 : address.bytes[0] == 0xff;
}

bool is_loopback_v4(const Address& address) { return address.family == Family::v4 && address.bytes[12] == 127; }
bool is_loopback_v6(const Address& address) {
  return address.family == Family::v6 && address.high() == 0 && address.low() == 1;
}

// The host's own address, or one that speaks to every host.
bool is_local(const Resolved& resolved, const Address& address) {
  if (is_multicast(address) || address == Address::v4(0xffffffff) || is_loopback_v4(address)) return true;
  return std::ranges::binary_search(resolved.local_addresses, address) ||
         std::ranges::binary_search(resolved.broadcast_addresses, address);
}

// --- Header checks: statements 33 and 35 ---

bool is_v4_mapped(const Address& address) {
  return address.family == Family::v6 && address.high() == 0 && address.low() >> 32 == 0xffff;
}

// An address that cannot come from another host over this wire.
bool is_martian(const PacketQuery& packet) {
  const auto& source = packet.source;
  const auto& destination = packet.destination;
  if (is_v4(packet)) {
    const auto from = source.v4_host_order(), to = destination.v4_host_order();
    const bool zero_net = from >> 24 == 0 && from != 0;  // 0.0.0.0 asks for an address
    return is_loopback_v4(source) || zero_net || is_multicast(source) || from == 0xffffffff || is_loopback_v4(destination) ||
           to >> 24 == 0;
  }
  const bool to_nobody = destination.high() == 0 && destination.low() == 0;
  return is_multicast(source) || is_loopback_v6(source) || is_loopback_v6(destination) || to_nobody;
}

bool is_possible(std::uint8_t flags) {
  if ((flags & (kFin | kSyn | kRst | kAck | kPsh | kUrg)) == 0) return false;
  if ((flags & kSyn) && (flags & (kFin | kRst))) return false;
  return (flags & (kFin | kPsh | kUrg | kAck)) != (kFin | kPsh | kUrg);
}

// A query has no header behind the IP header but the protocol's own, so one that names an extension header is a broken chain.
std::uint32_t broken_extension(const PacketQuery& packet) {
  if (is_v4(packet)) return NW_REASON_NONE;
  switch (packet.protocol) {
    case 43: return NW_REASON_SOURCE_ROUTE;  // routing header, type 0
    case 0:
    case 44:
    case 51:
    case 60:
    case 135: return NW_REASON_V6_EXT_LIMIT;
    default: return NW_REASON_NONE;
  }
}

// Neighbour and router discovery, and MLD. A query's hop limit is right; its code may not be.
std::uint32_t neighbour(const PacketQuery& packet) {
  if (is_v4(packet) || !is_icmp(packet)) return NW_REASON_NONE;
  const auto type = packet.icmp_type;
  if (type >= 133 && type <= 136) return packet.icmp_code == 0 ? NW_REASON_NEIGHBOUR : NW_REASON_NEIGHBOUR_MALFORMED;
  const bool mld = type == 130 || type == 131 || type == 132 || type == 143;
  return mld ? NW_REASON_NEIGHBOUR : NW_REASON_NONE;
}

bool is_icmp_error(const PacketQuery& packet) {
  if (!is_icmp(packet)) return false;
  const auto type = packet.icmp_type;
  if (is_v4(packet)) return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
  return type >= 1 && type <= 4;
}

// --- Failsafe ports: statements 25 and 26 ---

bool is_failsafe(const Resolved& resolved, const PacketQuery& packet) {
  const bool ingress = packet.direction == NW_INGRESS;
  const auto& ports = ingress ? resolved.settings.failsafe_inbound : resolved.settings.failsafe_outbound;
  const auto& peer = ingress ? packet.source : packet.destination;
  return std::ranges::any_of(ports, [&](const model::FailsafePort& open) {
    return open.protocol.number == packet.protocol && open.port == packet.destination_port && (!open.net || open.net->contains(peer));
  });
}

// --- Rules: statements 18 to 22 ---

bool matches(const AddressSet& set, const Address& address) {
  return std::ranges::any_of(set.members, [&](const Cidr& member) { return member.contains(address); });
}

bool matches(const model::Icmp& icmp, const PacketQuery& packet) {
  return is_icmp(packet) && (!icmp.type || *icmp.type == packet.icmp_type) && (!icmp.code || *icmp.code == packet.icmp_code);
}

bool matches(const Resolved& resolved, const Side& side, const Address& address, const PacketQuery& packet, std::uint16_t port) {
  const auto in_set = [&](resolve::SetIndex set) { return matches(resolved.sets[set], address); };
  if (!std::ranges::all_of(side.in, in_set) || std::ranges::any_of(side.not_in, in_set)) return false;
  if (!side.ports) return true;
  return has_ports(packet) && std::ranges::any_of(*side.ports, [&](const model::PortRange& range) {
           return range.first <= port && port <= range.last;
         });
}

bool matches(const Resolved& resolved, const ResolvedRule& rule, const PacketQuery& packet) {
  if (!(is_v4(packet) ? rule.v4 : rule.v6) || !rule.protocols.test(packet.protocol)) return false;
  if (rule.icmp && !matches(*rule.icmp, packet)) return false;
  if (rule.not_icmp && matches(*rule.not_icmp, packet)) return false;
  return matches(resolved, rule.source, packet.source, packet, packet.source_port) &&
         matches(resolved, rule.destination, packet.destination, packet, packet.destination_port);
}

const ResolvedRule* first_match(const Resolved& resolved, const std::vector<ResolvedRule>& rules, const PacketQuery& packet) {
  for (const auto& rule : rules)
    if (rule.action != model::Action::Log && matches(resolved, rule, packet)) return &rule;
  return nullptr;
}

}  // namespace

// --- Tiers and profiles: statements 11 to 16 ---

Judgement judge_policy(const Resolved& resolved, const resolve::ChainPolicy& policy, const PacketQuery& packet) {
  for (const auto& tier : policy.tiers) {
    const auto* rule = first_match(resolved, tier.rules, packet);
    if (rule == nullptr && tier.end == model::TierAction::Deny) return {false, NW_REASON_TIER_DEFAULT, {tier.name, "", -1}};
    if (rule == nullptr || rule->action == model::Action::Pass) continue;
    return {rule->action == model::Action::Allow, NW_REASON_POLICY, rule->origin};
  }
  const auto* rule = first_match(resolved, policy.profile_rules, packet);
  if (rule == nullptr) return deny(NW_REASON_NO_PROFILE);
  return {rule->action == model::Action::Allow, NW_REASON_PROFILE, rule->origin};
}

std::optional<Judgement> judge_before_policy(const Resolved& resolved, const PacketQuery& packet) {
  const bool ingress = packet.direction == NW_INGRESS;
  if (endpoint_of(resolved, packet.interface) == nullptr) return allow(NW_REASON_NO_ENDPOINT);
  if (is_v4_mapped(packet.source) || is_v4_mapped(packet.destination)) return deny(NW_REASON_V4_MAPPED);
  if (ingress && packet.interface != "lo" && is_martian(packet)) return deny(NW_REASON_MARTIAN);

  const bool forwarded = ingress ? !is_local(resolved, packet.destination) : packet.forwarded;
  if (forwarded) return allow(NW_REASON_FORWARDED);

  if (const auto reason = broken_extension(packet)) return deny(reason);
  if (packet.protocol == kTcp && !is_possible(packet.tcp_flags)) return deny(NW_REASON_TCP_FLAGS);
  if (const auto reason = neighbour(packet)) return {{reason == NW_REASON_NEIGHBOUR, reason, {}}};
  // Of the first packet of a flow nothing is known yet, so the error is about none (29); the host may report on what it forwards.
  if (is_icmp_error(packet)) {
    const bool about_forwarded = !ingress && !is_local(resolved, packet.source);
    return about_forwarded ? allow(NW_REASON_FORWARDED) : deny(NW_REASON_ICMP_UNRELATED);
  }
  if (is_failsafe(resolved, packet)) return allow(NW_REASON_FAILSAFE);
  return std::nullopt;
}

Judgement judge(const Resolved& resolved, const PacketQuery& packet) {
  if (const auto early = judge_before_policy(resolved, packet)) return *early;
  const auto* endpoint = endpoint_of(resolved, packet.interface);
  return judge_policy(resolved, endpoint->chains[packet.direction], packet);
}

}  // namespace nodewall::oracle
