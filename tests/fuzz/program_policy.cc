#include "program_policy.h"

#include <string>

#include "compile/table_image.h"
#include "config/decode.h"
#include "input.h"

namespace nodewall::fuzz {
namespace {

constexpr std::string_view kEndpoint = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0}
spec: {node: node1, interfaceName: eth0}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: p}
spec:
  types: [Ingress, Egress]
)";

// Every other kind of policy, beside each of the two.
constexpr std::string_view kKinds = R"(
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: forward}
spec:
  applyOnForward: true
  order: 10
  types: [Ingress, Egress]
  ingress:
    - {action: Log, protocol: TCP}
    - {action: Allow, protocol: TCP, destination: {ports: [80]}}
    - {action: Pass, protocol: UDP}
  egress:
    - {action: Allow, protocol: TCP, destination: {ports: [80, 443]}}
    - {action: Log}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: pre}
spec:
  applyOnForward: true
  preDNAT: true
  ingress:
    - {action: Deny, protocol: TCP, destination: {ports: ["8050:8055"]}}
    - {action: Allow, protocol: UDP, destination: {ports: [54]}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: untracked}
spec:
  applyOnForward: true
  doNotTrack: true
  types: [Ingress, Egress]
  ingress:
    - {action: Log, protocol: UDP, destination: {ports: [53]}}
    - {action: Allow, protocol: UDP, destination: {ports: [53]}}
    - {action: Deny, protocol: ICMP, icmp: {type: 3}}
  egress:
    - {action: Allow, protocol: UDP, source: {ports: [53]}}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: p}
spec:
  order: 1
  ingress:
    - {action: Deny, source: {nets: [10.9.0.0/16]}}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: pre2}
spec:
  applyOnForward: true
  preDNAT: true
  ingress:
    - {action: Deny, protocol: TCP}
)";

constexpr std::string_view kFirst = R"(
  ingress:
    - {action: Deny, source: {nets: [10.9.0.0/24]}}
    - {action: Deny, source: {nets: ["fd09:1::/64"]}}
    - {action: Allow, protocol: TCP, source: {nets: [10.0.0.0/8]}, destination: {ports: [80, "8000:8100"]}}
    - {action: Allow, protocol: TCP, source: {nets: ["fd09::/16"]}, destination: {ports: [80, "8000:8100"]}}
    - {action: Allow, protocol: UDP, source: {ports: [53]}}
    - {action: Allow, protocol: UDP, destination: {ports: [53]}}
    - {action: Allow, protocol: ICMP, icmp: {type: 8}}
    - {action: Allow, protocol: ICMPv6, icmp: {type: 128}}
    - {action: Allow, protocol: SCTP}
  egress:
    - {action: Allow, protocol: TCP, destination: {notPorts: [25]}}
    - {action: Allow, protocol: UDP, destination: {nets: [10.0.0.0/8], ports: [53]}}
    - {action: Allow, notProtocol: TCP, destination: {notNets: [10.0.0.0/8]}}
)";

constexpr std::string_view kSecond = R"(
  ingress:
    - {action: Allow, protocol: TCP, destination: {ports: [80]}}
  egress:
    - {action: Allow, protocol: TCP, destination: {ports: [443]}}
)";

std::vector<nw_line> image_of(std::string_view rules) {
  const auto decoded = config::decode(std::string(kEndpoint) + std::string(rules) + std::string(kKinds), "policy");
  require(decoded.ok(), decoded.ok() ? "" : config::to_string(decoded.diagnostics.front()));
  model::ResourceSet resources;
  for (const auto& one : decoded.resources) resources.emplace(one.resource.id(), one.resource);
  const resolve::NodeFacts facts{.node = "node1",
                                 .interfaces = {{.name = "eth0",
                                                 .ifindex = 7,
                                                 .addresses = {parse_cidr("10.0.0.2/24", BareAddress::refuse).value(),
                                                               parse_cidr("fd00::2/64", BareAddress::refuse).value()}}}};
  const auto resolved = resolve::resolve(resources, facts);
  const auto slots = compile::assign_slots({}, resolved);
  require(slots.rules.size() <= kRuleCounters, "there are counters for every rule");
  auto image = compile::compile(resolved, slots);
  require(image.has_value(), "the policy compiles");
  return std::move(image->lines);
}

}  // namespace

const std::vector<nw_line>& program_policy(std::uint32_t generation) {
  static const auto first = image_of(kFirst);
  static const auto second = image_of(kSecond);
  return generation % 2 == 1 ? first : second;
}

}  // namespace nodewall::fuzz
