// Random policies and packets, for tests that compare two answers. NODEWALL_SEED repeats a run.
#pragma once

#include <cstdlib>
#include <iostream>

#include "reference.h"

namespace nodewall::compile::test {

using Random = std::mt19937_64;

inline std::uint64_t seed() {
  const char* given = std::getenv("NODEWALL_SEED");
  const auto value = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "NODEWALL_SEED=" << value << "\n";
  return value;
}

inline std::size_t below(Random& random, std::size_t end) { return random() % end; }
inline bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }

inline Address random_v6(Random& random) {
  Address made;
  made.bytes = {0x20, 0x01, 0x0d, 0xb8};
  made.bytes[7] = static_cast<std::uint8_t>(below(random, 4));
  made.bytes[8] = static_cast<std::uint8_t>(below(random, 2) * 255);
  made.bytes[15] = static_cast<std::uint8_t>(below(random, 256));
  return made;
}

inline Cidr random_net(Random& random) {
  Cidr net;
  if (chance(random, 65)) {
    const auto host = (below(random, 4) << 16) + (below(random, 8) << 8) + below(random, 256);
    net.address = Address::v4(static_cast<std::uint32_t>(0x0a000000 + host));
    const std::uint8_t prefixes[] = {0, 1, 7, 8, 14, 16, 17, 22, 24, 25, 30, 31, 32, 32};
    net.prefix = prefixes[below(random, std::size(prefixes))];
  } else {
    net.address = random_v6(random);
    const std::uint8_t prefixes[] = {0, 1, 32, 48, 62, 63, 64, 65, 72, 120, 127, 128, 128};
    net.prefix = prefixes[below(random, std::size(prefixes))];
  }
  return net.masked();
}

inline resolve::AddressSet random_set(Random& random) {
  std::vector<Cidr> members;
  const auto size = below(random, 5);
  for (std::size_t i = 0; i < size; ++i) members.push_back(random_net(random));
  std::ranges::sort(members);
  const auto doubles = std::ranges::unique(members);
  members.erase(doubles.begin(), doubles.end());
  return {std::move(members)};
}

inline std::vector<model::PortRange> random_ports(Random& random) {
  std::vector<model::PortRange> ports;
  std::uint32_t next = chance(random, 10) ? 0 : 1;
  for (auto i = below(random, 3); i < 3; ++i) {
    const auto first = static_cast<std::uint32_t>(next + below(random, 4));
    const auto last = chance(random, 10) ? 65535 : static_cast<std::uint32_t>(first + below(random, 3));
    if (last > 65535) break;
    ports.push_back({static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)});
    if (last == 65535) break;
    next = last + 1;
  }
  return ports;
}

inline resolve::Side random_side(Random& random, std::size_t sets, unsigned percent) {
  resolve::Side side;
  while (chance(random, percent) && side.in.size() < 3) side.in.push_back(static_cast<resolve::SetIndex>(below(random, sets)));
  while (chance(random, percent / 3) && side.not_in.size() < 3)
    side.not_in.push_back(static_cast<resolve::SetIndex>(below(random, sets)));
  return side;
}

inline model::Icmp random_icmp(Random& random) {
  model::Icmp icmp;
  if (chance(random, 80)) icmp.type = static_cast<std::uint8_t>(below(random, 3));
  if (icmp.type && chance(random, 50)) icmp.code = static_cast<std::uint8_t>(below(random, 3));
  return icmp;
}

// What resolve() makes: ICMP criteria come with ICMP of one family.
inline void random_protocols(Random& random, resolve::ResolvedRule& rule) {
  const auto kind = below(random, 8);
  if (kind < 2) {
    rule.protocols.set();
  } else if (kind < 4) {
    rule.protocols.set(chance(random, 50) ? 6 : 17);
  } else if (kind == 4) {
    rule.protocols.set();
    rule.protocols.reset(6);
  } else if (kind == 5) {
    rule.protocols.set(6).set(17).set(132).set(50);
  } else {
    rule.v4 = kind == 6;
    rule.v6 = kind == 7;
    rule.protocols.set(rule.v4 ? 1 : 58);
    if (chance(random, 70)) rule.icmp = random_icmp(random);
    if (chance(random, 40)) rule.not_icmp = random_icmp(random);
  }
}

