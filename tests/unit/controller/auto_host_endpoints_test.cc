// docs/semantics.md "Automatic host endpoints" and "KubeControllersConfiguration".
#include "controller/auto_host_endpoints.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "model/validate.h"

using namespace nodewall;
using namespace nodewall::controller;

namespace {

using Kcc = model::KubeControllersConfiguration;

std::vector<Address> addresses(std::initializer_list<const char*> texts) {
  std::vector<Address> list;
  for (const char* text : texts) list.push_back(parse_address(text).value());
  return list;
}

model::Resource node(const std::string& name, model::Labels labels = {}) {
  model::Resource resource;
  resource.metadata.name = name;
  resource.metadata.labels = std::move(labels);
  model::Node spec;
  spec.bgp_ipv4 = "10.0.0.5/24";
  spec.vxlan_tunnel_v4 = "192.168.7.0";
  resource.spec = spec;
  return resource;
}

// A small world: the changes of each round are carried out until the controller rests.
struct World {
  model::ResourceSet resources;
  std::map<std::string, std::string> environment;
  std::vector<resolve::Condition> conditions;

  void add(model::Resource resource) { resources.insert_or_assign(resource.id(), std::move(resource)); }
  void configure(const model::AutoHostEndpointConfig& endpoints) {
    model::Resource resource;
    resource.metadata.name = "default";
    auto spec = model::default_kube_controllers_configuration();
    spec.node->host_endpoint = endpoints;
    resource.spec = spec;
    add(resource);
  }
  // The number of rounds that changed something.
  int settle() {
    for (int round = 0; round < 5; ++round) {
      auto changes = reconcile(resources, environment);
      conditions = changes.conditions;
      if (changes.empty()) return round;
      for (auto& resource : changes.write) {
        CHECK(resource.metadata.resource_version.empty());
        if (resource.kind() == model::Kind::HostEndpoint) CHECK(model::validate(resource).empty());
        add(resource);
      }
      for (const auto& id : changes.remove) CHECK(resources.erase(id) == 1);
    }
    FAIL("the controller does not come to rest");
    return -1;
  }
  [[nodiscard]] std::vector<std::string> endpoints() const {
    std::vector<std::string> names;
    for (const auto& [id, resource] : resources)
      if (id.kind == model::Kind::HostEndpoint) names.push_back(id.name);
    return names;
  }
  model::Resource& at(const std::string& name) { return resources.at({model::Kind::HostEndpoint, name}); }
  model::HostEndpoint& spec(const std::string& name) { return std::get<model::HostEndpoint>(at(name).spec); }
  [[nodiscard]] const Kcc& configuration() const {
    return std::get<Kcc>(resources.at({model::Kind::KubeControllersConfiguration, "default"}).spec);
  }
  [[nodiscard]] bool says(std::string_view type) const {
    return std::ranges::any_of(conditions, [&](const auto& one) { return one.type == type; });
  }
};

World enabled() {
  World world;
  world.configure({.auto_create = true, .create_default_host_endpoint = {}, .templates = {}});
  world.add(node("n1", {{"zone", "a"}}));
  return world;
}

model::AutoHostEndpointTemplate part(const std::string& name) {
  model::AutoHostEndpointTemplate out;
  out.generate_name = name;
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

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

TEST_CASE("createDefaultHostEndpoint Disabled leaves only templates") {
  auto world = enabled();
  world.settle();
  auto some = part("cidr");
  some.interface_cidrs = {parse_cidr("192.168.0.0/16", BareAddress::refuse).value()};
  world.configure({.auto_create = true, .create_default_host_endpoint = false, .templates = {some}});
  world.settle();
  CHECK(world.endpoints() == Names{"n1-cidr-auto-hep"});
  CHECK(world.spec("n1-cidr-auto-hep").interface_name.empty());
  CHECK(world.spec("n1-cidr-auto-hep").expected_ips == addresses({"192.168.7.0"}));
  CHECK(world.spec("n1-cidr-auto-hep").profiles == Names{"projectcalico-default-allow"});

  SECTION("a template without an address inside makes none") {
    some.interface_cidrs = {parse_cidr("172.16.0.0/12", BareAddress::refuse).value()};
    world.configure({.auto_create = true, .create_default_host_endpoint = false, .templates = {some}});
    world.settle();
    CHECK(world.endpoints().empty());
  }
  SECTION("a template that is removed takes its own along") {
    world.configure({.auto_create = true, .create_default_host_endpoint = true, .templates = {}});
    world.settle();
    CHECK(world.endpoints() == Names{"n1-auto-hep"});
  }
  SECTION("so does a node that is no longer selected") {
    some.node_selector = model::Selector::parse("zone == 'b'").value();
    world.configure({.auto_create = true, .create_default_host_endpoint = false, .templates = {some}});
    world.settle();
    CHECK(world.endpoints().empty());
  }
}

TEST_CASE("a template's labels and annotations are added, and the created-by label is the last word") {
  auto world = enabled();
  auto some = part("t");
  some.interface_cidrs = {parse_cidr("10.0.0.0/8", BareAddress::refuse).value()};
  some.labels = {{"zone", "template"}, {"projectcalico.org/created-by", "template"}};
  some.annotations = {{"note", "1"}};
  world.configure({.auto_create = true, .create_default_host_endpoint = {}, .templates = {some}});
  world.settle();
  const auto& metadata = world.at("n1-t-auto-hep").metadata;
  CHECK(metadata.labels.at("zone") == "template");
  CHECK(metadata.labels.at("projectcalico.org/created-by") == "calico-kube-controllers");
  CHECK(metadata.annotations.at("note") == "1");
  CHECK(world.at("n1-auto-hep").metadata.labels.at("zone") == "a");
}

TEST_CASE("interfacePattern makes one for each matching interface") {
  auto world = enabled();
  auto with_interfaces = node("n1");
  std::get<model::Node>(with_interfaces.spec).interfaces = {{.name = "eth0", .addresses = addresses({"10.0.0.5", "fd00::5"})},
                                                            {.name = "eth1", .addresses = addresses({"10.1.0.5"})},
                                                            {.name = "Bond_0", .addresses = {}},
                                                            {.name = "wg0", .addresses = {}}};
  world.add(with_interfaces);
  auto some = part("p");
  const auto configure = [&] {
    world.configure({.auto_create = true, .create_default_host_endpoint = false, .templates = {some}});
    world.settle();
  };
  SECTION("not anchored") {
    some.interface_pattern = "th";
    configure();
    CHECK(world.endpoints() == Names{"n1-p-eth0-auto-hep", "n1-p-eth1-auto-hep"});
    CHECK(world.spec("n1-p-eth0-auto-hep").interface_name == "eth0");
    CHECK(world.spec("n1-p-eth0-auto-hep").expected_ips == addresses({"10.0.0.5", "fd00::5"}));
  }
  SECTION("with the addresses inside interfaceCIDRs, each once") {
    some.interface_pattern = "^eth[01]$";
    some.interface_cidrs = {parse_cidr("10.0.0.0/24", BareAddress::refuse).value()};
    configure();
    CHECK(world.spec("n1-p-eth0-auto-hep").expected_ips == addresses({"10.0.0.5", "fd00::5"}));
    CHECK(world.spec("n1-p-eth1-auto-hep").expected_ips == addresses({"10.0.0.5", "10.1.0.5"}));
  }
  SECTION("a name that no object can have becomes a digest") {
    some.interface_pattern = "Bond";
    configure();
    REQUIRE(world.endpoints().size() == 1);
    const auto name = world.endpoints().front();
    CHECK(model::is_dns_subdomain(name));
    CHECK(name.ends_with("-auto-hep"));
    CHECK(world.spec(name).interface_name == "Bond_0");
  }
  SECTION("a pattern that cannot be used is said, and the others go on") {
    some.interface_pattern = "eth(";
    auto good = part("good");
    good.interface_pattern = "wg";
    world.configure({.auto_create = true, .create_default_host_endpoint = false, .templates = {some, good}});
    world.settle();
    CHECK(world.endpoints() == Names{"n1-good-wg0-auto-hep"});
    CHECK(world.says("TemplateInvalid"));
  }
}

TEST_CASE("a name of more than 253 characters becomes the digest of what it would be") {
  auto world = enabled();
  const std::string shared(240, 'a');
  for (const std::string end : {"-one-very-long", "-two-very-long"}) {
    auto long_one = node(shared + end.substr(0, 9) + "abc");
    world.add(long_one);
  }
  world.resources.erase({model::Kind::Node, "n1"});
  world.settle();
  const auto names = world.endpoints();
  REQUIRE(names.size() == 2);
  for (const auto& name : names) {
    CHECK(name.ends_with("-auto-hep"));
    const auto digest = name.substr(0, name.size() - 9);
    CHECK(digest.size() <= 43);
    CHECK(digest.size() >= 30);
    CHECK(std::ranges::all_of(digest, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }));
  }
  CHECK(world.settle() == 0);
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

TEST_CASE("the configuration is written with its defaults when there is none, and rests then") {
  World world;
  CHECK(world.settle() == 1);
  const auto& made = world.configuration();
  CHECK(made.log_severity_screen == "Info");
  CHECK(made.node->host_endpoint->auto_create == false);
  REQUIRE(made.running_config);
  CHECK(made.status_environment == std::map<std::string, std::string>{{"DATASTORE_TYPE", "directory"}});
}

TEST_CASE("runningConfig is the spec with its defaults") {
  World world;
  model::Resource resource;
  resource.metadata.name = "default";
  Kcc spec;
  spec.node = model::NodeController{};
  spec.node->sync_labels = true;
  resource.spec = spec;
  world.add(resource);
  world.settle();
  const auto running = world.configuration().running_config;
  REQUIRE(running);
  CHECK(running->health_checks == true);
  CHECK(running->etcd_v3_compaction_period == std::chrono::minutes(10));
  CHECK(running->prometheus_metrics_port == 9094);
  CHECK(running->node->reconciler_period == std::chrono::minutes(5));
  CHECK(running->node->leak_grace_period == std::chrono::minutes(15));
  CHECK(running->node->sync_labels == false);
  CHECK_FALSE(running->node->host_endpoint);
  CHECK_FALSE(running->policy);
  // What people wrote is as they wrote it.
  CHECK(world.configuration().node == spec.node);
}

TEST_CASE("the environment overrides the configuration, and is shown") {
  World world;
  world.configure({});
  world.environment = {{"AUTO_HOST_ENDPOINTS", "eNabled"}, {"LOG_LEVEL", "debug"},       {"RECONCILER_PERIOD", "1m30s"},
                       {"COMPACTION_PERIOD", "0"},         {"HEALTH_ENABLED", "false"}, {"SYNC_NODE_LABELS", "true"},
                       {"ENABLED_CONTROLLERS", "node, profile"}};
  world.add(node("n1"));
  world.settle();
  CHECK(world.endpoints() == Names{"n1-auto-hep"});
  const auto& made = world.configuration();
  CHECK(made.node->host_endpoint->auto_create == std::nullopt);
  CHECK(made.status_environment.size() == 8);
  CHECK(made.status_environment.at("AUTO_HOST_ENDPOINTS") == "eNabled");
  const auto& running = *made.running_config;
  CHECK(running.node->host_endpoint->auto_create == true);
  CHECK(running.log_severity_screen == "Debug");
  CHECK(running.node->reconciler_period == std::chrono::seconds(90));
  CHECK(running.namespace_controller->reconciler_period == std::chrono::seconds(90));
  CHECK(running.etcd_v3_compaction_period == std::chrono::seconds(0));
  CHECK(running.health_checks == false);
  CHECK_FALSE(running.policy);
  CHECK_FALSE(running.workload_endpoint);
  CHECK(world.conditions.empty());
}

TEST_CASE("a variable with a wrong value is said and changes nothing") {
  auto world = enabled();
  const auto name = GENERATE("AUTO_HOST_ENDPOINTS", "RECONCILER_PERIOD", "COMPACTION_PERIOD", "LOG_LEVEL", "HEALTH_ENABLED",
                             "SYNC_NODE_LABELS", "ENABLED_CONTROLLERS");
  world.environment[name] = GENERATE("nonsense", "-5m", "5x", "nan");
  world.settle();
  CHECK(world.says("EnvironmentInvalid"));
  CHECK(world.endpoints() == Names{"n1-auto-hep"});
}

TEST_CASE("ENABLED_CONTROLLERS without node makes no host endpoints") {
  auto world = enabled();
  world.environment["ENABLED_CONTROLLERS"] = "policy";
  world.settle();
  CHECK(world.endpoints().empty());
}
