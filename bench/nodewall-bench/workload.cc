#include "workload.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>

#include "resolve/address_sets.h"

namespace nodewall::bench {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17;
using Random = std::mt19937_64;

std::uint64_t below(Random& random, std::uint64_t limit) { return random() % limit; }

// An address under the family's space for sources (16.0.0.0 to 95.255.255.255; 2001::/16) or destinations (10/8; fd00::/8).
Address random_address(Random& random, Family family, bool source) {
  if (family == Family::v4) {
    const auto low = static_cast<std::uint32_t>(random());
    return Address::v4(source ? (0x10000000U + low % 0x50000000U) : (0x0a000000U | (low & 0x00ffffffU)));
  }
  Address address{.bytes = {}, .family = Family::v6};
  for (auto& byte : address.bytes) byte = static_cast<std::uint8_t>(random());
  address.bytes[0] = source ? 0x20 : 0xfd;
  if (source) address.bytes[1] = 0x01;
  else address.bytes[1] = 0x00;
  return address;
}

// One of the few addresses that a host has.
Address host_address(Random& random, Family family) {
  Address address = family == Family::v4 ? Address::v4(0x0a000001) : Address{.bytes = {0xfd}, .family = Family::v6};
  address.bytes[15] = static_cast<std::uint8_t>(1 + below(random, 4));
  return address;
}

// `v4_prefix` as users write it; IPv6 networks are as specific in their own terms.
Cidr random_net(Random& random, Family family, bool source, unsigned v4_prefix) {
  const unsigned prefix = family == Family::v4 ? v4_prefix : std::min(128U, v4_prefix >= 32 ? 128U : 16 + v4_prefix * 2);
  return Cidr{random_address(random, family, source), static_cast<std::uint8_t>(prefix)}.masked();
}

model::PortRange exact(std::uint64_t port) {
  return {static_cast<std::uint16_t>(port), static_cast<std::uint16_t>(port)};
}

model::PortRange some_ports(Random& random, unsigned exact_percent, unsigned any_percent) {
  const auto choice = below(random, 100);
  if (choice < exact_percent) return exact(1 + below(random, below(random, 3) == 0 ? 65535 : 10000));
  if (choice < exact_percent + any_percent) return {0, 65535};
  if (choice % 2 == 0) return {1024, 65535};
  const auto first = 1 + below(random, 60000);
  return {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(first + below(random, 5000))};
}

std::uint8_t some_protocol(Random& random, unsigned tcp_percent, unsigned udp_percent) {
  const auto choice = below(random, 100);
  return choice < tcp_percent ? kTcp : choice < tcp_percent + udp_percent ? kUdp : 0;
}

PlainRule acl_rule(Random& random, Family family) {
  PlainRule rule;
  rule.source = random_net(random, family, true, static_cast<unsigned>(24 + below(random, 9)));
  rule.protocol = some_protocol(random, 80, 20);
  rule.destination_ports = some_ports(random, 90, 3);
  return rule;
}

PlainRule fw_rule(Random& random, Family family) {
  PlainRule rule;
  if (below(random, 100) < 70) rule.source = random_net(random, family, true, static_cast<unsigned>(12 + below(random, 21)));
  if (below(random, 100) < 40 || !rule.source)
    rule.destination = random_net(random, family, false, static_cast<unsigned>(20 + below(random, 13)));
  rule.protocol = some_protocol(random, 70, 30);
  rule.destination_ports = some_ports(random, 60, 5);
  return rule;
}

PlainRule ipc_rule(Random& random, Family family) {
  PlainRule rule;
  rule.source = random_net(random, family, true, static_cast<unsigned>(16 + below(random, 17)));
  if (below(random, 100) < 60) rule.destination = random_net(random, family, false, static_cast<unsigned>(24 + below(random, 9)));
  rule.protocol = some_protocol(random, 60, 40);
  rule.destination_ports = some_ports(random, 70, 10);
  if (below(random, 100) < 10) rule.source_ports = {1024, 65535};
  return rule;
}

// Who speaks to a node of a cluster, and to which of its ports.
struct Neighbours {
  const char* v4;
  const char* v6;
};
constexpr Neighbours kNodesA{"20.1.0.0/24", "2001:1::/64"}, kNodesB{"20.1.1.0/24", "2001:1:0:1::/64"}, kNodesC{"20.1.2.0/24", "2001:1:0:2::/64"};
constexpr Neighbours kControlPlane{"20.1.255.0/28", "2001:1:0:ff::/64"}, kPods{"20.64.0.0/10", "2001:2::/40"}, kMonitoring{"20.2.0.16/28", "2001:3::/64"};
constexpr Neighbours kBalancers{"20.3.0.0/27", "2001:4::/64"}, kBastion{"20.4.0.7/32", "2001:5::7/128"}, kOffice{"21.0.0.0/22", "2001:6::/48"};

struct ClusterRule {
  Neighbours from;
  std::uint8_t protocol;
  std::uint16_t first, last;
};
constexpr ClusterRule kClusterRules[] = {
    {kControlPlane, kTcp, 10250, 10250}, {kControlPlane, kTcp, 10255, 10259}, {kBastion, kTcp, 22, 22},        {kOffice, kTcp, 22, 22},
    {kNodesA, kTcp, 179, 179},           {kNodesB, kTcp, 179, 179},           {kNodesC, kTcp, 179, 179},       {kNodesA, kUdp, 4789, 4789},
    {kNodesB, kUdp, 4789, 4789},         {kNodesC, kUdp, 4789, 4789},         {kNodesA, kUdp, 51820, 51821},   {kNodesB, kUdp, 51820, 51821},
    {kNodesC, kUdp, 51820, 51821},       {kNodesA, kTcp, 5473, 5473},         {kNodesB, kTcp, 5473, 5473},     {kNodesC, kTcp, 5473, 5473},
    {kNodesA, kTcp, 2379, 2380},         {kNodesB, kTcp, 2379, 2380},         {kNodesC, kTcp, 2379, 2380},     {kPods, kTcp, 6443, 6443},
    {kPods, kUdp, 53, 53},               {kPods, kTcp, 53, 53},               {kPods, kTcp, 9153, 9153},       {kMonitoring, kTcp, 9100, 9100},
    {kMonitoring, kTcp, 9091, 9098},     {kMonitoring, kTcp, 10249, 10250},   {kBalancers, kTcp, 30000, 32767}, {kBalancers, kUdp, 30000, 32767},
    {kBalancers, kTcp, 10256, 10256},    {kOffice, kTcp, 443, 443},           {kOffice, kTcp, 6443, 6443},     {kNodesA, kUdp, 123, 123}};

std::vector<PlainRule> cluster_rules(Family family) {
  std::vector<PlainRule> rules;
  for (const auto& row : kClusterRules) {
    PlainRule rule;
    if (const auto net = parse_cidr(family == Family::v4 ? row.from.v4 : row.from.v6, BareAddress::refuse)) rule.source = *net;
    rule.protocol = row.protocol;
    rule.destination_ports = {row.first, row.last};
    rules.push_back(rule);
  }
  return rules;
}

std::vector<Cidr> random_set(Random& random, Family family, std::uint64_t size) {
  std::vector<Cidr> members;
  while (members.size() < size) {
    while (members.size() < size + size / 16 + 8)
      // Single addresses mostly, some /24 and what lies between: as block lists are. Few cover others.
      members.push_back(random_net(random, family, true, below(random, 10) < 6 ? 32 : static_cast<unsigned>(24 + below(random, 9))));
    std::ranges::sort(members);
    const auto doubles = std::ranges::unique(members);
    members.erase(doubles.begin(), doubles.end());
  }
  std::ranges::shuffle(members, random);
  members.resize(size);
  std::ranges::sort(members);
  return members;
}

bool in(const model::PortRange& range, std::uint16_t port) { return range.first <= port && port <= range.last; }

bool matches(const PlainRule& rule, const resolve::PacketQuery& packet) {
  if (rule.source && !rule.source->contains(packet.source)) return false;
  if (rule.destination && !rule.destination->contains(packet.destination)) return false;
  if (rule.protocol == 0) return true;
  return rule.protocol == packet.protocol && in(rule.source_ports, packet.source_port) &&
         in(rule.destination_ports, packet.destination_port);
}

// The set is sorted: one search for each prefix length.
bool is_member(const std::vector<Cidr>& set, const Address& address) {
  const unsigned bits = address.family == Family::v4 ? 32 : 128;
  for (unsigned prefix = 0; prefix <= bits; ++prefix)
    if (std::ranges::binary_search(set, Cidr{address, static_cast<std::uint8_t>(prefix)}.masked())) return true;
  return false;
}

// The rules of a workload, those apart that cannot match by the first octets of their source: a plain scan of the rest says the verdict.
class Scan {
 public:
  explicit Scan(const Workload& workload) : workload_(workload), by_source_(256) {
    const bool v4 = workload.family == Family::v4;
    byte_ = v4 ? 12 : 2;
    for (const auto& rule : workload.rules) {
      const bool narrow = rule.source && rule.source->prefix >= (v4 ? 8 : 24);
      for (std::size_t i = 0; i < by_source_.size(); ++i)
        if (!narrow || rule.source->address.bytes[byte_] == i) by_source_[i].push_back(&rule);
    }
  }
  [[nodiscard]] bool allows(const resolve::PacketQuery& packet) const {
    if (!workload_.set.empty()) return !is_member(workload_.set, packet.source);
    return std::ranges::any_of(by_source_[packet.source.bytes[byte_]], [&](const auto* rule) { return matches(*rule, packet); });
  }

