// What an engine does about a kernel that refuses.
#include <catch2/catch_test_macros.hpp>

#include "compile/image_reader.h"
#include "node.h"

using namespace nodewall;
using engine::Event;
using fake::Node;
using fake::take_calls;

namespace {

Address host(std::uint32_t number) { return Address::v4(0xc6336400U + number); }  // 198.51.100.0/24

// What the one endpoint's image says to a packet from there.
std::uint32_t verdict_from(std::uint32_t number) {
  resolve::PacketQuery packet;
  packet.source = host(number);
  packet.destination = host(200);
  packet.protocol = 6;
  packet.destination_port = 80;
  return compile::ImageReader(fake::kernel_state.image).ask(0, NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS, packet).verdict;
}

}  // namespace

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

TEST_CASE("members that came while the kernel refused, or while nothing was enforced, are enforced with those that follow") {
  Node node;
  node.govern("a", "eth0");
  model::Rule deny, allow;
  deny.action = model::Action::Deny;
  deny.source.selector = model::Selector();
  model::GlobalNetworkPolicy policy;
  policy.ingress = {deny, allow};
  node.add("p", policy);
  node.add("set", model::GlobalNetworkSet{});
  auto& nets = std::get<model::GlobalNetworkSet>(node.resources.at({model::Kind::GlobalNetworkSet, "set"}).spec).nets;
  nets.push_back({host(0), 32});
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  std::uint32_t next = 1;
  const auto add = [&] { nets.push_back({host(next++), 32}); };
  const auto check = [&] {
    REQUIRE(engine->apply(node.resources, node.facts));
    for (std::uint32_t i = 0; i < 32; ++i) CHECK(verdict_from(i) == (i < next ? NW_DENY : NW_ALLOW));
  };
  check();
  for (auto* fails : {&fake::kernel_state.image_fails, &fake::kernel_state.entries_fail}) {
    add();
    if (fails == &fake::kernel_state.entries_fail) node.govern("b", next % 2 == 0 ? "eth1" : "eth0");
    *fails = true;
    (void)engine->apply(node.resources, node.facts);
    add();
    (void)engine->apply(node.resources, node.facts);
    *fails = false;
    add();
    check();
  }
  REQUIRE(engine->disarm());
  add();
  REQUIRE(engine->apply(node.resources, node.facts));
  REQUIRE(engine->arm());
  add();
  check();
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