// How often, in percent.
struct Actions {
  unsigned pass = 0, log = 0, staged = 0;
};

inline resolve::ResolvedRule random_rule(Random& random, std::size_t sets, const Actions& actions) {
  resolve::ResolvedRule rule;
  rule.action = chance(random, actions.pass)  ? model::Action::Pass
                : chance(random, actions.log) ? model::Action::Log
                : chance(random, 50)          ? model::Action::Allow
                                              : model::Action::Deny;
  random_protocols(random, rule);
  if (rule.v4 && rule.v6 && chance(random, 20)) (chance(random, 50) ? rule.v4 : rule.v6) = false;
  const auto where = below(random, 4);
  rule.source = random_side(random, sets, where & 1 ? 60 : 0);
  rule.destination = random_side(random, sets, where & 2 ? 60 : 0);
  if (chance(random, 40)) rule.destination.ports = random_ports(random);
  if (chance(random, 15)) rule.source.ports = random_ports(random);
  return rule;
}

inline void random_rules(Random& random, std::size_t sets, const std::string& tier, const Actions& actions,
                  SharedList<resolve::ResolvedRule>& rules) {
  std::int32_t index = 0, policy = 0;
  for (auto i = below(random, 9); i > 0; --i) {
    rules.push_back(random_rule(random, sets, actions));
    rules.back().origin = {tier, "policy" + std::to_string(policy), index++, chance(random, actions.staged)};
    if (chance(random, 10) && rules.size() > 1 && rules[rules.size() - 2].origin.tier == tier) {  // a rule split by named ports
      rules.back().origin = rules[rules.size() - 2].origin;
      rules.back().action = rules[rules.size() - 2].action;
    }
    if (chance(random, 20)) {
      ++policy;
      index = 0;
    }
  }
}

inline resolve::ChainPolicy random_chain(Random& random, std::size_t sets, std::uint32_t chain, unsigned staged = 0) {
  resolve::ChainPolicy policy;
  const Actions actions{.pass = chance(random, 50) ? 25U : 0, .log = chance(random, 40) ? 30U : 0, .staged = staged};
  const auto tiers = below(random, 4);
  for (std::size_t i = 0; i < tiers; ++i) {
    auto& tier = policy.tiers.emplace_back();
    tier.name = "tier" + std::to_string(i);
    tier.end = resolve::end_of(chain) == resolve::ChainEnd::next || chance(random, 50) ? model::TierAction::Pass : model::TierAction::Deny;
    tier.staged = chance(random, staged);
    random_rules(random, sets, tier.name, actions, tier.rules);
  }
  if (resolve::end_of(chain) == resolve::ChainEnd::profiles && chance(random, 70))
    random_rules(random, sets, "", {.pass = actions.pass, .log = actions.log}, policy.profile_rules);
  return policy;
}

// The chain with rules of staged policies between its own, in place of some, or one of its own.
inline resolve::ChainPolicy random_staged(Random& random, std::size_t sets, std::uint32_t chain, const resolve::ChainPolicy& enforced) {
  if (enforced.tiers.empty() || chance(random, 30)) return random_chain(random, sets, chain, 50);
  auto staged = enforced;
  for (auto& tier : staged.tiers) {
    SharedList<resolve::ResolvedRule> more;
    random_rules(random, sets, tier.name, {.pass = 20, .log = 10, .staged = 100}, more);
    const auto at = static_cast<std::ptrdiff_t>(below(random, tier.rules.size() + 1));
    tier.rules.insert(tier.rules.begin() + at, more.begin(), more.end());
  }
  if (chance(random, 30)) std::ranges::reverse(staged.tiers);
  return staged;
}