 private:
  const Workload& workload_;
  std::size_t byte_ = 12;
  std::vector<std::vector<const PlainRule*>> by_source_;
};

// An address of the network, other than the network's own where there is room.
Address within(Random& random, const Cidr& net) {
  Address address = net.address;
  const unsigned offset = net.address.family == Family::v4 ? 96 : 0;
  for (unsigned bit = offset + net.prefix; bit < 128; ++bit)
    if ((random() & 1) != 0) address.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  return address;
}

resolve::PacketQuery packet_for(Random& random, const PlainRule& rule, Family family) {
  resolve::PacketQuery packet;
  packet.interface = "eth0";
  packet.source = rule.source ? within(random, *rule.source) : random_address(random, family, true);
  packet.destination = rule.destination ? within(random, *rule.destination) : host_address(random, family);
  packet.protocol = rule.protocol != 0 ? rule.protocol : some_protocol(random, 50, 50);
  const auto port = [&](const model::PortRange& range) {
    const auto first = std::max<std::uint64_t>(1, range.first);
    return static_cast<std::uint16_t>(first + below(random, range.last - first + 1));
  };
  packet.source_port = port(rule.source_ports);
  packet.destination_port = port(rule.destination_ports);
  return packet;
}

resolve::PacketQuery candidate(Random& random, const Workload& workload, Hit hit) {
  if (!workload.set.empty()) {
    PlainRule rule;
    if (hit == Hit::none) rule.source = workload.set[below(random, workload.set.size())];
    return packet_for(random, rule, workload.family);
  }
  const auto& rules = workload.rules;
  if (hit == Hit::first) return packet_for(random, rules.front(), workload.family);
  if (hit == Hit::last) return packet_for(random, rules.back(), workload.family);
  if (hit == Hit::any) return packet_for(random, rules[below(random, rules.size())], workload.family);
  auto packet = packet_for(random, rules[below(random, rules.size())], workload.family);
  packet.protocol = some_protocol(random, 50, 50);
  packet.destination_port = static_cast<std::uint16_t>(1 + below(random, 65535));
  if (below(random, 4) == 0) packet.source = random_address(random, workload.family, true);
  return packet;
}

resolve::ResolvedRule to_rule(const PlainRule& plain, Family family, std::int32_t index, std::vector<resolve::AddressSet>& sets) {
  resolve::ResolvedRule rule;
  rule.action = model::Action::Allow;
  rule.v4 = family == Family::v4;
  rule.v6 = !rule.v4;
  const auto side = [&](const std::optional<Cidr>& net, const model::PortRange& ports) {
    resolve::Side result;
    if (net) {
      result.in = {static_cast<resolve::SetIndex>(sets.size())};
      sets.push_back({.members = {*net}});
    }
    if (plain.protocol != 0 && (ports.first > 0 || ports.last < 65535)) result.ports = std::vector{ports};
    return result;
  };
  if (plain.protocol != 0) rule.protocols.set(plain.protocol);
  else rule.protocols.set();
  rule.source = side(plain.source, plain.source_ports);
  rule.destination = side(plain.destination, plain.destination_ports);
  rule.origin = {.tier = "default", .policy = "bench", .rule = index};
  return rule;
}

// Ports that are open whatever the policy says.
bool is_failsafe(const resolve::PacketQuery& packet) {
  static const auto ports = model::default_failsafe_inbound();
  return std::ranges::any_of(ports, [&](const auto& open) { return open.protocol.number == packet.protocol && open.port == packet.destination_port; });
}

}  // namespace

