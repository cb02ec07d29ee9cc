// Packets near the boundaries of what a scenario mentions.
#include <algorithm>
#include <set>

#include "harness/generator.h"

namespace nodewall::test {
namespace {

struct Collector {
  std::set<Address> addresses;
  std::set<std::uint16_t> ports;
  std::set<std::uint8_t> protocols;

  // The address and its neighbours.
  void add(const Address& address) {
    addresses.insert(address);
    for (const int step : {-1, 1}) addresses.insert(moved(address, step));
  }

  void add(const Cidr& net) {
    const auto masked = net.masked();
    add(masked.address);
    auto last = masked.address;
    const std::size_t start = last.family == Family::v4 ? 96 : 0;
    for (std::size_t bit = start + net.prefix; bit < 128; ++bit) {
      last.bytes[bit / 8] = static_cast<std::uint8_t>(last.bytes[bit / 8] | 0x80U >> bit % 8);
    }
    add(last);
  }

  void add_port(std::uint16_t port) {
    for (const int step : {-1, 0, 1}) ports.insert(static_cast<std::uint16_t>(port + step));
  }

  void add(const model::EntityRule& entity) {
    for (const auto* nets : {&entity.nets, &entity.not_nets}) {
      for (const auto& net : *nets) add(net);
    }
    for (const auto* list : {&entity.ports, &entity.not_ports}) {
      for (const auto& port : *list) {
        const auto* range = std::get_if<model::PortRange>(&port);
        if (range == nullptr) continue;
        add_port(range->first);
        add_port(range->last);
      }
    }
  }

  void add(const SharedList<model::Rule>& rules) {
    for (const auto& rule : rules) {
      if (rule.protocol) protocols.insert(rule.protocol->number);
      if (rule.not_protocol) protocols.insert(rule.not_protocol->number);
      add(rule.source);
      add(rule.destination);
    }
  }

  static Address moved(Address address, int step) {
    for (std::size_t i = 16; i-- > (address.family == Family::v4 ? 12U : 0U);) {
      address.bytes[i] = static_cast<std::uint8_t>(address.bytes[i] + step);
      if (address.bytes[i] != (step > 0 ? 0 : 255)) break;
    }
    return address;
  }
};

void collect(const model::Spec& spec, Collector& out) {
  if (const auto* endpoint = std::get_if<model::HostEndpoint>(&spec)) {
    for (const auto& address : endpoint->expected_ips) out.add(address);
    for (const auto& port : endpoint->ports) out.add_port(port.port);
  } else if (const auto* set = std::get_if<model::GlobalNetworkSet>(&spec)) {
    for (const auto& net : set->nets) out.add(net);
  } else if (const auto* policy = std::get_if<model::GlobalNetworkPolicy>(&spec)) {
    out.add(policy->ingress);
    out.add(policy->egress);
  } else if (const auto* staged = std::get_if<model::StagedGlobalNetworkPolicy>(&spec)) {
    out.add(staged->policy.ingress);
    out.add(staged->policy.egress);
  } else if (const auto* profile = std::get_if<model::Profile>(&spec)) {
    out.add(profile->ingress);
    out.add(profile->egress);
  } else if (const auto* felix = std::get_if<model::FelixConfiguration>(&spec)) {
    for (const auto* list : {&felix->failsafe_inbound, &felix->failsafe_outbound}) {
      for (const auto& port : list->value_or(std::vector<model::FailsafePort>{})) {
        out.add_port(port.port);
        if (port.net) out.add(*port.net);
      }
    }
    for (const auto& range : felix->kube_node_port_ranges.value_or(std::vector<model::PortRange>{})) {
      out.add_port(range.first);
      out.add_port(range.last);
    }
  }
}

bool is_v4_mapped(const Address& address) {
  return address.family == Family::v6 && address.high() == 0 && address.low() >> 32 == 0xffff;
}

std::uint8_t icmp_type(Random& random, bool v4) {
  constexpr std::uint8_t kV4[] = {0, 3, 8, 8, 8, 11, 13, 128, 253, 254, 255};
  constexpr std::uint8_t kV6[] = {1, 3, 128, 128, 128, 129, 130, 134, 135, 136, 137, 8, 254, 255};
  return v4 ? random.pick(kV4) : random.pick(kV6);
}

}  // namespace

PacketPools packet_pools(const Scenario& scenario) {
  Collector found;
  found.protocols = {1, 6, 17, 47, 58, 132, 136};
  found.ports = {0, 22, 53, 68, 80, 65535};
  PacketPools pools;
  for (const auto& interface : scenario.facts.interfaces) {
    pools.interfaces.push_back(interface.name);
    for (const auto& own : interface.addresses) {
      found.add(own);
      found.add(own.address);
      (own.address.family == Family::v4 ? pools.local_v4 : pools.local_v6).push_back(own.address);
    }
  }
  for (const auto& [id, resource] : scenario.resources) collect(resource.spec, found);
  for (const auto* text : {"203.0.113.7", "2001:db8:7::7"}) found.add(*parse_address(text));
  for (const auto& address : found.addresses) {
    if (is_v4_mapped(address)) continue;
    (address.family == Family::v4 ? pools.v4 : pools.v6).push_back(address);
  }
  pools.ports.assign(found.ports.begin(), found.ports.end());
  pools.protocols.assign(found.protocols.begin(), found.protocols.end());
  return pools;
}

resolve::PacketQuery random_packet(Random& random, const PacketPools& pools) {
  resolve::PacketQuery packet;
  packet.interface = random.pick(pools.interfaces);
  packet.direction = random.percent(50) ? NW_INGRESS : NW_EGRESS;
  const bool v4 = random.percent(55) && !pools.local_v4.empty();
  const auto& all = v4 ? pools.v4 : pools.v6;
  const auto& local = v4 ? pools.local_v4 : pools.local_v6;
  packet.source = random.pick(all);
  packet.destination = random.pick(all);
  auto& own = packet.direction == NW_INGRESS ? packet.destination : packet.source;
  if (random.percent(70) && !local.empty()) own = random.pick(local);
  packet.forwarded = packet.direction == NW_EGRESS && random.percent(20);
  packet.protocol = random.percent(45) ? std::uint8_t{6} : random.pick(pools.protocols);
  if (!v4 && packet.protocol <= 1) packet.protocol = 58;
  const bool ports = packet.protocol == 6 || packet.protocol == 17 || packet.protocol == 132 || packet.protocol == 136;
  if (ports) {
    packet.source_port = random.pick(pools.ports);
    packet.destination_port = random.pick(pools.ports);
  }
  if (packet.protocol == (v4 ? 1 : 58)) {
    packet.icmp_type = icmp_type(random, v4);
    packet.icmp_code = static_cast<std::uint8_t>(random.percent(60) ? 0 : random.below(3));
  }
  if (packet.protocol == 6 && random.percent(10)) packet.tcp_flags = static_cast<std::uint8_t>(random.below(64));
  return packet;
}

}  // namespace nodewall::test
