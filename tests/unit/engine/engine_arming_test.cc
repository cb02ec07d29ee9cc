// Taking everything off, and putting it back.
#include <catch2/catch_test_macros.hpp>
#include <optional>

#include "engine/state_file.h"
#include "node.h"

using namespace nodewall;
using engine::Engine;
using engine::Event;
using fake::Node;

TEST_CASE("disarm takes everything off, survives a restart, and arm puts it back") {
  Node node;
  node.govern("hep", "eth0");
  {
    auto engine = node.start();
    REQUIRE(engine);
    REQUIRE(engine->apply(node.resources, node.facts));
    REQUIRE(engine->disarm());
    CHECK(fake::kernel_state.hooks.empty());
    CHECK_FALSE(engine->status().armed);
  }
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.hooks.empty());
  CHECK_FALSE(engine->status().armed);
  REQUIRE(engine->arm());
  CHECK(engine->status().armed);
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
}

TEST_CASE("the operator's marker disarms and its removal arms at the next tick") {
  Node node;
  node.govern("hep", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  REQUIRE(engine::set_disarmed(engine->run_dir()));
  REQUIRE(engine->tick());
  CHECK(fake::kernel_state.hooks.empty());
  CHECK(node.count(Event::Kind::disarmed) == 1);
  REQUIRE(engine::clear_disarmed(engine->run_dir()));
  REQUIRE(engine->tick());
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
  CHECK(node.count(Event::Kind::armed) == 1);
}

TEST_CASE("T-K2 a disarm that failed is said, and ended by the next tick or the next start") {
  Node node;
  node.govern("a", "eth0");
  std::optional<Engine> engine = std::move(node.start().value());
  REQUIRE(engine->apply(node.resources, node.facts));
  fake::kernel_state.removal_fails = true;
  CHECK_FALSE(engine->disarm());
  CHECK(engine->status().last_error.find("no memory") != std::string::npos);
  CHECK_FALSE(engine->tick());
  engine.reset();
  engine = std::move(node.start().value());
  CHECK(fake::kernel_state.pinned);
  fake::kernel_state.removal_fails = false;
  REQUIRE(engine->tick());
  CHECK_FALSE(fake::kernel_state.pinned);
  CHECK(engine->status().last_error.empty());
}
