// Reading what Log rules matched.
#include <cerrno>

#include "kernel/event_record.h"
#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

// A negative answer ends the read behind this record; it is taken all the same.
int take_record(void* context, void* data, std::size_t size) {
  auto& sink = *static_cast<EventSink*>(context);
  if (const auto event = event_record({static_cast<const std::uint8_t*>(data), size})) sink.batch.events.push_back(*event);
  else ++sink.batch.damaged;
  return --sink.left == 0 ? -ECANCELED : 0;
}

}  // namespace

int Datapath::event_fd() const {
  return state_->options.inspect ? -1 : state_->map(state_->skeleton->maps.nw_events);
}

Result<EventBatch> Datapath::read_events(std::size_t most) {
  if (state_->options.inspect) return fail(Errc::internal, "events are for the engine's process to read");
  if (most == 0) return EventBatch{};
  auto& sink = state_->event_sink;
  if (!state_->events)
    state_->events.reset(ring_buffer__new(state_->map(state_->skeleton->maps.nw_events), take_record, &sink, nullptr));
  if (!state_->events) return fail(errno_error("map nw_events", errno));
  sink = {.batch = {}, .left = most};
  sink.batch.events.reserve(most);  // so that nothing is thrown through libbpf
  const int taken = ring_buffer__consume(state_->events.get());
  if (taken < 0 && taken != -ECANCELED) return fail(errno_error("read nw_events", -taken));
  return std::move(sink.batch);
}

Result<nw_event_state> Datapath::event_state() const {
  constexpr __u32 kZero = 0;
  nw_event_state state{};
  if (bpf_map_lookup_elem(state_->map(state_->skeleton->maps.data_nw_event_state), &kZero, &state) != 0)
    return fail(errno_error("read the state of events", errno));
  return state;
}

}  // namespace nodewall::kernel
