#include "daemon.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/printable.h"
#include "engine/event_json.h"
#include "engine/generated.h"
#include "engine/node_name.h"
#include "engine/state_file.h"
#include "host.h"

namespace nodewall::daemon {
namespace {

constexpr long kCollectMs = 4;      // changes of the datastore that come together are applied together
constexpr long kSettleMs = 50;      // the Node object follows a change of interfaces
constexpr long kTickMs = 2000;
constexpr auto kCountsPeriod = std::chrono::seconds(1);  // between two lines of counts among the packet events
constexpr int kReconcileRounds = 5;  // a controller that does not come to rest must not spin

// What automatic host endpoints can be told by the environment (docs/semantics.md "KubeControllersConfiguration").
constexpr const char* kControllerVariables[] = {
    "LOG_LEVEL",      "RECONCILER_PERIOD", "ENABLED_CONTROLLERS", "COMPACTION_PERIOD",
    "HEALTH_ENABLED", "SYNC_NODE_LABELS",  "AUTO_HOST_ENDPOINTS"};

std::map<std::string, std::string> controller_environment() {
  std::map<std::string, std::string> environment;
  for (const char* name : kControllerVariables) {
    if (const char* value = std::getenv(name)) environment.emplace(name, value);
  }
  return environment;
}

void log_event(const engine::Event& event) {
  const auto where = event.interface.empty() ? "" : printable(event.interface) + ": ";
  const auto level = event.kind == engine::Event::Kind::failed ? spdlog::level::err
                     : event.kind == engine::Event::Kind::reattached ||
                             event.kind == engine::Event::Kind::disarmed
                         ? spdlog::level::warn
                         : spdlog::level::info;
  spdlog::log(level, "{}{}", where, printable(event.message));
}

void drain(int fd) {
  std::array<char, 4096> buffer{};
  while (::read(fd, buffer.data(), buffer.size()) > 0) {
  }
}

}  // namespace

Daemon::Daemon(Options options, engine::Engine engine, engine::InterfaceMonitor monitor)
    : options_(std::move(options)), engine_(std::move(engine)), monitor_(std::move(monitor)), event_log_(engine_.run_dir()) {}

Result<Daemon> Daemon::open(Options options) {
  if (auto named = engine::check_node_name(options.node); !named) return fail(named.error());
  auto signals = open_signals();
  if (!signals) return fail(signals.error());
  // Before anything is read: what is pinned is taken over, and the lock keeps a second daemon out.
  auto engine = engine::Engine::start(options.engine);
  if (!engine) return fail(engine.error());
  auto monitor = engine::InterfaceMonitor::open();
  if (!monitor) return fail(monitor.error());
  if (auto dropped = drop_privileges(); !dropped) return fail(dropped.error());

  Daemon daemon(std::move(options), std::move(*engine), std::move(*monitor));
  daemon.signals_ = std::move(*signals);
  daemon.engine_.on_event(log_event);
  if (!daemon.options_.labels_file.empty()) {
    auto labels = read_labels(daemon.options_.labels_file);
    if (!labels) return fail(labels.error());
    daemon.labels_ = std::move(*labels);
  }
  daemon.last_rescan_ = std::chrono::steady_clock::now();
  return daemon;
}

resolve::NodeFacts Daemon::facts() const { return {options_.node, monitor_.interfaces()}; }

void Daemon::note(const std::string& datastore_error) {
  if (datastore_error != said_error_) {
    if (!datastore_error.empty()) spdlog::error("datastore: {}", printable(datastore_error));
    else spdlog::info("datastore: readable again");
    said_error_ = datastore_error;
  }
  engine_.note({.datastore = options_.datastore,
                .datastore_error = datastore_error,
                .diagnostics = diagnostics_,
                .conditions = conditions_,
                .program_version = NODEWALL_VERSION});
}

bool Daemon::open_store() {
  if (store_) return true;
  auto opened = store::DirectoryStore::open(options_.datastore,
                                            store::generated_path(options_.datastore));
  if (!opened) {
    note(opened.error().message());
    return false;
  }
  store_.emplace(std::move(*opened));
  store_fd_ = store_->watch_fd();
  if (epoll_.valid() && store_fd_ >= 0) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = store_fd_}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, store_fd_, &event) != 0) store_fd_ = -1;
  }
  return true;
}

Result<store::Snapshot> Daemon::read_and_reconcile() {
  auto snapshot = store_->read();
  std::vector<std::string> failures;
  for (int round = 0; snapshot && round < kReconcileRounds; ++round) {
    auto generated = engine::write_generated(*store_, snapshot->resources, facts(), labels_, controller_environment());
    conditions_ = std::move(generated.conditions);
    failures = std::move(generated.failures);
    if (generated.changes == 0) break;
    snapshot = store_->read();
  }
  // What people wrote is enforced although something cannot be generated.
  if (failures != failures_) {
    for (const auto& text : failures) spdlog::error("generated objects: {}", printable(text));
  }
  failures_ = std::move(failures);
  return snapshot;
}

void Daemon::reload() {
  if (!open_store()) return;
  auto snapshot = read_and_reconcile();
  if (!snapshot) {
    note(snapshot.error().message());
    return;
  }
  std::vector<std::string> diagnostics;
  for (const auto& diagnostic : snapshot->diagnostics) {
    diagnostics.push_back(config::to_string(diagnostic));
  }
  if (diagnostics != diagnostics_) {
    for (const auto& text : diagnostics) spdlog::warn("{}", printable(text));
  }
  diagnostics_ = std::move(diagnostics);
  resources_ = std::move(snapshot->resources);
  apply();
  note("");
}

