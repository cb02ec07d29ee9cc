// docs/semantics.md "Automatic host endpoints": which there are, and what stays of people's edits.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "world.h"

using namespace nodewall;
using namespace nodewall::controller;

TEST_CASE("an automatic host endpoint looks as Calico's does") {
  auto world = enabled();
  CHECK(world.settle() == 1);
  const auto& made = world.at("n1-auto-hep");
  CHECK(made.metadata.labels == model::Labels{{"zone", "a"}, {"projectcalico.org/created-by", "calico-kube-controllers"}});
  CHECK(made.metadata.annotations.empty());
  const auto& spec = world.spec("n1-auto-hep");
  CHECK(spec.node == "n1");
  CHECK(spec.interface_name == "*");
  CHECK(spec.expected_ips == addresses({"10.0.0.5", "192.168.7.0"}));
  CHECK(spec.profiles == Names{"projectcalico-default-allow"});
  CHECK(spec.ports.empty());
}

TEST_CASE("without autoCreate there is none, and those with the label go") {
  auto world = enabled();
  world.settle();
  SECTION("Disabled") { world.configure({.auto_create = false, .create_default_host_endpoint = {}, .templates = {}}); }
  SECTION("not given") { world.configure({}); }
  SECTION("Disabled, with templates") {
    auto some = part("t");
    some.interface_cidrs = {parse_cidr("0.0.0.0/0", BareAddress::refuse).value()};
    world.configure({.auto_create = false, .create_default_host_endpoint = {}, .templates = {some}});
  }
  SECTION("hostEndpoint removed") {
    auto& object = world.resources.at({model::Kind::KubeControllersConfiguration, "default"});
    std::get<Kcc>(object.spec).node->host_endpoint.reset();
  }
  SECTION("node section removed") {
    auto& object = world.resources.at({model::Kind::KubeControllersConfiguration, "default"});
    std::get<Kcc>(object.spec).node.reset();
  }
  SECTION("configuration deleted") {
    world.resources.erase({model::Kind::KubeControllersConfiguration, "default"});
  }
  SECTION("by the environment") { world.environment["AUTO_HOST_ENDPOINTS"] = "Disabled"; }
  world.settle();
  CHECK(world.endpoints().empty());
}

TEST_CASE("every node gets one, and a node that is deleted takes it along") {
  auto world = enabled();
  world.add(node("n2"));
  world.settle();
  CHECK(world.endpoints() == Names{"n1-auto-hep", "n2-auto-hep"});
  world.resources.erase({model::Kind::Node, "n1"});
  world.settle();
  CHECK(world.endpoints() == Names{"n2-auto-hep"});
}

TEST_CASE("changes of a node reach its host endpoint") {
  auto world = enabled();
  world.settle();
  auto changed = node("n1", {{"zone", "b"}});
  std::get<model::Node>(changed.spec).bgp_ipv4 = "10.0.0.6/24";
  world.add(changed);
  world.settle();
  CHECK(world.at("n1-auto-hep").metadata.labels.at("zone") == "b");
  CHECK(world.spec("n1-auto-hep").expected_ips == addresses({"10.0.0.6", "192.168.7.0"}));
}

TEST_CASE("a person's edits of labels, annotations, expectedIPs and interfaceName are reverted") {
  auto world = enabled();
  world.settle();
  const auto before = world.at("n1-auto-hep");
  auto& now = world.at("n1-auto-hep");
  SECTION("label added") { now.metadata.labels["mine"] = "1"; }
  SECTION("label changed") { now.metadata.labels["zone"] = "z"; }
  SECTION("label removed") { now.metadata.labels.erase("zone"); }
  SECTION("annotation") { now.metadata.annotations["note"] = "1"; }
  SECTION("expectedIPs") { world.spec("n1-auto-hep").expected_ips.pop_back(); }
  SECTION("their order") { std::ranges::reverse(world.spec("n1-auto-hep").expected_ips); }
  SECTION("interfaceName") { world.spec("n1-auto-hep").interface_name = "eth0"; }
  CHECK(world.settle() == 1);
  CHECK(world.at("n1-auto-hep") == before);
}

