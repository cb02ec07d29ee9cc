// What an engine finds when it starts, and what it keeps of it.
#include <catch2/catch_test_macros.hpp>

#include "engine/state_file.h"
#include "node.h"

using namespace nodewall;
using fake::Node;
using fake::take_calls;

TEST_CASE("a restarted engine takes over what is enforced and writes nothing") {
  Node node;
  node.govern("hep", "eth0");
  {
    auto engine = node.start();
    REQUIRE(engine);
    REQUIRE(engine->apply(node.resources, node.facts));
  }
  const auto generation = fake::kernel_state.generation;
  take_calls();
  auto engine = node.start();
  REQUIRE(engine);
  const auto report = engine->apply(node.resources, node.facts);
  REQUIRE(report);
  CHECK(report->writes == 0);
  CHECK(take_calls().empty());
  CHECK(report->generation == generation);
  CHECK(engine->status().generation == generation);
}

TEST_CASE("the generation grows across restarts") {
  Node node;
  node.govern("hep", "eth0");
  std::uint32_t last = 0;
  for (int round = 0; round < 3; ++round) {
    auto engine = node.start();
    REQUIRE(engine);
    const auto name = "more" + std::to_string(round);
    node.add_interface(name, 10 + static_cast<std::uint32_t>(round));
    node.govern(name, name);
    const auto report = engine->apply(node.resources, node.facts);
    REQUIRE(report);
    CHECK(report->generation > last);
    last = report->generation;
  }
}

TEST_CASE("T-R8 slots of a policy file that is not the live image's are not believed") {
  Node node;
  node.govern("a", "eth0");
  node.govern("b", "eth1");
  {
    auto engine = node.start();
    REQUIRE(engine);
    REQUIRE(engine->apply(node.resources, node.facts));
    // The file says that the two have each other's slot.
    auto saved = engine::read_policy(engine->run_dir());
    REQUIRE(saved);
    std::swap(saved->slots.endpoints.at("a"), saved->slots.endpoints.at("b"));
    saved->generation -= 1;
    REQUIRE(engine::write_policy(engine->run_dir(), *saved));
  }
  const auto entries = fake::kernel_state.interfaces;
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  for (const auto& [ifindex, entry] : entries) CHECK(fake::kernel_state.interfaces.at(ifindex).endpoint == entry.endpoint);
  CHECK(engine::read_policy(engine->run_dir())->generation == fake::kernel_state.generation);
}

TEST_CASE("a second engine in the same place is refused") {
  Node node;
  const auto first = node.start();
  REQUIRE(first);
  const auto second = node.start();
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::busy);
}

TEST_CASE("the counters of an interface keep their place across a restart and a new one's") {
  Node node;
  node.govern("all", "*");
  std::uint32_t block = 0;
  {
    auto engine = node.start();
    REQUIRE(engine);
    REQUIRE(engine->apply(node.resources, node.facts));
    block = engine->status().interfaces.at(1).counter;
  }
  node.facts.interfaces.insert(node.facts.interfaces.begin(), {.name = "aaa", .ifindex = 11, .addresses = {}});
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(engine->status().interfaces.at(2).counter == block);
}