std::string_view name(Hit hit) {
  switch (hit) {
    case Hit::none: return "denied";
    case Hit::first: return "first";
    case Hit::last: return "last";
    case Hit::any: return "any";
  }
  return "denied";
}

Result<Workload> make_workload(const std::string& name, std::uint64_t size, Family family, std::uint64_t seed) {
  if (size == 0) return fail(Errc::config, "a workload has a size of 1 or more");
  Random random(seed);
  Workload workload{.name = name, .size = size, .family = family, .rules = {}, .set = {}};
  if (name == "set") {
    workload.set = random_set(random, family, size);
    return workload;
  }
  if (name == "seed" || name == "cluster") {
    workload.rules = name == "seed" ? std::vector<PlainRule>{PlainRule{}} : cluster_rules(family);
    workload.size = workload.rules.size();
    return workload;
  }
  const auto make = name == "acl"       ? acl_rule
                    : name == "fw"      ? fw_rule
                    : name == "ipc"     ? ipc_rule
                                        : nullptr;
  if (make == nullptr) return fail(Errc::config, "no workload '" + name + "': acl, fw, ipc, set, cluster, seed");
  for (std::uint64_t i = 0; i < size; ++i) workload.rules.push_back(make(random, family));
  return workload;
}

// "@10.0.0.0/8 192.168.1.0/24 0 : 65535 80 : 80 0x06/0xFF 0x0000/0x0200": source, destination, source ports, destination ports,
// protocol, and flags that are not looked at.
Result<Workload> read_classbench(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(errno_error("open " + path, errno));
  Workload workload{.name = "classbench", .size = 0, .family = Family::v4, .rules = {}, .set = {}};
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) continue;
    char source[64], destination[64];
    unsigned source_first = 0, source_last = 0, first = 0, last = 0, protocol = 0, mask = 0;
    const int fields = std::sscanf(line.c_str(), "@%63s %63s %u : %u %u : %u %x/%x", source, destination, &source_first, &source_last, &first,
                                   &last, &protocol, &mask);
    const auto from = parse_cidr(source, BareAddress::is_host), to = parse_cidr(destination, BareAddress::is_host);
    if (fields != 8 || !from || !to || source_last > 65535 || last > 65535 || source_first > source_last || first > last || protocol > 255)
      return fail(Errc::config, path + ":" + std::to_string(number) + ": not a rule in ClassBench's format");
    PlainRule rule;
    if (from->prefix > 0) rule.source = from->masked();
    if (to->prefix > 0) rule.destination = to->masked();
    if (mask != 0 && (protocol == kTcp || protocol == kUdp)) {
      rule.protocol = static_cast<std::uint8_t>(protocol);
      rule.source_ports = {static_cast<std::uint16_t>(source_first), static_cast<std::uint16_t>(source_last)};
      rule.destination_ports = {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
    }
    workload.family = from->address.family;
    workload.rules.push_back(rule);
  }
  workload.size = workload.rules.size();
  if (workload.rules.empty()) return fail(Errc::config, path + ": no rules");
  return workload;
}

