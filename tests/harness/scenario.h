// Scenario: what a packet is judged by: resources and the node they are resolved for.
#pragma once

#include <string>

#include "model/resources.h"
#include "resolve/endpoint_policy.h"
#include "resolve/facts.h"

namespace nodewall::test {

struct Scenario {
  model::ResourceSet resources;
  resolve::NodeFacts facts;
  bool operator==(const Scenario&) const = default;
};

inline resolve::Resolved resolve(const Scenario& scenario) {
  return resolve::resolve(scenario.resources, scenario.facts);
}

// node1: lo, eth0 and eth1 with addresses of both families.
resolve::NodeFacts default_facts();

// The resources as manifests, and back. Reading them back goes through everything that a user's file goes through.
std::string to_manifests(const model::ResourceSet& resources);
Result<model::ResourceSet> from_manifests(const std::string& text, const std::string& file);

}  // namespace nodewall::test
