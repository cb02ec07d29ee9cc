// Which host endpoint governs which interface, and what is said about those that govern none.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>

#include "node.h"

using namespace nodewall;
using namespace nodewall::testing;
using Severity = resolve::Condition::Severity;

TEST_CASE("a named endpoint wins over one by address or by wildcard unless the other specific name is less") {
  Node node;
  node.hep("a-all", "*");
  node.hep("m-named", "eth0");
  auto& by_address = node.hep("n-address", "");
  by_address.expected_ips = {ip("10.0.0.2"), ip("192.168.1.2")};
  auto resolved = node.resolve();
  CHECK(governor(resolved, "eth0") == "m-named");
  CHECK(governor(resolved, "eth1") == "n-address");
  const auto shadowed = condition(resolved, "Shadowed", "n-address");
  REQUIRE(shadowed);
  CHECK(shadowed->message.find("m-named on eth0") != std::string::npos);
  CHECK_FALSE(has_condition(resolved, "NoInterfaceMatched", "n-address"));

  node.hep("b-address", "").expected_ips = {ip("10.0.0.2")};
  CHECK(governor(node.resolve(), "eth0") == "b-address");
}

TEST_CASE("one endpoint by expectedIPs governs every interface that owns one of them, IPv6 too") {
  Node node;
  node.hep("ips", "").expected_ips = {ip("2001:db8::2"), ip("192.168.1.2"), ip("127.0.0.1")};
  const auto resolved = node.resolve();
  CHECK(governor(resolved, "eth0") == "ips");
  CHECK(governor(resolved, "eth1") == "ips");
  CHECK(governor(resolved, "lo").empty());  // only by name
}

TEST_CASE("T-P10: an endpoint that names an interface that is not there does not fall back to its addresses, and is said") {
  Node node;
  node.hep("typo", "eht0").expected_ips = {ip("10.0.0.2")};
  const auto resolved = node.resolve();
  CHECK(resolved.assignments.empty());
  const auto said = condition(resolved, "NoInterfaceMatched", "typo");
  REQUIRE(said);
  CHECK(said->severity == Severity::error);
  CHECK(said->message.find("no interface eht0") != std::string::npos);
}

TEST_CASE("no endpoint governs a workload or an excluded interface, by name either") {
  Node node;
  node.hep("w", "cali1");
  CHECK(node.resolve().assignments.empty());
  CHECK(condition(node.resolve(), "NoInterfaceMatched", "w")->message.find("workload interface") != std::string::npos);

  auto& felix = node.felix("default");
  felix.interface_prefix = {{"veth", "tap"}};
  felix.interface_exclude = {{"eth1", "/^cal/"}};
  node.hep("all", "*");
  const auto resolved = node.resolve();
  CHECK(governor(resolved, "cali1").empty());
  CHECK(governor(resolved, "eth1").empty());
  CHECK(governor(resolved, "eth0") == "all");
  CHECK(resolve::is_workload_interface(resolved.settings, "tap0"));
  CHECK_FALSE(resolve::is_workload_interface(resolved.settings, "cali1"));
  CHECK(resolve::is_excluded_interface(resolved.settings, "calico"));
  CHECK_FALSE(resolve::is_excluded_interface(resolved.settings, "vcal"));
}

TEST_CASE("a hostile pattern in interfaceExclude costs little") {
  Node node;
  node.felix("default").interface_exclude = {{"/^(([a-z])+.)+[A-Z]([a-z])+$/", "/(.*)*(.*)*(.*)*[0-9]x/"}};
  node.hep("all", "*");
  const auto start = std::chrono::steady_clock::now();
  const auto resolved = node.resolve();
  CHECK(governor(resolved, "eth0") == "all");
  CHECK_FALSE(resolve::is_excluded_interface(resolved.settings, "aaaaaaaaaaaaaaa"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_CASE("loopback is governed by the endpoint that names it and not by the wildcard") {
  Node node;
  node.hep("all", "*");
  CHECK(governor(node.resolve(), "lo").empty());
  node.hep("loop", "lo");
  CHECK(governor(node.resolve(), "lo") == "loop");
}

TEST_CASE("a host endpoint that names a VRF is said to judge nothing that comes in, a wildcard is on what is below it") {
  Node node;
  node.facts.interfaces.push_back({.name = "vrf0", .ifindex = 9, .addresses = {}, .sees_ingress = false});
  node.hep("all", "*");
  auto resolved = node.resolve();
  CHECK(governor(resolved, "vrf0") == "all");
  CHECK_FALSE(has_condition(resolved, "NotEnforced", "all"));
  node.hep("named", "vrf0");
  resolved = node.resolve();
  CHECK(governor(resolved, "vrf0") == "named");
  CHECK(has_condition(resolved, "NotEnforced", "named"));
}

TEST_CASE("of two wildcards the lesser name governs and the other is said to be shadowed") {
  Node node;
  node.hep("b", "*");
  node.hep("a", "*");
  const auto resolved = node.resolve();
  CHECK(governor(resolved, "eth0") == "a");
  CHECK(has_condition(resolved, "Shadowed", "b"));
  CHECK(has_condition(resolved, "NoInterfaceMatched", "b"));
  CHECK_FALSE(has_condition(resolved, "Shadowed", "a"));
}

TEST_CASE("a node name that differs only in the case of letters is not enforced and said") {
  Node node;
  node.hep("upper", "eth0").node = "Node1";
  const auto resolved = node.resolve();
  CHECK(resolved.endpoints.empty());
  CHECK(has_condition(resolved, "NodeNameMismatch", "upper"));
}

TEST_CASE("assignments are sorted by interface and name endpoints that are sorted by name") {
  Node node;
  node.hep("z", "eth0");
  node.hep("a", "eth1");
  node.hep("idle", "eth9");
  const auto resolved = node.resolve();
  REQUIRE(resolved.endpoints.size() == 3);
  CHECK(std::ranges::is_sorted(resolved.endpoints, {}, &resolve::EndpointPolicy::host_endpoint));
  REQUIRE(resolved.assignments.size() == 2);
  CHECK(resolved.assignments[0] == resolve::Assignment{"eth0", 2, 2});
  CHECK(resolved.assignments[1] == resolve::Assignment{"eth1", 3, 0});
}

TEST_CASE("local addresses are those of all interfaces, broadcast addresses those of networks that have one") {
  Node node;
  node.facts.interfaces.push_back(Node::interface("ppp0", 7, {"10.1.0.0/31", "10.2.0.1/32", "10.3.0.1/30", "10.0.0.2/24"}));
  const auto resolved = node.resolve();
  std::vector<Address> local, broadcast;
  for (const auto* text : {"10.0.0.2", "10.1.0.0", "10.2.0.1", "10.3.0.1", "127.0.0.1", "192.168.1.2", "::1", "2001:db8::2"})
    local.push_back(ip(text));
  for (const auto* text : {"10.0.0.255", "10.3.0.3", "127.255.255.255", "192.168.1.255"}) broadcast.push_back(ip(text));
  std::ranges::sort(local);
  CHECK(resolved.local_addresses == local);
  CHECK(resolved.broadcast_addresses == broadcast);
}
