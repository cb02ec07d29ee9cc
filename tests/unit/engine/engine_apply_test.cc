// What an engine makes of a state: the order of its writes, and what it leaves alone.
#include <catch2/catch_test_macros.hpp>

#include "node.h"

using namespace nodewall;
using fake::at;
using fake::Node;
using fake::take_calls;

TEST_CASE("an interface is governed in the order that leaves no gap") {
  Node node;
  node.govern("hep", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  const auto report = engine->apply(node.resources, node.facts);
  REQUIRE(report);
  CHECK(report->new_image);
  const auto calls = take_calls();
  CAPTURE(calls);
  CHECK(at(calls, "failsafe") < at(calls, "image"));
  CHECK(at(calls, "image") < at(calls, "entries"));
  CHECK(at(calls, "entries") < at(calls, "attach"));
  CHECK(at(calls, "attach 2 tc-egress") < at(calls, "attach 2 tc-ingress"));
  CHECK(at(calls, "attach 2 tc-ingress") < calls.size());
  CHECK(at(calls, "attach 3") == calls.size());
}

TEST_CASE("the entry of the loopback interface says so, no other does") {
  Node node;
  node.facts.interfaces.push_back({.name = "lo", .ifindex = 1, .addresses = {}, .is_loopback = true});
  node.govern("loop", "lo");
  node.govern("hep", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.interfaces.at(1).flags == NW_INTERFACE_LOOPBACK);
  CHECK(fake::kernel_state.interfaces.at(2).flags == 0);
}

TEST_CASE("a second apply of the same state writes nothing") {
  Node node;
  node.govern("hep", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  take_calls();
  const auto again = engine->apply(node.resources, node.facts);
  REQUIRE(again);
  CHECK(again->writes == 0);
  CHECK(take_calls().empty());
}

TEST_CASE("an interface that nobody governs any more is released before the image changes") {
  Node node;
  node.govern("a", "eth0");
  node.govern("b", "eth1");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  take_calls();
  node.release("b");
  REQUIRE(engine->apply(node.resources, node.facts));
  const auto calls = take_calls();
  CAPTURE(calls);
  CHECK(at(calls, "detach 3") < at(calls, "entries 1"));
  CHECK(at(calls, "entries 1") < at(calls, "image"));
  CHECK(at(calls, "image") < calls.size());
  CHECK(at(calls, "detach 2") == calls.size());
}

TEST_CASE("a new interface changes entries and hooks but not the image") {
  Node node;
  node.govern("all", "*");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  take_calls();
  node.add_interface("eth2", 9);
  const auto report = engine->apply(node.resources, node.facts);
  REQUIRE(report);
  CHECK_FALSE(report->new_image);
  CHECK(fake::kernel_state.interfaces.contains(9));
  CHECK(fake::kernel_state.hooks.contains({9, kernel::Hook::tc_ingress}));
}

TEST_CASE("a configured table of flows is made at the first apply, stays at a restart and is made again when it changes") {
  Node node;
  node.govern("hep", "eth0");
  const auto configure = [&](std::uint32_t size) {
    model::FelixConfiguration felix;
    felix.bpf_map_size_conntrack = size;
    node.add("default", felix);
  };
  configure(100'000);
  {
    auto engine = node.start();
    REQUIRE(engine);
    REQUIRE(engine->apply(node.resources, node.facts));
    CHECK(fake::kernel_state.conntrack_size == 100'000);
  }
  take_calls();
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(take_calls().empty());
  configure(200'000);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.conntrack_size == 200'000);
  CHECK(at(take_calls(), "resize 200000") == 0);
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
}

TEST_CASE("T-R7 an interface that is renamed gets the endpoint of its new name, one that came back new hooks") {
  Node node;
  node.govern("hep", "lan0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.hooks.empty());
  node.facts.interfaces.at(0).name = "lan0";
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.interfaces.contains(2));
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
  // Deleted and made again: the kernel took the hooks along, the number is another.
  fake::kernel_state.hooks.clear();
  node.facts.interfaces.at(0).ifindex = 20;
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK_FALSE(fake::kernel_state.interfaces.contains(2));
  CHECK(fake::kernel_state.interfaces.contains(20));
  CHECK(fake::kernel_state.hooks.contains({20, kernel::Hook::tc_ingress}));
  node.facts.interfaces.at(0).name = "eth0";
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.interfaces.empty());
  CHECK(fake::kernel_state.hooks.empty());
}
