// What the small maps hold, from the resolved policy.
#include "engine/kernel_values.h"

#include <catch2/catch_test_macros.hpp>

namespace nodewall::engine {
namespace {

Address address(const char* text) { return *parse_address(text); }

}  // namespace

TEST_CASE("the settings of logging and of service ports are told to the program") {
  resolve::Settings settings;
  CHECK(to_kernel(settings).log_interval_ns == 0);  // no limit
  CHECK(to_kernel(settings).service_port_ranges == 0);
  settings.log_interval = std::chrono::milliseconds(250);
  settings.log_burst = 9;
  settings.service_ports = {{30000, 32767}, {40000, 40000}};
  const auto told = to_kernel(settings);
  CHECK(told.log_interval_ns == 250'000'000);
  CHECK(told.log_burst == 9);
  REQUIRE(told.service_port_ranges == 2);
  CHECK(told.service_ports[0].first == 30000);
  CHECK(told.service_ports[0].last == 32767);
  CHECK(told.service_ports[1].first == 40000);
  CHECK(told.service_ports[1].last == 40000);
  CHECK(told.service_ports[2].last == 0);
}

TEST_CASE("more ranges of service ports than the program has room for are cut, never written past the end") {
  resolve::Settings settings;
  for (std::uint16_t i = 0; i < 20; ++i) settings.service_ports.push_back({static_cast<std::uint16_t>(100 * i), static_cast<std::uint16_t>(100 * i + 9)});
  const auto told = to_kernel(settings);
  CHECK(told.service_port_ranges == NW_MAX_SERVICE_PORT_RANGES);
  CHECK(told.service_ports[NW_MAX_SERVICE_PORT_RANGES - 1].first == 600);
}

TEST_CASE("an address of the host inside a network of services is marked, a broadcast address is not") {
  resolve::Resolved resolved;
  resolved.local_addresses = {address("10.0.0.2"), address("10.96.0.7"), address("fd00::7")};
  resolved.broadcast_addresses = {address("10.96.0.255")};
  resolved.settings.service_addresses = {*parse_cidr("10.96.0.0/16", BareAddress::refuse), *parse_cidr("fd00::/112", BareAddress::refuse)};
  const std::map<Address, std::uint32_t> expected = {{address("10.0.0.2"), NW_LOCAL_ADDRESS},
                                                     {address("10.96.0.7"), NW_LOCAL_ADDRESS | NW_LOCAL_SERVICE},
                                                     {address("fd00::7"), NW_LOCAL_ADDRESS | NW_LOCAL_SERVICE},
                                                     {address("10.96.0.255"), NW_LOCAL_BROADCAST}};
  CHECK(local_entries(resolved) == expected);
}

TEST_CASE("an interface says which chains its endpoint has, staged ones too") {
  const resolve::InterfaceFacts facts;
  resolve::EndpointPolicy plain;
  const auto none = interface_flags(facts, plain);
  CHECK((none & NW_INTERFACE_CHAINS) == 0);
  const std::map<std::uint32_t, std::uint32_t> expected = {
      {NW_CHAIN_INGRESS, 0},
      {NW_CHAIN_EGRESS, 0},
      {NW_CHAIN_FORWARD_INGRESS, NW_INTERFACE_FORWARD},
      {NW_CHAIN_FORWARD_EGRESS, NW_INTERFACE_FORWARD},
      {NW_CHAIN_UNTRACKED_INGRESS, NW_INTERFACE_UNTRACKED},
      {NW_CHAIN_UNTRACKED_EGRESS, NW_INTERFACE_UNTRACKED},
      {NW_CHAIN_PRE_DNAT, NW_INTERFACE_FORWARD},
  };
  for (const auto& [chain, flag] : expected) {
    CAPTURE(chain);
    resolve::EndpointPolicy enforced, staged;
    enforced.chains[chain].tiers = {{.name = "t", .rules = {}}};
    staged.staged[chain].emplace();
    const auto strict = flag == NW_INTERFACE_FORWARD     ? NW_INTERFACE_STRICT_INGRESS | NW_INTERFACE_STRICT_EGRESS
                        : flag == NW_INTERFACE_UNTRACKED ? NW_INTERFACE_STRICT_INGRESS
                                                         : 0U;
    CHECK(interface_flags(facts, enforced) == (none | flag | strict));
    CHECK(interface_flags(facts, staged) == (none | flag));
  }
}

}  // namespace nodewall::engine
