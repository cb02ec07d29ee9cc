#include "engine/placement.h"

#include <catch2/catch_test_macros.hpp>

using namespace nodewall;
using engine::InterfaceEntries;

namespace {

// Interface i (ifindex i + 1) is governed by the i-th name; an empty name governs nothing.
resolve::Resolved governed_by(const std::vector<std::string>& names) {
  resolve::Resolved resolved;
  std::map<std::string, std::uint32_t> index;
  for (const auto& name : names) index.emplace(name, 0);
  index.erase("");
  for (auto& [name, number] : index) {
    number = static_cast<std::uint32_t>(resolved.endpoints.size());
    resolve::EndpointPolicy endpoint;
    endpoint.host_endpoint = name;
    resolved.endpoints.push_back(endpoint);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    resolved.assignments.push_back({"eth" + std::to_string(i), static_cast<std::uint32_t>(i + 1),
                                    index.at(names[i])});
  }
  return resolved;
}

InterfaceEntries entries(const std::vector<std::uint32_t>& slots) {
  InterfaceEntries result;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    result.emplace(static_cast<std::uint32_t>(i + 1), nw_interface{slots[i], 0, 0, 0});
  }
  return result;
}

compile::Slots slots(std::map<std::string, std::uint32_t> endpoints) {
  return {.endpoints = std::move(endpoints), .rules = {}};
}

}  // namespace

TEST_CASE("a host endpoint that takes over the interface of one that goes inherits its slot") {
  const auto next =
      engine::place_endpoints(slots({{"old", 0}, {"b", 1}}), governed_by({"new", "b"}), entries({0, 1}));
  CHECK(next.endpoints == std::map<std::string, std::uint32_t>{{"new", 0}, {"b", 1}});
}

TEST_CASE("a slot that interfaces still point to is not given to another host endpoint") {
  // `old` goes; its two interfaces part company.
  const auto next =
      engine::place_endpoints(slots({{"old", 0}}), governed_by({"new-a", "new-b"}), entries({0, 0}));
  REQUIRE(next.endpoints.size() == 2);
  for (const auto& [name, slot] : next.endpoints) CHECK(slot != 0);
  CHECK(next.endpoints.at("new-a") != next.endpoints.at("new-b"));
}

TEST_CASE("the slot of a host endpoint that goes with its interfaces is free again") {
  const auto next =
      engine::place_endpoints(slots({{"old", 0}, {"b", 1}}), governed_by({"", "b", "c"}),
                              entries({0, 1}));
  CHECK(next.endpoints.at("b") == 1);
  CHECK(next.endpoints.at("c") == 0);
}

TEST_CASE("without known owners a new image reuses no slot that is in use") {
  const auto next = engine::place_endpoints({}, governed_by({"a", "b"}), entries({0, 1}));
  for (const auto& [name, slot] : next.endpoints) CHECK(slot >= 2);
}

TEST_CASE("an interface that moves to an endpoint of both images moves before the old one goes") {
  const auto before = engine::entries_before_flip(entries({0, 1}), entries({1, 1}),
                                                  slots({{"old", 0}, {"b", 1}}), slots({{"b", 1}}));
  REQUIRE(before.size() == 2);
  CHECK(before.at(1).endpoint == 1);
}

TEST_CASE("an interface that moves to a new endpoint moves after the image has it") {
  const auto before =
      engine::entries_before_flip(entries({0}), entries({1}), slots({{"old", 0}}),
                                  slots({{"old", 0}, {"new", 1}}));
  CHECK(before.at(1).endpoint == 0);
}

TEST_CASE("an interface that nobody governs any more loses its entry before the image changes") {
  const auto before =
      engine::entries_before_flip(entries({0, 1}), entries({0}), slots({{"a", 0}, {"b", 1}}),
                                  slots({{"a", 0}}));
  CHECK(before.size() == 1);
  CHECK(before.contains(1));
}

TEST_CASE("the first ingress hook rule that names the interface decides") {
  resolve::Settings settings;
  settings.ingress_hooks = {{"eth1", model::IngressHook::Tc}, {"eth*", model::IngressHook::Xdp}};
  CHECK(engine::ingress_hook(settings, "eth1") == model::IngressHook::Tc);
  CHECK(engine::ingress_hook(settings, "eth10") == model::IngressHook::Xdp);
  CHECK(engine::ingress_hook(settings, "lan0") == model::IngressHook::Auto);
}
