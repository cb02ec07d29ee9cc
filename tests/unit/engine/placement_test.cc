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

bool all_change(const std::string&) { return false; }
bool none_changes(const std::string&) { return true; }

using Names = std::map<std::string, std::uint32_t>;

// Whom each slot judges as, main slots and aliases.
std::map<std::uint32_t, std::string> meanings(const engine::Placement& placement) {
  auto result = placement.aliases;
  for (const auto& [name, slot] : placement.slots.endpoints) CHECK(result.emplace(slot, name).second);
  return result;
}

}  // namespace

TEST_CASE("a host endpoint that takes over the interface of one that goes inherits its slot") {
  const auto next =
      engine::place_endpoints(slots({{"old", 0}, {"b", 1}}), governed_by({"new", "b"}), entries({0, 1}), all_change);
  CHECK(next.slots.endpoints == Names{{"new", 0}, {"b", 1}});
  CHECK(next.aliases.empty());
}

TEST_CASE("T-R5 a slot means in the next image what each interface that points to it shall get") {
  // The endpoint moves from the second interface to the first, whose own goes.
  const auto moved =
      engine::place_endpoints(slots({{"one", 1}, {"two", 0}}), governed_by({"one", ""}), entries({0, 1}), all_change);
  CHECK(meanings(moved).at(0) == "one");
  // Two endpoints become one.
  const auto joined = engine::place_endpoints(slots({{"a", 0}, {"b", 1}}), governed_by({"all", "all"}), entries({0, 1}), all_change);
  CHECK(meanings(joined) == std::map<std::uint32_t, std::string>{{0, "all"}, {1, "all"}});
  // They change places.
  const auto swapped = engine::place_endpoints(slots({{"a", 0}, {"b", 1}}), governed_by({"b", "a"}), entries({0, 1}), all_change);
  CHECK(meanings(swapped) == std::map<std::uint32_t, std::string>{{0, "b"}, {1, "a"}});
}

TEST_CASE("T-R5 interfaces of one slot that part get slots of their own first, unless its owner's policy stays") {
  const auto split = governed_by({"all", "new"});
  const auto parting = engine::part_interfaces(slots({{"all", 0}}), split, entries({0, 0}), all_change);
  CHECK(parting.aliases == engine::Aliases{{1, "all"}});
  CHECK(parting.entries.at(1).endpoint == 0);
  CHECK(parting.entries.at(2).endpoint == 1);
  const auto next = engine::place_endpoints(slots({{"all", 0}}), split, parting.entries, all_change);
  CHECK(meanings(next) == std::map<std::uint32_t, std::string>{{0, "all"}, {1, "new"}});

  CHECK(engine::part_interfaces(slots({{"all", 0}}), split, entries({0, 0}), none_changes).aliases.empty());
  CHECK(engine::place_endpoints(slots({{"all", 0}}), split, entries({0, 0}), none_changes).slots.endpoints.at("all") == 0);
  // Nobody knows the old policy: the slot is nobody's.
  CHECK_FALSE(meanings(engine::place_endpoints(slots({{"all", 0}}), split, entries({0, 0}), all_change)).contains(0));
}

TEST_CASE("an alias has the policy of the endpoint that it stands for") {
  const auto resolved = governed_by({"a", "b"});
  const auto whole = engine::with_aliases(resolved, slots({{"a", 0}, {"b", 1}}), {{4, "b"}});
  REQUIRE(whole.resolved.endpoints.size() == 3);
  CHECK(whole.slots.endpoints.at(whole.resolved.endpoints.back().host_endpoint) == 4);
  CHECK(whole.resolved.endpoints.back().chains[NW_CHAIN_INGRESS] == resolved.endpoints.at(1).chains[NW_CHAIN_INGRESS]);
}

TEST_CASE("a slot that interfaces still point to is not given to another host endpoint") {
  // `old` goes; its two interfaces part company.
  const auto next =
      engine::place_endpoints(slots({{"old", 0}}), governed_by({"new-a", "new-b"}), entries({0, 0}), all_change).slots;
  REQUIRE(next.endpoints.size() == 2);
  for (const auto& [name, slot] : next.endpoints) CHECK(slot != 0);
  CHECK(next.endpoints.at("new-a") != next.endpoints.at("new-b"));
}

TEST_CASE("the slot of a host endpoint that goes with its interfaces is free again") {
  const auto next =
      engine::place_endpoints(slots({{"old", 0}, {"b", 1}}), governed_by({"", "b", "c"}),
                              entries({0, 1}), all_change).slots;
  CHECK(next.endpoints.at("b") == 1);
  CHECK(next.endpoints.at("c") == 0);
}

TEST_CASE("without known owners a slot goes to the endpoint that shall govern its interfaces, else to nobody") {
  const auto next = engine::place_endpoints({}, governed_by({"b", "a"}), entries({0, 1}), all_change);
  CHECK(next.slots.endpoints == Names{{"a", 1}, {"b", 0}});
  const auto parted = engine::place_endpoints({}, governed_by({"a", "b"}), entries({0, 0}), all_change);
  for (const auto& [name, slot] : parted.slots.endpoints) CHECK(slot != 0);
}

TEST_CASE("an interface that moves to another endpoint keeps its slot until the image has changed") {
  CHECK(engine::entries_before_flip(entries({0, 1}), entries({1, 1})).at(1).endpoint == 0);
}

TEST_CASE("an interface that nobody governs any more loses its entry before the image changes") {
  const auto before =
      engine::entries_before_flip(entries({0, 1}), entries({0}));
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
