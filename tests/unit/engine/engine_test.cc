#include "engine/engine.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <optional>

#include "engine/state_file.h"
#include "fake_datapath.h"

using namespace nodewall;
using engine::Engine;
using engine::Event;

namespace {

struct Node {
  std::string directory;
  model::ResourceSet resources;
  resolve::NodeFacts facts;
  std::vector<Event> events;

  Node() {
    char name[] = "/tmp/nw-engine-XXXXXX";
    directory = ::mkdtemp(name);
    std::filesystem::create_directory(directory + "/run");
    ::chmod((directory + "/run").c_str(), 0700);
    fake::bpffs = directory;
    fake::kernel_state = {};
    facts.node = "node";
    add_interface("eth0", 2);
    add_interface("eth1", 3);
  }
  ~Node() { std::filesystem::remove_all(directory); }

  void add_interface(const std::string& name, std::uint32_t ifindex) {
    facts.interfaces.push_back({.name = name, .ifindex = ifindex, .addresses = {}});
  }
  void govern(const std::string& name, const std::string& interface) {
    model::Resource resource;
    resource.metadata.name = name;
    model::HostEndpoint endpoint;
    endpoint.node = "node";
    endpoint.interface_name = interface;
    resource.spec = endpoint;
    resources.insert_or_assign(resource.id(), resource);
  }
  void release(const std::string& name) { resources.erase({model::Kind::HostEndpoint, name}); }
  Result<Engine> start() {
    auto started = Engine::start({.bpffs = "", .run_dir = directory + "/run"});
    if (started) started->on_event([this](const Event& event) { events.push_back(event); });
    return started;
  }
  [[nodiscard]] std::size_t count(Event::Kind kind) const {
    return static_cast<std::size_t>(
        std::ranges::count(events, kind, [](const Event& event) { return event.kind; }));
  }
};

std::vector<std::string> take_calls() { return std::exchange(fake::kernel_state.calls, {}); }

std::size_t at(const std::vector<std::string>& calls, std::string_view start) {
  return static_cast<std::size_t>(
      std::ranges::find_if(calls, [&](const auto& it) { return it.starts_with(start); }) -
      calls.begin());
}

}  // namespace

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

TEST_CASE("XDP judges where the driver has it, and never beside tc") {
  Node node;
  node.add_interface("nic0", 7);
  node.govern("all", "*");
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.hooks.contains({7, kernel::Hook::xdp}));
  CHECK_FALSE(fake::kernel_state.hooks.contains({7, kernel::Hook::tc_ingress}));
  model::Resource configuration;
  configuration.metadata.name = "default";
  configuration.spec = model::NodewallConfiguration{
      .established_flows = {}, .ingress_hooks = {{"nic*", model::IngressHook::Tc}}};
  node.resources.insert_or_assign(configuration.id(), configuration);
  take_calls();
  REQUIRE(engine->apply(node.resources, node.facts));
  const auto calls = take_calls();
  CAPTURE(calls);
  CHECK(at(calls, "attach 7 tc-ingress") < at(calls, "detach 7 xdp"));
  CHECK(at(calls, "detach 7 xdp") < calls.size());
  CHECK_FALSE(fake::kernel_state.hooks.contains({7, kernel::Hook::xdp}));
}

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

TEST_CASE("a configured table of flows is made at the first apply, stays at a restart and is made again when it changes") {
  Node node;
  node.govern("hep", "eth0");
  const auto configure = [&](std::uint32_t size) {
    model::Resource resource;
    resource.metadata.name = "default";
    model::FelixConfiguration felix;
    felix.bpf_map_size_conntrack = size;
    resource.spec = felix;
    node.resources.insert_or_assign(resource.id(), resource);
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

TEST_CASE("an interface without Ethernet header is never judged at XDP, though it is configured") {
  Node node;
  node.add_interface("tun0", 8);
  node.facts.interfaces.back().has_ethernet_header = false;
  node.govern("all", "*");
  model::Resource configuration;
  configuration.metadata.name = "default";
  configuration.spec = model::NodewallConfiguration{.established_flows = {}, .ingress_hooks = {{"*", model::IngressHook::Xdp}}};
  node.resources.insert_or_assign(configuration.id(), configuration);
  auto engine = node.start();
  REQUIRE(engine);
  REQUIRE(engine->apply(node.resources, node.facts));
  CHECK(fake::kernel_state.hooks.contains({2, kernel::Hook::xdp}));
  CHECK(fake::kernel_state.hooks.contains({8, kernel::Hook::tc_ingress}));
  CHECK_FALSE(fake::kernel_state.hooks.contains({8, kernel::Hook::xdp}));
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
