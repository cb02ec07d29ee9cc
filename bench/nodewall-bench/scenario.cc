#include "scenario.h"

#include <algorithm>
#include <random>

namespace nodewall::bench {
namespace {

constexpr std::uint32_t kHost = 0x0a000001;  // 10.0.0.1
constexpr std::uint8_t kTcp = 6;

resolve::ResolvedRule allow_tcp(resolve::SetIndex sources, std::uint16_t port, std::int32_t index) {
  resolve::ResolvedRule rule;
  rule.action = model::Action::Allow;
  rule.v6 = false;
  rule.protocols.set(kTcp);
  rule.source.in = {sources};
  rule.destination.ports = {{model::PortRange{port, port}}};
  rule.origin = {.tier = "default", .policy = "bench", .rule = index};
  return rule;
}

// Distinct networks spread over 16.0.0.0/4 .. 223/8, in a fixed pseudo-random order.
Cidr network(std::uint64_t index, std::uint8_t prefix) {
  const auto mixed = static_cast<std::uint32_t>(index * 2654435761U) >> (32 - 24);
  const std::uint32_t base = 0x10000000U + (mixed % 0x00c00000U) * 0x100U;
  return Cidr{.address = Address::v4(base), .prefix = prefix};
}

void fill_own_cidr_and_port(Scenario& scenario, resolve::ResolvedTier& tier) {
  for (std::uint64_t i = 0; i < scenario.size; ++i) {
    scenario.resolved.sets.push_back({.members = {network(i, 24)}});
    tier.rules.push_back(allow_tcp(static_cast<resolve::SetIndex>(i), static_cast<std::uint16_t>(1024 + i % 60000),
                                   static_cast<std::int32_t>(i)));
  }
}

void fill_one_set(Scenario& scenario, resolve::ResolvedTier& tier) {
  resolve::AddressSet set;
  for (std::uint64_t i = 0; i < scenario.size; ++i) set.members.push_back(network(i, static_cast<std::uint8_t>(24 + i % 9)));
  std::ranges::sort(set.members);
  const auto doubles = std::ranges::unique(set.members);
  set.members.erase(doubles.begin(), doubles.end());
  scenario.resolved.sets.push_back(std::move(set));
  tier.rules.push_back(allow_tcp(0, 80, 0));
}

// TCP to port 23 from anywhere: outside every rule, whatever the source's class.
std::vector<resolve::PacketQuery> denied_packets() {
  std::mt19937 random(1);
  std::vector<resolve::PacketQuery> packets;
  for (int i = 0; i < 256; ++i) {
    resolve::PacketQuery packet;
    packet.interface = "eth0";
    packet.source = network(random(), 24).address;
    packet.destination = Address::v4(kHost);
    packet.protocol = kTcp;
    packet.source_port = static_cast<std::uint16_t>(32768 + i);
    packet.destination_port = 23;
    packets.push_back(packet);
  }
  return packets;
}

}  // namespace

Result<Scenario> make_scenario(const std::string& name, std::uint64_t size) {
  Scenario scenario{.name = name, .size = size, .resolved = {}, .denied = denied_packets()};
  resolve::ResolvedTier tier{.name = "default", .rules = {}, .end = model::TierAction::Deny};
  if (name == "own_cidr_and_port")
    fill_own_cidr_and_port(scenario, tier);
  else if (name == "one_set")
    fill_one_set(scenario, tier);
  else
    return fail(Errc::config, "no scenario '" + name + "'");
  resolve::EndpointPolicy endpoint;
  endpoint.host_endpoint = "bench";
  endpoint.ingress.tiers.push_back(std::move(tier));
  scenario.resolved.endpoints.push_back(std::move(endpoint));
  scenario.resolved.assignments.push_back({.interface = "eth0", .ifindex = 1, .endpoint = 0});
  scenario.resolved.local_addresses = {Address::v4(kHost)};
  return scenario;
}

}  // namespace nodewall::bench
