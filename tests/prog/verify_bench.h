// Bench: a policy, the tables that an engine would write for it, and verify's report on them.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <string>

#include "engine/engine_state.h"
#include "engine/kernel_values.h"
#include "engine/verify.h"
#include "harness/generator.h"
#include "harness/report.h"

namespace prog {

using namespace nodewall;
using engine::Tables;
using engine::VerifyReport;
using test::text_of;

inline constexpr const char* kManifests = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0, labels: {role: node}}
spec: {node: node1, interfaceName: eth0, profiles: [open]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth1, labels: {role: other}}
spec: {node: node1, interfaceName: eth1}
---
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: open}
spec: {ingress: [{action: Allow, protocol: TCP}], egress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  order: 10
  selector: role == 'node'
  ingress:
  - {action: Allow, protocol: TCP, source: {nets: [10.1.0.0/16, 10.2.3.0/28]}, destination: {ports: [80, "8000:8010"]}}
  - {action: Allow, protocol: TCP, source: {nets: ["2001:db8:1::/48", "2001:db8:2::7/128"]}, destination: {ports: [443]}}
  - {action: Deny, source: {nets: [10.1.2.0/24]}}
  - {action: Allow, protocol: ICMP, icmp: {type: 8}}
  - {action: Allow, protocol: UDP, source: {ports: [53]}, destination: {nets: [10.0.0.0/24]}}
  egress:
  - {action: Deny, destination: {nets: [192.0.2.0/25]}}
  - {action: Allow, destination: {notNets: [198.51.100.0/24]}}
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec:
  failsafeInboundHostPorts: [{protocol: tcp, port: 22}, {protocol: udp, port: 68, net: 10.0.0.0/8}]
  failsafeOutboundHostPorts: [{protocol: udp, port: 53}]
)";

struct Bench {
  resolve::NodeFacts facts;
  resolve::Resolved resolved;
  compile::Slots slots;
  std::map<std::string, std::uint32_t> counters{{"eth0", 3}, {"eth1", 4}, {"lo", 5}};
  Tables tables;

  explicit Bench(const test::Scenario& scenario, const std::function<void(resolve::Resolved&)>& change = {}) : facts(scenario.facts) {
    for (std::uint32_t i = 0; i < facts.interfaces.size(); ++i) facts.interfaces[i].ifindex = i + 10;
    resolved = resolve::resolve(scenario.resources, facts);
    if (change) change(resolved);
    slots = compile::assign_slots({}, resolved);
    auto image = compile::compile(resolved, slots);
    if (!image) FAIL(image.error().message());
    tables.image = std::move(image->lines);
    tables.small.local_addresses = engine::local_entries(resolved);
    tables.small.settings = engine::to_kernel(resolved.settings);
    for (const auto& it : resolved.assignments) {
      const auto& endpoint = resolved.endpoints[it.endpoint];
      const auto slot = slots.endpoints.at(endpoint.host_endpoint);
      const auto interface = std::ranges::find(facts.interfaces, it.interface, &resolve::InterfaceFacts::name);
      const auto flags = engine::interface_flags(*interface, endpoint);
      tables.interfaces[it.ifindex] = {.endpoint = slot, .counter = counters.at(it.interface), .flags = flags, .pad = 0};
    }
    small_from_kernel();
  }

  // Failsafe maps are the kernel room's own doing: it writes them, and they are read back. One object for all: loading takes long.
  void small_from_kernel() {
    static auto datapath = kernel::Datapath::open({.pin_dir = "", .conntrack_size = 1024});
    if (!datapath) FAIL(datapath.error().message());
    REQUIRE(datapath->set_failsafe(engine::failsafe_entries(resolved.settings)));
    const auto read = datapath->read_small_maps();
    REQUIRE(read);
    tables.small.failsafe_words = read->failsafe_words;
    tables.small.failsafe_nets = read->failsafe_nets;
  }

  [[nodiscard]] VerifyReport look(const Tables& at, const engine::VerifyLimits& limits = {}) const {
    auto report = engine::verify({resolved, facts, slots, counters}, at, limits);
    if (!report) FAIL(report.error().message());
    return std::move(*report);
  }
  [[nodiscard]] VerifyReport look() const { return look(tables); }
};

inline bool found_in(const VerifyReport& report, std::string_view table) {
  return std::ranges::any_of(report.differences, [&](const auto& it) { return it.table == table; });
}

inline nw_image_header header_of(const Tables& tables) {
  nw_image_header header{};
  std::memcpy(&header, tables.image.data(), sizeof header);
  return header;
}

// Flips one bit of a word of the image, and asks whether that is noticed.
inline bool notices(const Bench& bench, std::size_t line, std::size_t word, unsigned bit) {
  auto tables = bench.tables;
  tables.image[line].words[word] ^= 1U << bit;
  return found_in(bench.look(tables), "policy");
}

inline test::Scenario scenario() {
  auto resources = test::from_manifests(kManifests, "manifests");
  if (!resources) FAIL(resources.error().message());
  return {.resources = std::move(*resources), .facts = test::default_facts()};
}

}  // namespace prog