bool Daemon::apply() {
  if (!resources_) return false;
  const auto report = engine_.apply(*resources_, facts());
  // A failure is an event of the engine already.
  if (!report) return false;
  if (report->writes > 0) {
    spdlog::info("applied: {} writes, generation {} (resolve {} us, compile {} us, write {} us, save {} us)",
                 report->writes, report->generation, report->resolve_ns / 1000,
                 report->compile_ns / 1000, report->write_ns / 1000, report->save_ns / 1000);
  }
  return true;
}

bool Daemon::apply_once() {
  reload();
  const auto status = engine_.status();
  bool well = resources_.has_value() && status.last_error.empty() && said_error_.empty() &&
              diagnostics_.empty() && failures_.empty();
  for (const auto& interface : status.interfaces) well = well && interface.problem.empty();
  return well;
}

Status Daemon::watch() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail(errno_error("epoll", errno));
  auto tick = open_timer();
  if (!tick) return fail(tick.error());
  tick_ = std::move(*tick);
  auto debounce = open_timer();
  if (!debounce) return fail(debounce.error());
  debounce_ = std::move(*debounce);
  marker_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (marker_.valid()) {
    ::inotify_add_watch(marker_.get(), engine_.run_dir().c_str(), IN_CREATE | IN_DELETE | IN_MOVED_TO);
  }
  for (const int fd : {monitor_.fd(), signals_.get(), tick_.get(), debounce_.get(), marker_.get(), engine_.event_fd()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (fd >= 0 && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return fail(errno_error("epoll", errno));
    }
  }
  set_timer(tick_, kTickMs, kTickMs);
  return {};
}

Status Daemon::run() {
  if (options_.once) {
    if (apply_once()) return {};
    return fail(Errc::config, "not everything could be applied: see nodewall status");
  }
  if (auto done = watch(); !done) return done;
  reload();
  notify_service_manager("READY=1");
  std::array<epoll_event, 8> events{};
  while (!stop_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    if (count < 0 && errno != EINTR) return fail(errno_error("epoll", errno));
    // Interfaces first: a new one is open until it is handled.
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == monitor_.fd()) on_interfaces();
    }
    for (int i = 0; i < count && !stop_; ++i) handle(events[i].data.fd);
  }
  notify_service_manager("STOPPING=1");
  spdlog::info("stopped; what is enforced stays enforced");
  return {};
}

void Daemon::handle(int fd) {
  if (fd == signals_.get()) return on_signal();
  if (fd == tick_.get()) {
    drain(fd);
    return on_tick();
  }
  if (fd == debounce_.get()) {
    drain(fd);
    return reload();
  }
  if (fd == marker_.get()) {
    drain(fd);
    // The state file's own renames wake it too: only a change of the marker counts.
    if (engine::is_disarmed(engine_.run_dir()) == engine_.status().armed) (void)engine_.tick();
    return;
  }
  if (fd == engine_.event_fd()) return on_packet_events();
  if (fd == store_fd_ && store_) {
    store_->drain_watch();
    set_timer(debounce_, kCollectMs, 0);
  }
}

void Daemon::on_interfaces() {
  const auto changed = monitor_.read_events();
  if (!changed) {
    spdlog::error("interfaces: {}", printable(changed.error().message()));
    return;
  }
  if (!*changed) return;
  apply();
  set_timer(debounce_, kSettleMs, 0);
}

void Daemon::on_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGHUP) stop_ = true;
    else rescan();
  }
}

void Daemon::rescan() {
  last_rescan_ = std::chrono::steady_clock::now();
  if (auto done = monitor_.refresh(); !done) {
    spdlog::error("interfaces: {}", printable(done.error().message()));
  }
  if (!options_.labels_file.empty()) {
    if (auto labels = read_labels(options_.labels_file)) labels_ = std::move(*labels);
    else spdlog::error("{}", printable(labels.error().message()));
  }
  reload();
}

void Daemon::on_tick() {
  if (auto done = engine_.tick(); !done) spdlog::debug("{}", printable(done.error().message()));
  on_packet_events();
  std::vector<resolve::Condition> ignored;
  const auto refresh =
      resources_ ? resolve::resolve_settings(*resources_, options_.node, ignored).interface_refresh
                 : model::Duration::zero();
  const auto since = std::chrono::steady_clock::now() - last_rescan_;
  if (refresh.count() > 0 && since >= refresh) return rescan();
  // Without a watch, or after a failure, the datastore is asked again.
  if (!store_ || store_fd_ < 0 || !said_error_.empty()) reload();
}

// A bounded number; what is left keeps the descriptor readable.
void Daemon::on_packet_events() {
  const auto told = engine_.poll_events(
      [this](const engine::PacketEvent& event) { write_event(engine::json_line(engine::to_json(event))); });
  if (!told) {
    // Readable for ever, it would keep the daemon busy: from now on each tick tries.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, engine_.event_fd(), nullptr);
    say_event_error(told.error().message());
  }
  write_event_counts();
}

void Daemon::write_event_counts() {
  const auto now = std::chrono::steady_clock::now();
  if (now - counts_looked_at_ < kCountsPeriod) return;
  counts_looked_at_ = now;
  const auto counts = engine_.event_counts();
  if (!counts || *counts == event_counts_) return;
  event_counts_ = *counts;
  write_event(engine::json_line(engine::to_json(*counts, engine::moment_now().wall_ns)));
}

// A full disk costs the line, and is said once.
void Daemon::write_event(const std::string& line) {
  const auto written = event_log_.write(line);
  say_event_error(written ? "" : written.error().message());
}

void Daemon::say_event_error(const std::string& message) {
  if (message != said_event_error_) {
    if (!message.empty()) spdlog::error("packet events: {}", printable(message));
    else spdlog::info("packet events: written again");
  }
  said_event_error_ = message;
}

}  // namespace nodewall::daemon
