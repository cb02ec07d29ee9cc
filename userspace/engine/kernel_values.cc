#include "engine/kernel_values.h"

#include <algorithm>
#include <set>

namespace nodewall::engine {
namespace {

constexpr std::uint8_t kUdp = 17;

std::uint64_t ns(model::Duration duration) { return static_cast<std::uint64_t>(duration.count()); }

}  // namespace

nw_settings to_kernel(const resolve::Settings& settings) {
  nw_settings result{};
  result.syn_sent_ns = ns(settings.syn_sent);
  result.tcp_established_ns = ns(settings.tcp_established);
  result.fins_seen_ns = ns(settings.fins_seen);
  result.reset_seen_ns = ns(settings.reset_seen);
  result.udp_ns = ns(settings.udp);
  result.icmp_ns = ns(settings.icmp);
  result.generic_ns = ns(settings.generic);
  if (settings.established_flows == model::EstablishedFlows::Keep) result.flags |= NW_SETTING_KEEP_ESTABLISHED;
  if (settings.log_interval) result.log_interval_ns = ns(*settings.log_interval);
  result.log_burst = settings.log_burst;
  for (const auto& range : settings.service_ports) {
    if (result.service_port_ranges == NW_MAX_SERVICE_PORT_RANGES) break;
    result.service_ports[result.service_port_ranges++] = {.first = range.first, .last = range.last};
  }
  return result;
}

std::vector<kernel::FailsafeEntry> failsafe_entries(const resolve::Settings& settings) {
  std::set<kernel::FailsafeEntry> entries;
  const auto add = [&](const std::vector<model::FailsafePort>& ports, std::uint32_t direction) {
    for (const auto& port : ports)
      entries.insert({.direction = direction, .is_udp = port.protocol.number == kUdp, .port = port.port, .net = port.net});
  };
  add(settings.failsafe_inbound, NW_INGRESS);
  add(settings.failsafe_outbound, NW_EGRESS);
  return {entries.begin(), entries.end()};
}

std::map<Address, std::uint32_t> local_entries(const resolve::Resolved& resolved) {
  std::map<Address, std::uint32_t> addresses;
  for (const auto& address : resolved.local_addresses) {
    const auto holds = [&](const Cidr& cidr) { return cidr.contains(address); };
    addresses[address] |= NW_LOCAL_ADDRESS;
    if (std::ranges::any_of(resolved.settings.service_addresses, holds)) addresses[address] |= NW_LOCAL_SERVICE;
  }
  for (const auto& address : resolved.broadcast_addresses) addresses[address] |= NW_LOCAL_BROADCAST;
  return addresses;
}

std::uint32_t interface_flags(const resolve::InterfaceFacts& interface, const resolve::EndpointPolicy& endpoint) {
  const auto untracked = {NW_CHAIN_UNTRACKED_INGRESS, NW_CHAIN_UNTRACKED_EGRESS};
  const auto forward = {NW_CHAIN_FORWARD_INGRESS, NW_CHAIN_FORWARD_EGRESS, NW_CHAIN_PRE_DNAT};
  const auto known = [&](std::uint32_t chain) { return endpoint.has_or_stages(chain); };
  const auto enforced = [&](std::uint32_t chain) { return endpoint.has(chain); };
  std::uint32_t flags = 0;
  if (!interface.has_ethernet_header) flags |= NW_INTERFACE_L3;
  if (interface.is_loopback) flags |= NW_INTERFACE_LOOPBACK;
  if (std::ranges::any_of(untracked, known)) flags |= NW_INTERFACE_UNTRACKED;
  if (std::ranges::any_of(forward, known)) flags |= NW_INTERFACE_FORWARD;
  if (std::ranges::any_of(untracked, enforced)) flags |= NW_INTERFACE_STRICT_INGRESS;
  if (std::ranges::any_of(forward, enforced)) flags |= NW_INTERFACE_STRICT_INGRESS | NW_INTERFACE_STRICT_EGRESS;
  return flags;
}

}  // namespace nodewall::engine
