#include "engine/engine.h"

#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "engine/engine_state.h"
#include "engine/kernel_values.h"
#include "model/pattern.h"

namespace nodewall::engine {
namespace {

constexpr auto kSweepPeriod = std::chrono::seconds(10);

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

}  // namespace

void Engine::State::emit(Event::Kind kind, std::string interface, std::string message) const {
  if (handler) handler({kind, std::move(interface), std::move(message)});
}

Status Engine::State::open_datapath(std::uint32_t conntrack_size) {
  auto opened = kernel::Datapath::open({.pin_dir = pin_dir,
                                        .conntrack_size = conntrack_size,
                                        .force_clsact = options.force_clsact});
  if (!opened) return fail(std::move(opened.error()).in("datapath"));
  datapath.emplace(std::move(*opened));
  watch_events();
  const auto entries = datapath->interfaces();
  first_enforcement = entries && entries->empty();
  last_generation = std::max(last_generation, datapath->generation());
  status.generation = datapath->generation();
  if (!datapath->adopted()) return {};
  if (auto upgraded = datapath->upgrade_programs(); !upgraded) {
    datapath.reset();  // the next attempt begins with opening it
    return fail(std::move(upgraded.error()).in("upgrade programs"));
  }
  return {};
}

void Engine::State::forget_datapath() {
  datapath.reset();
  applied.reset();
  compiler.forget();
  event_names = {};
  governed.clear();
  changing = strays = false;
}

void Engine::State::update_status() {
  status.armed = armed;
  status.node = facts.node;
  if (wanted) {
    status.conditions = wanted->conditions;
    status.conditions.insert(status.conditions.end(), notes.conditions.begin(),
                             notes.conditions.end());
  }
  if (datapath) status.generation = datapath->generation();
  // Before the first apply after a restart the interfaces of the state file are as good as it gets.
  if (!wanted) return;
  status.interfaces.clear();
  const model::NameList excluded(wanted->settings.interface_exclude);
  for (const auto& facts_of : facts.interfaces) {
    InterfaceStatus interface;
    interface.name = facts_of.name;
    interface.ifindex = facts_of.ifindex;
    interface.workload = resolve::is_workload_interface(wanted->settings, facts_of.name);
    interface.excluded = excluded.contains(facts_of.name);
    const auto found = governed.find(facts_of.ifindex);
    if (found != governed.end() && found->second.name == facts_of.name) {
      interface.host_endpoint = found->second.host_endpoint;
      interface.counter = found->second.entry.counter;
      interface.problem = found->second.problem;
      for (const auto& [hook, attached] : found->second.hooks) interface.hooks.push_back(attached);
    }
    status.interfaces.push_back(std::move(interface));
  }
  if (armed) return;
  for (const auto& assignment : wanted->assignments) {
    for (auto& interface : status.interfaces) {
      if (interface.name != assignment.interface) continue;
      interface.host_endpoint = wanted->endpoints[assignment.endpoint].host_endpoint;
      interface.problem = "disarmed: not enforced";
    }
  }
}

// The state file is for people: that it cannot be written is said, and enforcement goes on.
void Engine::State::save() {
  update_status();
  SavedState state{.interface_counters = interface_counters,
                   .status = status,
                   .notes = notes,
                   .pid = ::getpid(),
                   .pin_dir = pin_dir};
  auto text = state_text(state);
  if (text == saved_text) return;
  if (auto done = write_state(run_dir, text); !done) {
    emit(Event::Kind::failed, "", "state file: " + done.error().message());
    return;
  }
  saved_text = std::move(text);
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::start(const EngineOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  const auto instance = kernel::instance_name();
  if (!instance) return fail(instance.error());
  if (options.run_dir.empty()) {
    auto found = default_run_dir(CreateDir::yes);
    if (!found) return fail(std::move(found.error()).in("run directory"));
    state->run_dir = *found;
  } else {
    state->run_dir = options.run_dir;
    if (auto checked = check_run_dir(options.run_dir, CreateDir::yes); !checked) {
      return fail(std::move(checked.error()).in("run directory"));
    }
  }
  state->events = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!state->events.valid()) return fail(errno_error("epoll", errno));
  auto lock = take_lock(state->run_dir);
  if (!lock) return fail(lock.error());
  state->lock = std::move(*lock);

  auto bpffs = kernel::find_bpffs(options.bpffs);
  if (!bpffs) return fail(std::move(bpffs.error()).in("bpffs"));
  state->bpffs = *bpffs;
  state->pin_dir = *bpffs + "/" + *instance;

  // A state file that is missing or of another version costs the history of counters, nothing else.
  if (auto saved = read_state(state->run_dir)) {
    state->interface_counters = saved->interface_counters;
    state->status = saved->status;
    state->notes = saved->notes;
    state->last_generation = saved->status.generation;
  }
  if (auto saved = read_policy(state->run_dir)) {
    state->slots = std::make_shared<compile::Slots>(saved->slots);
    state->saved_generation = saved->generation;
    state->last_generation = std::max(state->last_generation, saved->generation);
  }
  remove_leftovers(state->run_dir);
  state->armed = !is_disarmed(state->run_dir);
  // Whoever disarmed did not come to its end. What cannot be removed now is tried at each tick.
  if (!state->armed && exists(state->pin_dir)) (void)state->remove_pins();
  // On a fresh node the maps are made by the first apply, which knows how large conntrack shall be. Until then it stays as it is.
  if (state->armed && exists(state->pin_dir)) {
    if (auto done = state->open_datapath(0); !done) return fail(done.error());
    // The image went live and the process ended, or its disk was full: these are the slots of another image.
    if (state->datapath->generation() != state->saved_generation) state->slots = std::make_shared<compile::Slots>();
  }
  state->save();
  return Engine(std::move(state));
}

void Engine::on_event(std::function<void(const Event&)> handler) {
  state_->handler = std::move(handler);
}

void Engine::note(HostNotes notes) {
  if (notes == state_->notes) return;
  state_->notes = std::move(notes);
  state_->save();
}

Result<ApplyReport> Engine::State::reprogram() {
  if (!armed || !wanted) return ApplyReport{.generation = status.generation};
  auto report = program(wanted);
  if (report) {
    event_names = {.generation = report->generation, .rules = {}};
    status.last_error.clear();
    return report;
  }
  // Some of it is written: nothing is known any more about what the kernel has, also when the next policy is the old one.
  if (changing) applied.reset();
  if (status.last_error != report.error().message()) {
    status.last_error = report.error().message();
    emit(Event::Kind::failed, "", status.last_error);
  }
  return fail(std::move(report.error()).in("apply"));
}

Result<ApplyReport> Engine::apply(const model::ResourceSet& resources,
                                  const resolve::NodeFacts& facts) {
  const auto begin = monotonic_ns();
  state_->wanted = std::make_shared<const resolve::Resolved>(state_->resolver.resolve(resources, facts));
  state_->facts = facts;
  const auto resolved = monotonic_ns();
  auto report = state_->reprogram();
  state_->save();
  state_->prepare_next_change();
  if (report) {
    report->resolve_ns = resolved - begin;
    report->enforced_ns += report->resolve_ns;
  }
  return report;
}

// Somebody may take a program away, or all pins: both are put back, and said.
void Engine::State::verify_hooks() {
  if (!datapath || !wanted) return;
  if (!exists(pin_dir)) {
    emit(Event::Kind::failed, "", "the pins in " + pin_dir + " were removed: put back");
    // The old programs stay until the new ones are in place.
    const auto old = std::move(datapath);
    forget_datapath();
    (void)reprogram();  // says what failed by itself; the next tick tries again
    return;
  }
  const auto attached = datapath->attached();
  if (!attached) {
    emit(Event::Kind::failed, "", "hooks: " + attached.error().message());
    return;
  }
  std::set<std::pair<std::uint32_t, kernel::Hook>> there;
  for (const auto& hook : *attached) there.emplace(hook.ifindex, hook.hook);
  for (auto& [ifindex, interface] : governed) {
    std::vector<kernel::Hook> gone;
    for (const auto& [hook, known] : interface.hooks) {
      if (!there.contains({ifindex, hook})) gone.push_back(hook);
    }
    for (const auto hook : gone) {
      interface.hooks.erase(hook);
      ApplyReport report;
      if (!attach(ifindex, interface, hook, report)) continue;  // a problem now: tried again at the next tick
      emit(Event::Kind::reattached, interface.name,
           std::string(kernel::name(hook)) + " was taken away from outside and was put back");
    }
  }
}

Status Engine::tick() {
  auto& state = *state_;
  const bool disarmed = is_disarmed(state.run_dir);
  if (disarmed && state.armed) {
    return state.take_off(Event::Kind::disarmed, "disarmed by the operator");
  }
  if (!disarmed && !state.armed) return arm();
  if (!state.armed) {
    if (!exists(state.pin_dir)) return {};
    auto removed = state.remove_pins();
    state.save();
    return removed;
  }
  state.verify_hooks();
  Status result;
  // A failed apply and interfaces with a problem are tried again; nothing is written when all is well.
  const bool unfinished = !state.status.last_error.empty() || (state.wanted && !state.applied) || state.strays ||
                          (state.applied && state.saved_generation != state.status.generation) ||
                          std::ranges::any_of(state.governed, [](const auto& it) {
                            return !it.second.problem.empty();
                          });
  if (unfinished) {
    if (auto again = state.reprogram(); !again) result = fail(again.error());
  }
  const auto now = std::chrono::steady_clock::now();
  if (state.datapath && state.wanted && now - state.last_sweep >= kSweepPeriod) {
    state.last_sweep = now;
    const auto swept =
        state.datapath->sweep_conntrack(monotonic_ns(), to_kernel(state.wanted->settings));
    if (!swept && result) result = fail(swept.error().in("sweep conntrack"));
  }
  state.save();
  return result;
}

EngineStatus Engine::status() const {
  state_->update_status();
  return state_->status;
}

const std::string& Engine::run_dir() const { return state_->run_dir; }

Status Engine::State::take_off(Event::Kind kind, std::string message) {
  armed = false;
  forget_datapath();  // links that this process holds open would live on
  auto removed = remove_pins();
  emit(kind, "", std::move(message));
  save();
  return removed;
}

Status Engine::State::remove_pins() {
  auto removed = kernel::remove_pinned(pin_dir);
  status.last_error = removed ? "" : removed.error().message();
  if (!removed) return fail(std::move(removed.error()).in("disarm"));
  return {};
}

Status Engine::disarm() {
  if (auto done = set_disarmed(state_->run_dir); !done) return done;
  return state_->take_off(Event::Kind::disarmed, "disarmed");
}

Status Engine::arm() {
  auto& state = *state_;
  if (auto done = clear_disarmed(state.run_dir); !done) return done;
  if (state.armed) return {};
  state.armed = true;
  auto report = state.reprogram();
  state.emit(Event::Kind::armed, "", "armed");
  state.save();
  if (!report) return fail(report.error());
  return {};
}

}  // namespace nodewall::engine
