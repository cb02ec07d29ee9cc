// Workloads: a policy in a form that every engine can be given, and packets whose verdict is known by a plain scan of it.
//
//   acl   access lists: long source prefixes, an exact port mostly
//   fw    firewalls: many wildcards, wide ranges
//   ipc   IP chains: pairs of networks, ports on both sides
//   set   one rule that denies a set of networks; the rest is allowed
//   cluster  what a node of a cluster has: some thirty rules about kubelet, BGP, overlays, monitoring, NodePorts
//   seed     allow everything, which is what one applies before host endpoints
//
// The first three are ordered lists of allow rules, end deny, made from a seed by shapes that the literature describes; a file in
// ClassBench's format can stand in for them. Sources lie outside 10.0.0.0/8 and fd00::/8, destinations inside: the node's own addresses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "resolve/endpoint_policy.h"
#include "resolve/packet.h"

namespace nodewall::bench {

struct PlainRule {
  std::optional<Cidr> source, destination;  // absent: any
  std::uint8_t protocol = 0;                   // 0: any; else TCP or UDP
  model::PortRange source_ports{0, 65535};     // only with a protocol
  model::PortRange destination_ports{0, 65535};
};
inline bool is_any(const model::PortRange& range) { return range.first == 0 && range.last == 65535; }

struct Workload {
  std::string name;
  std::uint64_t size = 0;       // rules, or members of the set
  Family family = Family::v4;
  std::vector<PlainRule> rules;  // all allow, the end is deny; empty for a set
  std::vector<Cidr> set;         // denied, all else is allowed
};

// Which packets: those that no rule allows (a set: members of it); those of the first, of the last, of any rule (a set: others).
enum class Hit : std::uint8_t { none, first, last, any };
std::string_view name(Hit hit);

Result<Workload> make_workload(const std::string& name, std::uint64_t size, Family family, std::uint64_t seed);
Result<Workload> read_classbench(const std::string& path);  // lines that are not rules are errors with their number
inline const std::vector<std::string> kWorkloads = {"acl", "fw", "ipc", "set", "cluster", "seed"};

// `count` first packets of different flows with that verdict by a plain scan, from a seed, none to a failsafe port; `protocol` 0: TCP
// and UDP. Fails when there are none.
Result<std::vector<resolve::PacketQuery>> make_packets(const Workload& workload, Hit hit, std::size_t count, std::uint64_t seed,
                                                       std::uint8_t protocol = 0);

// For our own engine: one endpoint at "eth0". Local are the destinations of `packets`.
resolve::Resolved to_resolved(const Workload& workload, const std::vector<resolve::PacketQuery>& packets);

}  // namespace nodewall::bench
