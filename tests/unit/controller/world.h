// World: resources, and the controller that makes automatic host endpoints of them.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/auto_host_endpoints.h"
#include "model/validate.h"

namespace nodewall::controller {

using Kcc = model::KubeControllersConfiguration;
using Names = std::vector<std::string>;

inline std::vector<Address> addresses(std::initializer_list<const char*> texts) {
  std::vector<Address> list;
  for (const char* text : texts) list.push_back(parse_address(text).value());
  return list;
}

inline model::Resource node(const std::string& name, model::Labels labels = {}) {
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

inline World enabled() {
  World world;
  world.configure({.auto_create = true, .create_default_host_endpoint = {}, .templates = {}});
  world.add(node("n1", {{"zone", "a"}}));
  return world;
}

inline model::AutoHostEndpointTemplate part(const std::string& name) {
  model::AutoHostEndpointTemplate out;
  out.generate_name = name;
  return out;
}

}  // namespace nodewall::controller
