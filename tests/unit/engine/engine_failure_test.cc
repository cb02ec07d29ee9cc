// What an engine does about a kernel that refuses.
#include <catch2/catch_test_macros.hpp>

#include "node.h"

using namespace nodewall;
using engine::Event;
using fake::Node;
using fake::take_calls;

TEST_CASE("an interface that fails does not stop the others and is tried again") {
  Node node;
  node.govern("all", "*");
  fake::kernel_state.broken = {2};
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.hooks.contains({3, kernel::Hook::tc_ingress}));
  CHECK(engine->status().interfaces.at(0).problem.find("no such device") != std::string::npos);
  CHECK(engine->status().interfaces.at(1).problem.empty());
  const auto said = node.count(Event::Kind::failed);
  (void)engine->tick();
  CHECK(node.count(Event::Kind::failed) == said);
  fake::kernel_state.broken.clear();
  REQUIRE(engine->tick());
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
  CHECK(engine->status().interfaces.at(0).problem.empty());
}

TEST_CASE("T-K1 a failed apply leaves what was enforced and is tried again") {
  Node node;
  node.govern("a", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  node.govern("b", "eth1");
  fake::kernel_state.image_fails = true;
  CHECK_FALSE(engine->apply(node.resources, node.facts));
  CHECK(engine->status().last_error.find("no memory") != std::string::npos);
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
  CHECK_FALSE(fake::kernel_state.hooks.contains({3, kernel::Hook::tc_ingress}));
  fake::kernel_state.image_fails = false;
  REQUIRE(engine->tick());
  CHECK(engine->status().last_error.empty());
  CHECK(fake::kernel_state.hooks.contains({3, kernel::Hook::tc_ingress}));
}

TEST_CASE("T-K2 a change that failed half-way and is taken back is taken back in the kernel too") {
  Node node;
  node.govern("a", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  const auto old_policy = node.resources;
  const auto old_image = fake::kernel_state.image.size();
  for (int i = 0; i < 40; ++i) node.govern("more" + std::to_string(i), "eth9");
  node.govern("b", "eth1");
  fake::kernel_state.entries_fail = true;
  CHECK_FALSE(engine->apply(node.resources, node.facts));
  REQUIRE(fake::kernel_state.image.size() != old_image);  // the new image is live
  fake::kernel_state.entries_fail = false;
  REQUIRE(engine->apply(old_policy, node.facts));
  CHECK(fake::kernel_state.image.size() == old_image);
}

TEST_CASE("T-K2 a hook that could not be taken off is taken off at the next tick") {
  Node node;
  node.govern("a", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  node.release("a");
  fake::kernel_state.detach_fails = true;
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(node.count(Event::Kind::failed) > 0);
  fake::kernel_state.detach_fails = false;
  REQUIRE(engine->tick());
  CHECK(fake::kernel_state.hooks.empty());
  take_calls();
  REQUIRE(engine->tick());
  CHECK(take_calls().empty());
}
