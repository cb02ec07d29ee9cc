#include "engine/tracer.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "compile/table_image.h"
#include "engine/frame.h"
#include "engine/kernel_values.h"
#include "kernel/datapath.h"
#include "oracle/oracle.h"

namespace nodewall::engine {
namespace {

constexpr std::uint32_t kConntrackSize = 4096;
constexpr std::size_t kMostFlows = 1024;  // after so many the program's conntrack is emptied

// Two ends without order: a reply finds the same flow.
using FlowKey = std::tuple<Address, Address, std::uint16_t, std::uint16_t, std::uint8_t>;

FlowKey flow_key(const resolve::PacketQuery& packet) {
  const auto a = std::pair(packet.source, packet.source_port);
  const auto b = std::pair(packet.destination, packet.destination_port);
  const auto& [low, high] = std::minmax(a, b);
  return {low.first, high.first, low.second, high.second, packet.protocol};
}

}  // namespace

std::string_view name(TraceEngine engine) {
  switch (engine) {
    case TraceEngine::oracle: return "oracle";
    case TraceEngine::image: return "image";
    case TraceEngine::program: return "program";
  }
  return "oracle";
}

struct Tracer::State {
  resolve::Resolved resolved;
  std::map<std::string, bool, std::less<>> is_loopback_by_interface;
  compile::Slots slots;
  std::optional<compile::TableImage> image;
  std::optional<kernel::Datapath> datapath;
  std::map<std::uint32_t, resolve::Origin> origin_by_counter;
  std::set<FlowKey> begun;  // flows that the program's conntrack may know

  Status need_image();
  Status need_program();
  Status forget_flow(const resolve::PacketQuery& packet);
  [[nodiscard]] std::optional<std::uint32_t> slot_of(const std::string& interface) const;
  Result<resolve::Judgement> by_image(const resolve::PacketQuery& packet);
  Result<resolve::Judgement> by_program(const resolve::PacketQuery& packet);
};

Status Tracer::State::need_image() {
  if (image) return {};
  slots = compile::assign_slots({}, resolved);
  auto compiled = compile::compile(resolved, slots);
  if (!compiled) return fail(std::move(compiled.error()).in("compile"));
  image = std::move(*compiled);
  return {};
}

Status Tracer::State::need_program() {
  if (datapath) return {};
  if (auto done = need_image(); !done) return done;
  auto opened = kernel::Datapath::open({.pin_dir = "", .conntrack_size = kConntrackSize});
  if (!opened) return fail(std::move(opened.error()).in("program"));
  std::uint32_t counters = 0;
  for (const auto& [key, slot] : slots.rules) {
    counters = std::max(counters, slot + 1);
    origin_by_counter.emplace(slot, key.origin);
  }
  const auto settings = opened->set_settings(to_kernel(resolved.settings));
  if (!settings) return fail(settings.error());
  const auto failsafe = opened->set_failsafe(failsafe_entries(resolved.settings));
  if (!failsafe) return fail(failsafe.error());
  const auto local = opened->set_local_addresses(local_entries(resolved));
  if (!local) return fail(local.error());
  if (auto done = opened->reserve_rule_counters(counters); !done) return done;
  if (auto done = opened->set_policy(image->lines, 1); !done) return done;
  datapath.emplace(std::move(*opened));
  return {};
}

std::optional<std::uint32_t> Tracer::State::slot_of(const std::string& interface) const {
  for (const auto& assignment : resolved.assignments) {
    if (assignment.interface != interface) continue;
    return slots.endpoints.at(resolved.endpoints[assignment.endpoint].host_endpoint);
  }
  return std::nullopt;
}

Result<resolve::Judgement> Tracer::State::by_image(const resolve::PacketQuery& packet) {
  if (auto done = need_image(); !done) return fail(done.error());
  return oracle::judge(resolved, packet, [&](std::uint32_t endpoint, std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& it) {
    return compile::ask(*image, slots.endpoints.at(resolved.endpoints[endpoint].host_endpoint), variant, chain, it);
  });
}

// The program remembers flows; a trace does not.
Status Tracer::State::forget_flow(const resolve::PacketQuery& packet) {
  auto quoted = packet;  // the UDP flow that an ICMP error of build_frame speaks of
  quoted.protocol = 17;
  quoted.source_port = quoted.destination_port = 9;
  if (begun.size() < kMostFlows && !begun.contains(flow_key(packet)) &&
      !begun.contains(flow_key(quoted))) {
    return {};
  }
  begun.clear();
  return datapath->clear_conntrack();
}

Result<resolve::Judgement> Tracer::State::by_program(const resolve::PacketQuery& packet) {
  if (auto done = need_program(); !done) return fail(done.error());
  const auto slot = slot_of(packet.interface);
  if (!slot) return resolve::Judgement{true, NW_REASON_NO_ENDPOINT, {}};
  // A test run has no interface that the packet came in by.
  if (packet.direction == NW_EGRESS && packet.forwarded) {
    return resolve::Judgement{true, NW_REASON_FORWARDED, {}};
  }
  if (auto done = forget_flow(packet); !done) return fail(done.error());
  const auto hook = packet.direction == NW_INGRESS ? kernel::Hook::tc_ingress : kernel::Hook::tc_egress;
  const auto frame = build_frame(packet);
  const auto flags = is_loopback_by_interface.at(packet.interface) ? NW_INTERFACE_LOOPBACK : 0U;
  auto run = datapath->run(hook, frame, nw_interface{*slot, 0, flags, 0}, 1);
  if (!run) return fail(std::move(run.error()).in("program"));
  resolve::Judgement judgement;
  judgement.allow = run->return_code != TC_ACT_SHOT;
  judgement.reason = run->reason;
  if (const auto found = origin_by_counter.find(run->rule_counter);
      found != origin_by_counter.end()) {
    judgement.origin = found->second;
  }
  if (judgement.allow) begun.insert(flow_key(packet));
  return judgement;
}

Tracer::Tracer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tracer::Tracer(Tracer&&) noexcept = default;
Tracer& Tracer::operator=(Tracer&&) noexcept = default;
Tracer::~Tracer() = default;

Tracer Tracer::make(resolve::Resolved resolved, const resolve::NodeFacts& facts) {
  auto state = std::make_unique<State>();
  state->resolved = std::move(resolved);
  for (const auto& interface : facts.interfaces) {
    state->is_loopback_by_interface.emplace(interface.name, interface.is_loopback);
  }
  return Tracer(std::move(state));
}

Result<resolve::Judgement> Tracer::judge(TraceEngine engine, const resolve::PacketQuery& packet) {
  if (!state_->is_loopback_by_interface.contains(packet.interface)) {
    return fail(Errc::not_found, "the node has no interface " + packet.interface);
  }
  switch (engine) {
    case TraceEngine::oracle: return oracle::judge(state_->resolved, packet);
    case TraceEngine::image: return state_->by_image(packet);
    case TraceEngine::program: return state_->by_program(packet);
  }
  return fail(Errc::internal, "no such engine");
}

}  // namespace nodewall::engine
