// Settings: which FelixConfiguration decides a field, the defaults, and what is accepted without effect.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "node.h"

using namespace nodewall;
using namespace nodewall::testing;
using std::chrono::hours;
using std::chrono::seconds;

TEST_CASE("without configuration the settings are Calico's defaults") {
  const auto settings = Node().resolve().settings;
  CHECK(settings.failsafe_inbound == model::default_failsafe_inbound());
  CHECK(settings.failsafe_outbound == model::default_failsafe_outbound());
  CHECK(settings.interface_prefix == std::vector<std::string>{"cali"});
  CHECK(settings.interface_exclude == std::vector<std::string>{"kube-ipvs0"});
  CHECK(settings.syn_sent == seconds(20));
  CHECK(settings.tcp_established == hours(1));
  CHECK(settings.fins_seen == seconds(30));
  CHECK(settings.reset_seen == seconds(40));
  CHECK(settings.udp == seconds(60));
  CHECK(settings.icmp == seconds(5));
  CHECK(settings.generic == seconds(600));
  CHECK(settings.conntrack_size == 512000);
  CHECK(settings.interface_refresh == seconds(90));
  CHECK(settings.established_flows == model::EstablishedFlows::Reevaluate);
  CHECK(settings.service_ports.empty());  // no cluster, no NodePorts
  CHECK(settings.service_addresses.empty());
  CHECK_FALSE(settings.log_interval);
  CHECK(settings.log_burst == 5);
}

TEST_CASE("service ports are sorted and joined, service addresses and the log limit are taken over") {
  Node node;
  auto& felix = node.felix("default");
  felix.kube_node_port_ranges = {{30000, 32767}, {80, 80}, {32000, 32800}, {81, 90}};
  felix.log_action_rate_limit = "4/second";
  felix.log_action_rate_limit_burst = 0;
  model::NodewallConfiguration own;
  own.service_addresses = {net("10.0.0.2"), net("2001:db8::/64")};
  node.add("default", own);
  const auto resolved = node.resolve();
  CHECK(resolved.settings.service_ports == std::vector<model::PortRange>{{80, 90}, {30000, 32800}});
  CHECK(resolved.settings.service_addresses == own.service_addresses);
  CHECK(resolved.settings.log_interval == std::chrono::milliseconds(250));
  CHECK(resolved.settings.log_burst == 0);
  felix.log_action_rate_limit = "";
  CHECK_FALSE(node.resolve().settings.log_interval);
}

TEST_CASE("the node's own FelixConfiguration wins field by field over the default one") {
  Node node;
  auto& all = node.felix("default");
  all.interface_prefix = {{"tap"}};
  all.failsafe_inbound.emplace();
  auto& own = node.felix("node.node1");
  own.failsafe_inbound = {{{protocol("TCP"), 2222, {}}}};
  own.bpf_conntrack_timeouts.emplace().udp = model::Timeout{seconds(7)};
  own.bpf_map_size_conntrack = 1000;
  node.felix("node.other").interface_prefix = {{"nope"}};
  const auto settings = node.resolve().settings;
  CHECK(settings.interface_prefix == std::vector<std::string>{"tap"});
  REQUIRE(settings.failsafe_inbound.size() == 1);
  CHECK(settings.failsafe_inbound[0].port == 2222);
  CHECK(settings.failsafe_outbound == model::default_failsafe_outbound());
  CHECK(settings.udp == seconds(7));
  CHECK(settings.icmp == seconds(5));
  CHECK(settings.conntrack_size == 1000);
  CHECK_FALSE(has_condition(node.resolve(), "NoEffect", "node.other"));
}

TEST_CASE("NodewallConfiguration default decides about established flows and hooks") {
  Node node;
  model::NodewallConfiguration own;
  own.established_flows = model::EstablishedFlows::Keep;
  own.ingress_hooks = {{"eth*", model::IngressHook::Tc}};
  node.add("default", own);
  const auto settings = node.resolve().settings;
  CHECK(settings.established_flows == model::EstablishedFlows::Keep);
  CHECK(settings.ingress_hooks == own.ingress_hooks);
}

TEST_CASE("what a configuration says without effect is named") {
  Node node;
  auto& felix = node.felix("default");
  felix.untyped = {{"bpfEnabled", "true"}, {"xdpEnabled", "false"}};
  felix.interface_exclude = {{"/(/", "eth1"}};
  felix.bpf_map_size_conntrack = -1;
  felix.bpf_conntrack_timeouts.emplace().tcp_fins_seen = model::Timeout{};
  node.felix("mine");
  const auto resolved = node.resolve();
  REQUIRE(has_condition(resolved, "NoEffect", "default"));
  const auto said = [&](std::string_view text) {
    return std::ranges::any_of(resolved.conditions, [&](const auto& it) { return it.message.find(text) != std::string::npos; });
  };
  CHECK(said("bpfEnabled, xdpEnabled"));
  CHECK(said("bpfMapSizeConntrack: -1"));
  CHECK(has_condition(resolved, "AutoTimeout", "default"));
  CHECK(has_condition(resolved, "NoEffect", "mine"));
  CHECK(has_condition(resolved, "InvalidPattern", "default"));
  CHECK(resolve::is_excluded_interface(resolved.settings, "eth1"));
  CHECK_FALSE(resolve::is_excluded_interface(resolved.settings, "eth0"));
}