inline resolve::Resolved random_policy(Random& random) {
  resolve::Resolved resolved;
  const auto sets = 1 + below(random, 12);
  for (std::size_t i = 0; i < sets; ++i) resolved.sets.push_back(random_set(random));
  for (std::size_t i = 0, count = 1 + below(random, 3); i < count; ++i) {
    auto& endpoint = resolved.endpoints.emplace_back();
    endpoint.host_endpoint = "hep" + std::to_string(i);
    for (std::uint32_t chain = 0; chain <= NW_CHAIN_PRE_DNAT; ++chain) {
      if (chain <= NW_CHAIN_EGRESS || chance(random, 30)) endpoint.chains[chain] = random_chain(random, sets, chain);
      if (chance(random, 20)) endpoint.staged[chain] = random_staged(random, sets, chain, endpoint.chains[chain]);
    }
    if (chance(random, 20)) {  // policies with applyOnForward: the same rules for both
      endpoint.chains[NW_CHAIN_FORWARD_INGRESS] = endpoint.chains[NW_CHAIN_INGRESS];
      endpoint.chains[NW_CHAIN_FORWARD_INGRESS].profile_rules.clear();
    }
    if (i > 0 && chance(random, 40)) {  // the same rules in another order, as profiles can be
      endpoint.chains[NW_CHAIN_INGRESS] = resolved.endpoints[0].chains[NW_CHAIN_INGRESS];
      std::ranges::reverse(endpoint.chains[NW_CHAIN_INGRESS].profile_rules);
    }
  }
  return resolved;
}

// An end of a network of the policy, or a neighbour of it.
inline Address near_boundary(Random& random, const resolve::Resolved& resolved, bool v4) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto& set = resolved.sets[below(random, resolved.sets.size())];
    if (set.members.empty()) continue;
    const auto& net = set.members[below(random, set.members.size())];
    if ((net.address.family == Family::v4) != v4) continue;
    auto bytes = net.address.bytes;
    const unsigned bits = net.prefix + (v4 ? 96U : 0U);
    if (chance(random, 50))
      for (unsigned bit = bits; bit < 128; ++bit) bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
    const int step = static_cast<int>(below(random, 3)) - 1;
    for (int i = 15; i >= (v4 ? 12 : 0) && step != 0; --i) {
      bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(i)] + step);
      if (bytes[static_cast<std::size_t>(i)] != (step > 0 ? 0 : 255)) break;
    }
    return {.bytes = bytes, .family = net.address.family};
  }
  return v4 ? Address::v4(static_cast<std::uint32_t>(random())) : random_v6(random);
}

inline resolve::PacketQuery random_packet(Random& random, const resolve::Resolved& resolved) {
  resolve::PacketQuery packet;
  const bool v4 = chance(random, 60);
  const std::uint8_t protocols[] = {6, 6, 17, 132, 136, 1, 58, 50, 0, 255};
  packet.direction = static_cast<std::uint32_t>(below(random, 2));
  packet.source = near_boundary(random, resolved, v4);
  packet.destination = near_boundary(random, resolved, v4);
  packet.protocol = protocols[below(random, std::size(protocols))];
  if (packet.protocol == 1 && !v4) packet.protocol = 58;
  if (packet.protocol == 58 && v4) packet.protocol = 1;
  packet.source_port = chance(random, 10) ? 65535 : static_cast<std::uint16_t>(below(random, 14));
  packet.destination_port = chance(random, 10) ? 65535 : static_cast<std::uint16_t>(below(random, 14));
  packet.icmp_type = static_cast<std::uint8_t>(below(random, 4));
  packet.icmp_code = static_cast<std::uint8_t>(below(random, 4));
  return packet;
}

}  // namespace nodewall::compile::test
