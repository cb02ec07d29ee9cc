// docs/semantics.md 40.
#include "controller/node_object.h"

#include <catch2/catch_test_macros.hpp>

using namespace nodewall;
using namespace nodewall::controller;

namespace {

resolve::InterfaceFacts interface(const std::string& name, std::initializer_list<const char*> addresses) {
  resolve::InterfaceFacts facts;
  facts.name = name;
  facts.is_loopback = name == "lo";
  for (const char* text : addresses) facts.addresses.push_back(parse_cidr(text, BareAddress::refuse).value());
  return facts;
}

std::vector<std::string> internal(const model::Resource& resource) {
  std::vector<std::string> list;
  for (const auto& one : std::get<model::Node>(resource.spec).addresses) {
    CHECK(one.type == "InternalIP");
    list.push_back(one.address);
  }
  return list;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the node's own object has its name, its host name and its addresses in a stable order") {
  const resolve::NodeFacts facts{
      .node = "n1",
      .interfaces = {interface("eth1", {"10.1.0.2/24", "2001:db8:1::2/64"}), interface("eth0", {"10.0.0.9/24", "10.0.0.2/24"}),
                     interface("lo", {"127.0.0.1/8", "::1/128"})}};
  const auto made = node_object({}, facts, {{"zone", "a"}});
  REQUIRE(made);
  CHECK(made->id() == model::ResourceId{model::Kind::Node, "n1"});
  CHECK(made->metadata.labels == model::Labels{{"kubernetes.io/hostname", "n1"}, {"zone", "a"}});
  CHECK(internal(*made) == Texts{"10.0.0.2", "10.0.0.9", "10.1.0.2", "2001:db8:1::2"});
  const auto& spec = std::get<model::Node>(made->spec);
  REQUIRE(spec.interfaces.size() == 2);
  CHECK(spec.interfaces[0].name == "eth0");
}

TEST_CASE("addresses that others cannot reach, and those of workloads and excluded interfaces, are left out") {
  const resolve::NodeFacts facts{
      .node = "n1",
      .interfaces = {interface("cali1234", {"10.9.0.1/32"}), interface("kube-ipvs0", {"10.96.0.1/32"}),
                     interface("eth0", {"10.0.0.2/24", "169.254.1.1/16", "fe80::1/64", "2001:db8::/128", "2001:db8::1/64", "ff02::1/128"}),
                     interface("lo", {"127.0.0.1/8", "192.0.2.1/32"})}};
  const auto made = node_object({}, facts, {});
  REQUIRE(made);
  CHECK(internal(*made) == Texts{"10.0.0.2", "2001:db8::1"});
  CHECK(std::get<model::Node>(made->spec).interfaces.size() == 1);
}

TEST_CASE("what a daemon kept under an earlier name of the node is left over, what people wrote is not") {
  const resolve::NodeFacts facts{.node = "new", .interfaces = {interface("eth0", {"10.0.0.2/24"})}};
  model::ResourceSet resources;
  for (const char* name : {"old", "new", "theirs"}) {
    auto named = facts;
    named.node = name;
    auto made = node_object({}, named, {});
    REQUIRE(made);
    if (made->metadata.name == "theirs") made->metadata.annotations.clear();
    resources.emplace(made->id(), *made);
  }
  CHECK(left_nodes(resources, "new") == std::vector<model::ResourceId>{{model::Kind::Node, "old"}});
}

TEST_CASE("an object that is as it shall be is not written again") {
  const resolve::NodeFacts facts{.node = "n1", .interfaces = {interface("eth0", {"10.0.0.2/24"})}};
  auto made = node_object({}, facts, {{"zone", "a"}});
  REQUIRE(made);
  made->metadata.resource_version = "17";
  model::ResourceSet resources{{made->id(), *made}};
  CHECK_FALSE(node_object(resources, facts, {{"zone", "a"}}));

  SECTION("a label that a person added stays, one that was ours goes") {
    auto& metadata = resources.begin()->second.metadata;
    metadata.labels["mine"] = "1";
    const auto next = node_object(resources, facts, {{"rack", "7"}});
    REQUIRE(next);
    CHECK(next->metadata.labels == model::Labels{{"kubernetes.io/hostname", "n1"}, {"mine", "1"}, {"rack", "7"}});
    CHECK(next->metadata.resource_version.empty());
  }
  SECTION("an address that changed is followed, and what people added to the node stays") {
    std::get<model::Node>(resources.begin()->second.spec).bgp_ipv4 = "10.0.0.2/24";
    const auto next =
        node_object(resources, {.node = "n1", .interfaces = {interface("eth0", {"10.0.0.3/24"})}}, {{"zone", "a"}});
    REQUIRE(next);
    CHECK(internal(*next) == Texts{"10.0.0.3"});
    CHECK(std::get<model::Node>(next->spec).bgp_ipv4 == "10.0.0.2/24");
  }
}

TEST_CASE("the host name may be given by the labels file") {
  const auto made = node_object({}, {.node = "n1", .interfaces = {}}, {{"kubernetes.io/hostname", "other"}});
  REQUIRE(made);
  CHECK(made->metadata.labels.at("kubernetes.io/hostname") == "other");
}

TEST_CASE("a Node that a person wrote is left alone") {
  model::Resource mine;
  mine.metadata.name = "n1";
  mine.spec = model::Node{};
  CHECK_FALSE(node_object({{mine.id(), mine}}, {.node = "n1", .interfaces = {interface("eth0", {"10.0.0.2/24"})}}, {}));
}
