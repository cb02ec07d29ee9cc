// Which hook judges an interface, and what an engine does when somebody takes it away.
#include <catch2/catch_test_macros.hpp>
#include <algorithm>

#include "node.h"

using namespace nodewall;
using engine::Event;
using fake::at;
using fake::Node;
using fake::take_calls;

namespace {

model::NodewallConfiguration hooks(const std::string& interfaces, model::IngressHook hook) {
  model::NodewallConfiguration configuration;
  configuration.ingress_hooks = {{interfaces, hook}};
  return configuration;
}

}  // namespace

TEST_CASE("XDP judges where the driver has it, and never beside tc") {
  Node node;
  node.add_interface("nic0", 7);
  node.govern("all", "*");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.hooks.contains({7, kernel::Hook::xdp}));
  CHECK_FALSE(fake::kernel_state.hooks.contains({7, kernel::Hook::tc_ingress}));
  node.add("default", hooks("nic*", model::IngressHook::Tc));
  take_calls();
  REQUIRE(engine->apply(node.resources, node.facts));
  const auto calls = take_calls();
  CAPTURE(calls);
  CHECK(at(calls, "attach 7 tc-ingress") < at(calls, "detach 7 xdp"));
  CHECK(at(calls, "detach 7 xdp") < calls.size());
  CHECK_FALSE(fake::kernel_state.hooks.contains({7, kernel::Hook::xdp}));
}

TEST_CASE("an interface without Ethernet header is never judged at XDP, though it is configured") {
  Node node;
  node.add_interface("tun0", 8);
  node.facts.interfaces.back().has_ethernet_header = false;
  node.govern("all", "*");
  node.add("default", hooks("*", model::IngressHook::Xdp));
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::xdp}));
  CHECK(fake::kernel_state.hooks.contains({8, kernel::Hook::tc_ingress}));
  CHECK_FALSE(fake::kernel_state.hooks.contains({8, kernel::Hook::xdp}));
}

TEST_CASE("where XDP cannot be had an interface is judged at tc and says so, until XDP can be had") {
  Node node;
  node.add_interface("nic0", 7);
  node.govern("all", "*");
  fake::kernel_state.xdp_taken = {7};
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  const auto problem = [&] {
    const auto interfaces = engine->status().interfaces;
    return std::ranges::find(interfaces, "nic0", &engine::InterfaceStatus::name)->problem;
  };
  CHECK(fake::kernel_state.hooks.contains({7, kernel::Hook::tc_ingress}));
  CHECK(problem() == "xdp: it has one already; judged at tc");
  (void)engine->tick();
  CHECK(problem() == "xdp: it has one already; judged at tc");
  CHECK(fake::kernel_state.hooks.contains({7, kernel::Hook::tc_ingress}));
  fake::kernel_state.xdp_taken.clear();
  REQUIRE(engine->tick());
  CHECK(problem().empty());
  CHECK(fake::kernel_state.hooks.contains({7, kernel::Hook::xdp}));
  CHECK_FALSE(fake::kernel_state.hooks.contains({7, kernel::Hook::tc_ingress}));
}

TEST_CASE("a hook that was taken away from outside is put back and said") {
  Node node;
  node.govern("hep", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  fake::kernel_state.hooks.erase({2, kernel::Hook::tc_ingress});
  REQUIRE(engine->tick());
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
  CHECK(node.count(Event::Kind::reattached) == 1);
  REQUIRE(engine->tick());
  CHECK(node.count(Event::Kind::reattached) == 1);
}

TEST_CASE("pins that somebody removed are put back with everything in them") {
  Node node;
  node.govern("hep", "eth0");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  REQUIRE(kernel::remove_pinned(node.directory + "/nodewall"));
  REQUIRE(engine->tick());
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::tc_ingress}));
  CHECK(fake::kernel_state.interfaces.contains(2));
  CHECK(fake::kernel_state.generation > 0);
}
