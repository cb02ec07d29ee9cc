// Written from docs/semantics.md; the numbers in comments are its statements.
#include "oracle/oracle.h"

#include <algorithm>
#include <optional>

namespace nodewall::oracle {
namespace {

using resolve::AddressSet;
using resolve::ChainPolicy;
using resolve::EndpointPolicy;
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

bool is_multicast(const Address& address) {
  return address.family == Family::v4 ? address.bytes[12] >> 4 == 14 : address.bytes[0] == 0xff;
}

bool is_loopback_v4(const Address& address) { return address.family == Family::v4 && address.bytes[12] == 127; }
bool is_loopback_v6(const Address& address) {
  return address.family == Family::v6 && address.high() == 0 && address.low() == 1;
}

bool is_broadcast(const Resolved& resolved, const Address& address) {
  return address == Address::v4(0xffffffff) || std::ranges::binary_search(resolved.broadcast_addresses, address);
}

// All of 127.0.0.0/8, but for a broadcast address in it.
bool is_own(const Resolved& resolved, const Address& address) {
  return std::ranges::binary_search(resolved.local_addresses, address) || (is_loopback_v4(address) && !is_broadcast(resolved, address));
}

// The host's own address, or one that speaks to every host.
bool is_local(const Resolved& resolved, const Address& address) {
  return is_own(resolved, address) || is_multicast(address) || is_broadcast(resolved, address);
}

// What comes to this address and port a service sends elsewhere: statement 44.
bool is_service(const Resolved& resolved, const PacketQuery& packet) {
  const auto& settings = resolved.settings;
  const auto has_port = [&](const model::PortRange& range) {
    return range.first <= packet.destination_port && packet.destination_port <= range.last;
  };
  const bool may_be_port = packet.protocol == kTcp || packet.protocol == kUdp || packet.protocol == kSctp;
  return (may_be_port && std::ranges::any_of(settings.service_ports, has_port)) ||
         (std::ranges::binary_search(resolved.local_addresses, packet.destination) &&
          std::ranges::any_of(settings.service_addresses, [&](const Cidr& net) { return net.contains(packet.destination); }));
}

// The packet as the host sees it.
struct Sight {
  bool ingress = true;
  bool near_end = true;   // it comes to an address of the host, or a local process sends it
  bool forwarded = false;  // judged as traffic that the host forwards
};

Sight sight_of(const Resolved& resolved, const PacketQuery& packet) {
  if (packet.direction == NW_EGRESS) return {false, !packet.forwarded, packet.forwarded};
  const bool near_end = is_local(resolved, packet.destination);
  const bool service = is_own(resolved, packet.destination) && is_service(resolved, packet);
  return {true, near_end, !near_end || service};
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

// `port` is the packet's destination port; in reverse, where the list of the other direction is asked, its source port.
bool is_failsafe(const std::vector<model::FailsafePort>& list, const PacketQuery& packet, std::uint16_t port, const Address& peer) {
  return std::ranges::any_of(list, [&](const model::FailsafePort& open) {
    return open.protocol.number == packet.protocol && open.port == port && (!open.net || open.net->contains(peer));
  });
}

struct Failsafe {
  bool direct = false;
  bool reverse = false;  // maybe the answer to a failsafe connection: statement 47
};

Failsafe failsafe_of(const resolve::Settings& settings, const PacketQuery& packet, const Sight& sight) {
  if (!sight.near_end) return {};
  const auto& direct = sight.ingress ? settings.failsafe_inbound : settings.failsafe_outbound;
  const auto& reverse = sight.ingress ? settings.failsafe_outbound : settings.failsafe_inbound;
  const auto& peer = sight.ingress ? packet.source : packet.destination;
  return {is_failsafe(direct, packet, packet.destination_port, peer), is_failsafe(reverse, packet, packet.source_port, peer)};
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

// `logs`: Log rules too.
const ResolvedRule* first_match(const Resolved& resolved, const SharedList<ResolvedRule>& rules, const PacketQuery& packet, bool logs) {
  for (const auto& rule : rules)
    if ((logs || rule.action != model::Action::Log) && matches(resolved, rule, packet)) return &rule;
  return nullptr;
}

}  // namespace

// --- A chain, its tiers and profiles: statements 11 to 16, 41, 45, 46 ---

ChainVerdict judge_chain(const Resolved& resolved, const ChainPolicy& policy, std::uint32_t variant, std::uint32_t chain,
                         const PacketQuery& packet) {
  const bool logs = variant == NW_VARIANT_LOG;  // a Log rule decides like any other: it says that the packet is logged (13)
  const auto verdict_of = [](const ResolvedRule& rule, std::uint32_t reason) -> ChainVerdict {
    if (rule.action == model::Action::Log) return {NW_LOG, NW_REASON_NONE, {}};
    return {rule.action == model::Action::Allow ? std::uint32_t{NW_ALLOW} : std::uint32_t{NW_DENY}, reason, rule.origin};
  };
  for (const auto& tier : policy.tiers) {
    const auto* rule = first_match(resolved, tier.rules, packet, logs);
    if (rule == nullptr && tier.end == model::TierAction::Deny) return {NW_DENY, NW_REASON_TIER_DEFAULT, origin_of_end(tier)};
    if (rule != nullptr && rule->action != model::Action::Pass) return verdict_of(*rule, NW_REASON_POLICY);
  }
  if (resolve::end_of(chain) == resolve::ChainEnd::next) return {};
  if (resolve::end_of(chain) == resolve::ChainEnd::open) return {NW_ALLOW, NW_REASON_FORWARDED, {}};
  const auto* rule = first_match(resolved, policy.profile_rules, packet, logs);
  return rule == nullptr ? ChainVerdict{NW_DENY, NW_REASON_NO_PROFILE, {}} : verdict_of(*rule, NW_REASON_PROFILE);
}

namespace {

// --- The way of a packet ---

const resolve::Assignment* assignment_of(const Resolved& resolved, const std::string& interface) {
  const auto found = std::ranges::find(resolved.assignments, interface, &resolve::Assignment::interface);
  return found == resolved.assignments.end() ? nullptr : &*found;
}

// Whether the endpoint has anything to say about forwarded packets, `on_trial`: were it only a staged policy (statement 42).
bool looks_at_forwarded(const EndpointPolicy& endpoint, const Sight& sight, bool on_trial) {
  const auto any = [&](std::initializer_list<std::uint32_t> chains) {
    return std::ranges::any_of(chains, [&](std::uint32_t chain) { return on_trial ? endpoint.has_or_stages(chain) : endpoint.has(chain); });
  };
  if (any({NW_CHAIN_FORWARD_INGRESS, NW_CHAIN_FORWARD_EGRESS, NW_CHAIN_PRE_DNAT})) return true;
  return sight.ingress && any({NW_CHAIN_UNTRACKED_INGRESS, NW_CHAIN_UNTRACKED_EGRESS});
}

// Of the first packet of a flow nothing is known yet, so the error is about none (29); the host may report on what it forwards.
ChainVerdict judge_icmp_error(const Resolved& resolved, const EndpointPolicy& endpoint, const PacketQuery& packet, const Sight& sight) {
  const bool policed = sight.ingress ? endpoint.has(NW_CHAIN_FORWARD_INGRESS) || endpoint.has(NW_CHAIN_PRE_DNAT)
                                     : endpoint.has(NW_CHAIN_FORWARD_EGRESS);
  const bool about_forwarded = !sight.ingress && !is_local(resolved, packet.source);
  const bool open = sight.forwarded ? !policed : about_forwarded;
  return open ? ChainVerdict{NW_ALLOW, NW_REASON_FORWARDED, {}} : ChainVerdict{NW_DENY, NW_REASON_ICMP_UNRELATED, {}};
}

std::optional<Judgement> judge_headers(const EndpointPolicy& endpoint, const PacketQuery& packet, const Sight& sight) {
  if (is_v4_mapped(packet.source) || is_v4_mapped(packet.destination)) return deny(NW_REASON_V4_MAPPED);
  if (sight.ingress && packet.interface != "lo" && is_martian(packet)) return deny(NW_REASON_MARTIAN);
  // Whether an address of the host is a service's is known from the ports, so that is not asked before these were looked at.
  const bool through = sight.forwarded && !(sight.ingress && sight.near_end);
  if (through && !looks_at_forwarded(endpoint, sight, true)) return allow(NW_REASON_FORWARDED);
  auto reason = broken_extension(packet);
  if (!reason && packet.protocol == kTcp && !is_possible(packet.tcp_flags)) reason = NW_REASON_TCP_FLAGS;
  if (!reason) reason = neighbour(packet);
  if (reason == NW_REASON_NEIGHBOUR) return allow(reason);
  if (reason && through && !looks_at_forwarded(endpoint, sight, false)) return allow(NW_REASON_FORWARDED);
  return reason ? std::optional(deny(reason)) : std::nullopt;
}

// What policy would let pass, with the host's own address or a broadcast address of its networks as the source: statement 52.
bool is_spoofed(const Resolved& resolved, const PacketQuery& packet, const Sight& sight) {
  return sight.ingress && packet.interface != "lo" &&
         (std::ranges::binary_search(resolved.local_addresses, packet.source) ||
          std::ranges::binary_search(resolved.broadcast_addresses, packet.source));
}

// The stages that ask policy (43). `ask` answers for one chain, NW_NEXT where there is none. `icmp_error`: what becomes of one that the
// untracked stage says nothing about.
ChainVerdict judge_stages(const Sight& sight, const Failsafe& failsafe, const std::optional<ChainVerdict>& icmp_error,
                          const std::function<ChainVerdict(std::uint32_t chain)>& ask) {
  if (!failsafe.direct && !failsafe.reverse && (sight.ingress || !sight.forwarded)) {
    const auto untracked = ask(sight.ingress ? NW_CHAIN_UNTRACKED_INGRESS : NW_CHAIN_UNTRACKED_EGRESS);
    if (untracked.verdict != NW_NEXT) return untracked;
  }
  if (icmp_error) return *icmp_error;
  if (failsafe.direct) return {NW_ALLOW, NW_REASON_FAILSAFE, {}};
  if (sight.ingress) {
    const auto before_nat = ask(NW_CHAIN_PRE_DNAT);
    if (before_nat.verdict != NW_NEXT) return before_nat;
  }
  if (!sight.forwarded) return ask(sight.ingress ? NW_CHAIN_INGRESS : NW_CHAIN_EGRESS);
  const auto forward = ask(sight.ingress ? NW_CHAIN_FORWARD_INGRESS : NW_CHAIN_FORWARD_EGRESS);
  return forward.verdict == NW_NEXT ? ChainVerdict{NW_ALLOW, NW_REASON_FORWARDED, {}} : forward;
}

}  // namespace

Judgement judge(const Resolved& resolved, const PacketQuery& packet, const ChainJudge& ask) {
  const auto* assignment = assignment_of(resolved, packet.interface);
  if (assignment == nullptr) return allow(NW_REASON_NO_ENDPOINT);
  const auto index = assignment->endpoint;
  const auto& endpoint = resolved.endpoints[index];
  const auto sight = sight_of(resolved, packet);
  if (const auto early = judge_headers(endpoint, packet, sight)) return *early;
  const auto failsafe = failsafe_of(resolved.settings, packet, sight);
  std::optional<ChainVerdict> icmp_error;
  if (is_icmp_error(packet)) icmp_error = judge_icmp_error(resolved, endpoint, packet, sight);

  bool logged = false;
  const auto enforced = judge_stages(sight, failsafe, icmp_error, [&](std::uint32_t chain) -> ChainVerdict {
    if (!endpoint.has(chain)) return {};
    logged = logged || ask(index, NW_VARIANT_LOG, chain, packet).verdict == NW_LOG;
    return ask(index, NW_VARIANT_ENFORCED, chain, packet);
  });
  Judgement judgement{enforced.verdict == NW_ALLOW, enforced.reason, enforced.origin, logged, {}};

  bool any_staged = false;  // the same way with the staged policies: statement 50
  const auto staged = judge_stages(sight, failsafe, icmp_error, [&](std::uint32_t chain) -> ChainVerdict {
    any_staged = any_staged || endpoint.staged[chain];
    if (endpoint.staged[chain]) return ask(index, NW_VARIANT_STAGED, chain, packet);
    return endpoint.has(chain) ? ask(index, NW_VARIANT_ENFORCED, chain, packet) : ChainVerdict{};
  });
  if (any_staged && staged != icmp_error) judgement.staged = {staged.verdict == NW_ALLOW, staged.origin.staged ? staged.origin : resolve::Origin{}};
  if (judgement.allow && judgement.reason != NW_REASON_FORWARDED && is_spoofed(resolved, packet, sight)) {
    judgement.allow = false;
    judgement.reason = NW_REASON_MARTIAN;
    judgement.origin = {};
    if (judgement.staged) judgement.staged->allow = false;
  }
  return judgement;
}

Judgement judge(const Resolved& resolved, const PacketQuery& packet) {
  return judge(resolved, packet, [&](std::uint32_t index, std::uint32_t variant, std::uint32_t chain, const PacketQuery& it) {
    const auto& endpoint = resolved.endpoints[index];
    const auto& policy = variant == NW_VARIANT_STAGED ? *endpoint.staged[chain] : endpoint.chains[chain];
    return judge_chain(resolved, policy, variant, chain, it);
  });
}

std::vector<resolve::Origin> log_rules(const Resolved& resolved, const resolve::ChainPolicy& policy, const PacketQuery& packet) {
  std::vector<resolve::Origin> logs;
  const auto decider = [&](const SharedList<ResolvedRule>& rules) -> const ResolvedRule* {
    for (const auto& rule : rules) {
      if (!matches(resolved, rule, packet)) continue;
      if (rule.action != model::Action::Log) return &rule;
      if (logs.empty() || logs.back() != rule.origin) logs.push_back(rule.origin);  // named ports make several of one
    }
    return nullptr;
  };
  for (const auto& tier : policy.tiers) {
    const auto* rule = decider(tier.rules);
    if (rule == nullptr ? tier.end == model::TierAction::Deny : rule->action != model::Action::Pass) return logs;
  }
  decider(policy.profile_rules);
  return logs;
}

}  // namespace nodewall::oracle
