// Node: what an engine is given (interfaces and resources), a kernel in memory for it (fake_kernel.h), and what it tells.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "fake_kernel.h"

namespace fake {

struct Node {
  std::string directory;
  model::ResourceSet resources;
  resolve::NodeFacts facts;
  std::vector<engine::Event> events;

  Node() {
    char name[] = "/tmp/nw-engine-XXXXXX";
    directory = ::mkdtemp(name);
    std::filesystem::create_directory(directory + "/run");
    ::chmod((directory + "/run").c_str(), 0700);
    bpffs = directory;
    kernel_state = {};
    facts.node = "node";
    add_interface("eth0", 2);
    add_interface("eth1", 3);
  }
  ~Node() { std::filesystem::remove_all(directory); }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void add_interface(const std::string& name, std::uint32_t ifindex) {
    facts.interfaces.push_back({.name = name, .ifindex = ifindex, .addresses = {}});
  }
  template <typename Spec>
  void add(const std::string& name, Spec spec) {
    model::Resource resource;
    resource.metadata.name = name;
    resource.spec = std::move(spec);
    resources.insert_or_assign(resource.id(), resource);
  }
  void govern(const std::string& name, const std::string& interface) {
    model::HostEndpoint endpoint;
    endpoint.node = "node";
    endpoint.interface_name = interface;
    add(name, endpoint);
  }
  void release(const std::string& name) { resources.erase({model::Kind::HostEndpoint, name}); }
  Result<engine::Engine> start() {
    auto started = engine::Engine::start({.bpffs = "", .run_dir = directory + "/run"});
    if (started) started->on_event([this](const engine::Event& event) { events.push_back(event); });
    return started;
  }
  [[nodiscard]] std::size_t count(engine::Event::Kind kind) const {
    return static_cast<std::size_t>(std::ranges::count(events, kind, [](const auto& event) { return event.kind; }));
  }
};

// What was written since the last time, in order.
inline std::vector<std::string> take_calls() { return std::exchange(kernel_state.calls, {}); }

// Where the first of them is that begins so; their number: none does.
inline std::size_t at(const std::vector<std::string>& calls, std::string_view start) {
  return static_cast<std::size_t>(std::ranges::find_if(calls, [&](const auto& it) { return it.starts_with(start); }) - calls.begin());
}

}  // namespace fake