TEST_CASE("edits of profiles, ports and node stay until another compared field differs") {
  auto world = enabled();
  world.settle();
  const auto before = world.at("n1-auto-hep");
  world.spec("n1-auto-hep").profiles = {"mine"};
  world.spec("n1-auto-hep").node = "n9";
  world.spec("n1-auto-hep").ports = {{.name = "http", .protocol = *model::protocol_by_name("TCP"), .port = 80}};
  CHECK(world.settle() == 0);
  world.at("n1-auto-hep").metadata.labels["mine"] = "1";
  CHECK(world.settle() == 1);
  CHECK(world.at("n1-auto-hep") == before);
}

TEST_CASE("one that was deleted is made again") {
  auto world = enabled();
  world.settle();
  world.resources.erase({model::Kind::HostEndpoint, "n1-auto-hep"});
  CHECK(world.settle() == 1);
  CHECK(world.endpoints() == Names{"n1-auto-hep"});
}

TEST_CASE("without the label a host endpoint is people's, also under an automatic name") {
  auto world = enabled();
  world.settle();
  world.at("n1-auto-hep").metadata.labels.erase("projectcalico.org/created-by");
  world.spec("n1-auto-hep").interface_name = "eth9";
  SECTION("the label of another creator is none") {
    world.at("n1-auto-hep").metadata.labels["projectcalico.org/created-by"] = "me";
  }
  CHECK(world.settle() == 0);
  CHECK(world.spec("n1-auto-hep").interface_name == "eth9");
  CHECK(world.says("AutomaticNameTaken"));
  world.configure({});
  world.settle();
  CHECK(world.endpoints() == Names{"n1-auto-hep"});
}

TEST_CASE("a person's own wildcard on the same node is left alone, one with the label is stale") {
  auto world = enabled();
  auto mine = node("x");
  mine.metadata.name = "mine";
  mine.spec = model::HostEndpoint{.node = "n1", .interface_name = "*", .expected_ips = {}, .profiles = {}, .ports = {}};
  world.add(mine);
  auto stale = mine;
  stale.metadata.name = "stale";
  stale.metadata.labels["projectcalico.org/created-by"] = "calico-kube-controllers";
  world.add(stale);
  world.settle();
  CHECK(world.endpoints() == Names{"mine", "n1-auto-hep"});
  CHECK(world.at("mine") == mine);
}

TEST_CASE("expectedIPs are in Calico's order") {
  model::Node spec;
  spec.bgp_ipv4 = "10.0.0.1/24";
  spec.bgp_ipv6 = "fd00::1/64";
  spec.ipip_tunnel = "10.0.0.2";
  spec.vxlan_tunnel_v4 = "10.0.0.3";
  spec.vxlan_tunnel_v6 = "fd00::3";
  spec.wireguard_v4 = "10.0.0.4";
  spec.wireguard_v6 = "fd00::4";
  spec.addresses = {{.address = "10.0.0.1", .type = "InternalIP"},
                    {.address = "1.2.3.4", .type = "ExternalIP"},
                    {.address = "node", .type = "Hostname"},
                    {.address = "not an address", .type = "InternalIP"},
                    {.address = "10.0.0.5", .type = "InternalIP"}};
  spec.interfaces = {{.name = "eth0", .addresses = addresses({"10.0.0.6", "10.0.0.5"})}};
  CHECK(expected_ips(spec) == addresses({"10.0.0.1", "fd00::1", "10.0.0.2", "10.0.0.3", "fd00::3", "10.0.0.4", "fd00::4",
                                         "10.0.0.5", "10.0.0.6"}));
  spec = {};
  spec.bgp_ipv4 = "10.0.0.1/24";
  spec.wireguard_v4 = "10.0.0.1";
  CHECK(expected_ips(spec) == addresses({"10.0.0.1", "10.0.0.1"}));
}

TEST_CASE("a host endpoint has an address once, although two of the node's fields hold it") {
  auto world = enabled();
  auto twice = node("n1");
  std::get<model::Node>(twice.spec).wireguard_v4 = "10.0.0.5";
  world.add(twice);
  world.settle();
  CHECK(world.spec("n1-auto-hep").expected_ips == addresses({"10.0.0.5", "192.168.7.0"}));
}
