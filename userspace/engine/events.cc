// What an engine tells of packets that Log rules matched.
#include <sys/epoll.h>

#include <cerrno>

#include "engine/engine_state.h"

namespace nodewall::engine {
namespace {

// Of one call, so that whoever reads does not keep others waiting.
constexpr std::size_t kMostEvents = 64;

void fill_rules(EventNames& names, const compile::Slots& slots) {
  if (!names.rules.empty()) return;
  names.rules.reserve(slots.rules.size());
  for (const auto& [key, slot] : slots.rules) names.rules.emplace(slot, key.origin);
}

}  // namespace

// The ring buffer of maps that are closed leaves the epoll by itself.
void Engine::State::watch_events() {
  const int fd = datapath->event_fd();
  if (fd < 0) return;
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST) return;
  emit(Event::Kind::failed, "", errno_error("packet events are not told: epoll", errno).message());
}

int Engine::event_fd() const { return state_->events.get(); }

Result<std::size_t> Engine::poll_events(const std::function<void(const PacketEvent&)>& handler) {
  auto& state = *state_;
  if (!state.datapath) return 0;
  const auto batch = state.datapath->read_events(kMostEvents);
  if (!batch) return fail(batch.error());
  state.damaged_events += batch->damaged;
  if (batch->events.empty()) return 0;
  // Names of a policy that could only be applied in part would be wrong.
  EventNames unknown;
  const bool known = state.applied && state.event_names.generation == state.datapath->generation();
  if (known) fill_rules(state.event_names, *state.slots);
  EventContext context{.applied = state.applied ? &*state.applied : nullptr,
                       .names = known ? &state.event_names : &unknown,
                       .interface = {},
                       .host_endpoint = {},
                       .now = moment_now()};
  for (const auto& raw : batch->events) {
    const auto governed = state.governed.find(raw.ifindex);
    const bool found = governed != state.governed.end();
    context.interface = found ? governed->second.name : "";
    context.host_endpoint = found ? governed->second.host_endpoint : "";
    if (handler) handler(packet_event(raw, context));
  }
  return batch->events.size();
}

Result<EventCounts> Engine::event_counts() const {
  if (!state_->datapath) return EventCounts{.damaged = state_->damaged_events};
  const auto counts = state_->datapath->event_state();
  if (!counts) return fail(counts.error());
  return EventCounts{.suppressed = counts->suppressed, .lost = counts->lost, .damaged = state_->damaged_events};
}

}  // namespace nodewall::engine
