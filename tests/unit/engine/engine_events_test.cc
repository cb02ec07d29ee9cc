// What an engine tells of packets that Log rules matched; the kernel is the one of fake_datapath.cc.
#include <catch2/catch_test_macros.hpp>

#include "node.h"

using namespace nodewall;
using engine::Engine;
using engine::PacketEvent;

namespace {

struct Node : fake::Node {
  Node() { govern("hep", "eth0"); }
};

nw_event packet(std::uint32_t ifindex) {
  nw_event raw{};
  raw.source.bytes[10] = raw.source.bytes[11] = 0xff;
  raw.destination = raw.source;
  raw.ifindex = ifindex;
  raw.reason = NW_REASON_NO_PROFILE;
  raw.counter = 0;
  raw.generation = fake::kernel_state.generation;
  return raw;
}

std::vector<PacketEvent> take(Engine& engine) {
  std::vector<PacketEvent> events;
  const auto told = engine.poll_events([&](const PacketEvent& event) { events.push_back(event); });
  REQUIRE(told);
  CHECK(*told == events.size());
  return events;
}

}  // namespace

TEST_CASE("packet events have the names of the interface, its host endpoint and the rule that decided") {
  Node node;
  auto engine = node.start();
  REQUIRE(engine);
  CHECK(take(*engine).empty());  // nothing is enforced yet
  REQUIRE(engine->apply(node.resources, node.facts));
  fake::kernel_state.events = {packet(2), packet(77)};
  const auto events = take(*engine);
  REQUIRE(events.size() == 2);
  CHECK(events[0].interface == "eth0");
  CHECK(events[0].host_endpoint == "hep");
  CHECK(events[0].origin);
  CHECK(events[1].interface == "#77");
  CHECK(events[1].host_endpoint.empty());
}

TEST_CASE("packet events of another generation, or of a policy that could not be applied whole, have no names of rules") {
  Node node;
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  auto old = packet(2);
  old.generation += 5;
  fake::kernel_state.events = {old};
  CHECK_FALSE(take(*engine).at(0).origin);
  fake::kernel_state.generation += 1;  // somebody else's image
  fake::kernel_state.events = {packet(2)};
  CHECK_FALSE(take(*engine).at(0).origin);
}

TEST_CASE("one call tells a bounded number of packet events, and the rest is told by the next") {
  Node node;
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  fake::kernel_state.events.assign(100, packet(2));
  const auto first = take(*engine).size();
  CHECK(first > 0);
  CHECK(first < 100);
  CHECK(take(*engine).size() == 100 - first);
  CHECK(take(*engine).empty());
}

TEST_CASE("packet events that were not told are counted by what kept them back") {
  Node node;
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  fake::kernel_state.event_state = {.next_ns = 5, .suppressed = 17, .lost = 2};
  fake::kernel_state.damaged_events = 3;
  CHECK(take(*engine).empty());
  CHECK(take(*engine).empty());
  const auto counts = engine->event_counts();
  REQUIRE(counts);
  CHECK(*counts == engine::EventCounts{.suppressed = 17, .lost = 2, .damaged = 3});
  CHECK(engine->event_fd() >= 0);
}
