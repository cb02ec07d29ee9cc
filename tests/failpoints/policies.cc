#include "policies.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>

#include "harness/scenario.h"

namespace failpoints {
namespace {

std::string manifest(const std::string& kind, const std::string& metadata, const std::string& spec) {
  return "apiVersion: projectcalico.org/v3\nkind: " + kind + "\nmetadata: {" + metadata + "}\nspec: {" + spec + "}\n---\n";
}

// A host endpoint, and a policy of its own for what may come in by it.
std::string endpoint(const std::string& name, const std::string& interface, const std::string& rule) {
  return manifest("HostEndpoint", "name: " + name + ", labels: {role: " + name + "}", "node: node1, interfaceName: " + interface) +
         manifest("GlobalNetworkPolicy", "name: " + name, "selector: role == '" + name + "', ingress: [{action: Allow, protocol: UDP, " + rule + "}]");
}

std::string both() {
  return manifest("GlobalNetworkPolicy", "name: both",
                  "order: 10, selector: all(), ingress: [{action: Allow, protocol: UDP, destination: {ports: [5000]}}], "
                  "egress: [{action: Allow, protocol: UDP, destination: {ports: [7]}}]");
}

std::string settings(const std::string& udp_timeout, const std::string& inbound, const std::string& outbound, std::uint32_t conntrack_size) {
  return manifest("FelixConfiguration", "name: default",
                  "bpfConntrackTimeouts: {udpTimeout: " + udp_timeout + "}, bpfMapSizeConntrack: " + std::to_string(conntrack_size) +
                      ", failsafeInboundHostPorts: [{protocol: udp, port: 68}, " + inbound + "], failsafeOutboundHostPorts: [" + outbound + "]");
}

}  // namespace

nodewall::model::ResourceSet policy(Which which, std::uint32_t conntrack_size) {
  const auto text =
      both() +
      (which == Which::before
           ? endpoint("one", "host0", "destination: {ports: [6500]}") +
                 settings("3600s", "{protocol: udp, port: 8001}, {protocol: tcp, port: 22, net: 10.9.0.0/24}", "", conntrack_size)
           : endpoint("one", "host1", "destination: {ports: [7000]}") +
                 endpoint("two", "host0", "source: {nets: [10.0.0.0/24]}, destination: {ports: [6000]}") +
                 settings("7200s", "{protocol: udp, port: 8002}, {protocol: tcp, port: 22, net: 10.8.0.0/24}", "{protocol: tcp, port: 8003}", conntrack_size));
  auto resources = nodewall::test::from_manifests(text, "manifests");
  if (!resources) FAIL(resources.error().message());
  return std::move(*resources);
}

}  // namespace failpoints