Result<std::vector<resolve::PacketQuery>> make_packets(const Workload& workload, Hit hit, std::size_t count, std::uint64_t seed,
                                                       std::uint8_t protocol) {
  Random random(seed);
  const Scan scan(workload);
  std::vector<resolve::PacketQuery> packets;
  for (std::size_t tries = 0; packets.size() < count && tries < count * 16; ++tries) {
    auto packet = candidate(random, workload, hit);
    if (protocol != 0) packet.protocol = protocol;
    if (!is_failsafe(packet) && scan.allows(packet) == (hit != Hit::none)) packets.push_back(packet);
  }
  if (packets.empty()) return fail(Errc::config, "found no packets of kind '" + std::string(name(hit)) + "'");
  for (std::size_t i = 0; packets.size() < count; ++i) packets.push_back(packets[i]);
  return packets;
}

resolve::Resolved to_resolved(const Workload& workload, const std::vector<resolve::PacketQuery>& packets) {
  resolve::Resolved resolved;
  resolve::ResolvedTier tier{.name = "default", .rules = {}, .end = model::TierAction::Deny};
  if (!workload.set.empty()) {
    resolved.sets.push_back({.members = resolve::normalized(workload.set)});
    PlainRule any;
    tier.rules = {to_rule(any, workload.family, 0, resolved.sets), to_rule(any, workload.family, 1, resolved.sets)};
    tier.rules[0].action = model::Action::Deny;
    tier.rules[0].source.in = {0};
  }
  for (std::size_t i = 0; i < workload.rules.size(); ++i)
    tier.rules.push_back(to_rule(workload.rules[i], workload.family, static_cast<std::int32_t>(i), resolved.sets));
  resolve::EndpointPolicy endpoint;
  endpoint.host_endpoint = "bench";
  endpoint.chains[NW_CHAIN_INGRESS].tiers.push_back(std::move(tier));
  resolved.endpoints.push_back(std::move(endpoint));
  resolved.assignments.push_back({.interface = "eth0", .ifindex = 1, .endpoint = 0});
  for (const auto& packet : packets) resolved.local_addresses.push_back(packet.destination);
  std::ranges::sort(resolved.local_addresses);
  const auto doubles = std::ranges::unique(resolved.local_addresses);
  resolved.local_addresses.erase(doubles.begin(), doubles.end());
  return resolved;
}

}  // namespace nodewall::bench
