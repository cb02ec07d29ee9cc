// docs/semantics.md "Automatic host endpoints": those of templates, and how they are called.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "world.h"

using namespace nodewall;
using namespace nodewall::controller;

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
