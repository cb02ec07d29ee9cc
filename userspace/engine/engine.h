// libnodewall: the engine as a library. Resources and interfaces in; enforcement, status and events out. nodewalld is a thin user of
// it (tools/nodewalld), docs/embedding.md has thirty lines that embed it.
//
//   auto engine = Engine::start(options);          // adopts what is pinned: no packet is judged by nothing
//   engine->apply(resources, facts);               // whole desired state, as often as anything changes
//   engine->status();                              // what is enforced where, and what is wrong
//
// One Engine per network namespace and process; start() takes a lock and fails with Errc::busy when another holds it. Not
// thread-safe. Destroying an Engine leaves enforcement exactly as it is; only disarm() takes it off.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/packet_event.h"
#include "kernel/datapath.h"
#include "model/resources.h"
#include "resolve/endpoint_policy.h"
#include "resolve/facts.h"

namespace nodewall::engine {

struct EngineOptions {
  std::string bpffs;              // empty: found (kernel::find_bpffs)
  std::string run_dir;            // empty: /run/<instance>; holds lock, state.json, the disarm marker
  bool force_clsact = false;
};

struct InterfaceStatus {
  std::string name;
  std::uint32_t ifindex = 0;
  std::string host_endpoint;      // empty: none governs it
  std::vector<kernel::AttachedHook> hooks;
  std::uint32_t counter = 0;      // block of nw_counter
  std::string problem;            // empty: enforced as wanted
  bool workload = false;          // left alone: interfacePrefix
  bool excluded = false;          // left alone: interfaceExclude
};

struct EngineStatus {
  std::string node;
  bool armed = true;
  std::uint32_t generation = 0;
  std::vector<InterfaceStatus> interfaces;        // every interface of the node, by name
  std::vector<resolve::Condition> conditions;
  std::string last_error;                          // of the last apply; what was enforced before still is
};

// What one apply did. A second apply of the same state has writes == 0.
struct ApplyReport {
  std::size_t writes = 0;          // map writes and hook changes
  bool new_image = false;
  std::uint32_t generation = 0;
  std::uint64_t resolve_ns = 0, compile_ns = 0, write_ns = 0;
  std::uint64_t enforced_ns = 0;  // from the call to the enforcement
  std::uint64_t save_ns = 0;      // writing the policy in words, behind it
};

// What whoever embeds the engine wants to be read beside its status. Kept in the state file.
struct HostNotes {
  std::string datastore;                  // where the resources come from
  std::string datastore_error;            // why they could not be read at last; empty: they were
  std::vector<std::string> diagnostics;   // "file:line:column: message"
  std::vector<resolve::Condition> conditions;  // beside those of resolving
  std::string program_version;
  bool operator==(const HostNotes&) const = default;
};

struct Event {
  enum class Kind : std::uint8_t { attached, detached, reattached, policy_live, failed, disarmed, armed };
  Kind kind = Kind::policy_live;
  std::string interface;           // for hook events
  std::string message;             // a sentence
};

// Packet events that were not told, since the maps were made.
struct EventCounts {
  std::uint64_t suppressed = 0;    // by the rate limit
  std::uint64_t lost = 0;          // nobody had read the ones before
  std::uint64_t damaged = 0;       // records that are none; since this engine began
  bool operator==(const EventCounts&) const = default;
};

class Engine {
 public:
  static Result<Engine> start(const EngineOptions& options);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  void on_event(std::function<void(const Event&)> handler);
  void note(HostNotes notes);   // into the state file, when they changed

  // Makes the node be as the resources say. On failure what was enforced stays, and status().last_error says why.
  Result<ApplyReport> apply(const model::ResourceSet& resources, const resolve::NodeFacts& facts);

  // Housekeeping, every few seconds: verifies hooks with the kernel (puts back what was taken away), sweeps conntrack, notices the
  // disarm marker of the command line.
  Status tick();

  // What Log rules matched. The descriptor is one for the engine's life: readable while events wait; to poll, not to read. poll_events
  // never waits and tells a bounded number; what it told is gone. Nobody has to ask: what is not read is lost and counted.
  [[nodiscard]] int event_fd() const;
  Result<std::size_t> poll_events(const std::function<void(const PacketEvent&)>& handler);
  [[nodiscard]] Result<EventCounts> event_counts() const;

  [[nodiscard]] EngineStatus status() const;
  [[nodiscard]] const std::string& run_dir() const;
  Status disarm();
  Status arm();

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nodewall::engine
