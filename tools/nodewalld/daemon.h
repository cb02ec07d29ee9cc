// The daemon: a loop around the engine. It watches the datastore and the kernel's interfaces, collects what changes for a few
// milliseconds, and hands the engine the whole desired state.
//
// A link that changes goes to the engine at once, with the resources as last read: a new interface is closed before anything else
// is done. The node's own Node object and the automatic host endpoints follow.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/fd.h"
#include "engine/engine.h"
#include "engine/event_log.h"
#include "engine/interface_monitor.h"
#include "store/datastore.h"

namespace nodewall::daemon {

struct Options {
  std::string datastore;
  std::string node;
  std::string labels_file;
  engine::EngineOptions engine;
  bool once = false;
};

class Daemon {
 public:
  static Result<Daemon> open(Options options);
  // Applies once. False: something is wrong and was said in the log; what was enforced before still is.
  bool apply_once();
  // Until SIGTERM or SIGINT; leaves enforcement as it is.
  Status run();

 private:
  Daemon(Options options, engine::Engine engine, engine::InterfaceMonitor monitor);

  void reload();
  bool open_store();
  Result<store::Snapshot> read_and_reconcile();
  bool apply();
  void note(const std::string& datastore_error);
  Status watch();
  void handle(int fd);
  void on_interfaces();
  void on_signal();
  void on_tick();
  void on_packet_events();
  void write_event_counts();
  void write_event(const std::string& line);
  void say_event_error(const std::string& message);
  void rescan();
  [[nodiscard]] resolve::NodeFacts facts() const;

  Options options_;
  engine::Engine engine_;
  engine::InterfaceMonitor monitor_;
  std::optional<store::DirectoryStore> store_;
  std::optional<model::ResourceSet> resources_;  // none: never read, so nothing is programmed
  std::vector<std::string> diagnostics_;
  std::vector<resolve::Condition> conditions_;   // of the controller
  std::vector<std::string> failures_;            // generated objects that could not be written; said when they change
  std::string said_error_;                       // the last datastore error in the log: each is said once
  model::Labels labels_;
  Fd epoll_, signals_, tick_, debounce_, marker_;
  int store_fd_ = -1;
  engine::EventLog event_log_;
  engine::EventCounts event_counts_;             // as last written
  std::string said_event_error_;                 // the last one in the log: each is said once
  std::chrono::steady_clock::time_point counts_looked_at_{};
  bool stop_ = false;
  std::chrono::steady_clock::time_point last_rescan_{};
};

}  // namespace nodewall::daemon
