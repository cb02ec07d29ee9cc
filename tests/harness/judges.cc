#include "harness/judges.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <algorithm>

#include "engine/frame.h"
#include "engine/kernel_values.h"
#include "oracle/oracle.h"

namespace nodewall::test {
namespace {

constexpr std::size_t kMostFlows = 1024;  // of 4,096 that the program can track

}  // namespace

std::string_view name(Way way) {
  switch (way) {
    case Way::oracle: return "oracle";
    case Way::image: return "image";
    case Way::tc: return "program at tc";
    case Way::xdp: return "program at XDP";
  }
  return "nobody";
}

resolve::Judgement shown_by(Way way, resolve::Judgement judgement) {
  if (way == Way::oracle || way == Way::image) return judgement;
  judgement.logged = false;
  judgement.staged.reset();
  return judgement;
}

Result<Judges> Judges::open(With with) {
  Judges judges;
  if (with == With::program) {
    auto opened = kernel::Datapath::open({.pin_dir = "", .conntrack_size = 4096});
    if (!opened) return fail(opened.error());
    judges.datapath_ = std::move(*opened);
  }
  return judges;
}

Status Judges::load(const Scenario& scenario, const std::optional<compile::Slots>& slots) {
  facts_ = scenario.facts;
  resolved_ = test::resolve(scenario);
  slots_ = slots ? *slots : compile::assign_slots({}, resolved_);
  auto image = compile::compile(resolved_, slots_);
  if (!image) return fail(image.error());
  image_ = std::move(*image);
  return datapath_ ? load_program() : Status{};
}

Status Judges::load_program() {
  std::uint32_t counters = 0;
  origin_by_counter_.clear();
  for (const auto& [key, slot] : slots_.rules) {
    counters = std::max(counters, slot + 1);
    origin_by_counter_.emplace(slot, key.origin);
  }
  for (const auto& written : {datapath_->set_settings(engine::to_kernel(resolved_.settings)),
                              datapath_->set_failsafe(engine::failsafe_entries(resolved_.settings)),
                              datapath_->set_local_addresses(engine::local_entries(resolved_))}) {
    if (!written) return fail(written.error());
  }
  if (auto done = datapath_->reserve_rule_counters(counters); !done) return done;
  if (auto done = datapath_->set_policy(image_.lines, ++generation_); !done) return done;
  begun_.clear();
  return datapath_->clear_conntrack();
}

std::vector<Way> Judges::ways(const resolve::PacketQuery& packet) const {
  std::vector<Way> ways = {Way::oracle, Way::image};
  // A test run has no interface that the packet came in by.
  if (!datapath_ || (packet.direction == NW_EGRESS && packet.forwarded)) return ways;
  ways.push_back(Way::tc);
  if (packet.direction == NW_INGRESS) ways.push_back(Way::xdp);
  return ways;
}

Result<resolve::Judgement> Judges::judge(Way way, const resolve::PacketQuery& packet) {
  switch (way) {
    case Way::oracle: return oracle::judge(resolved_, packet);
    case Way::image: return by_image(packet);
    case Way::tc:
      return by_program(packet.direction == NW_INGRESS ? kernel::Hook::tc_ingress : kernel::Hook::tc_egress, packet);
    case Way::xdp: return by_program(kernel::Hook::xdp, packet);
  }
  return fail(Errc::internal, "no such way");
}

Judges::FlowKey Judges::flow_key(const resolve::PacketQuery& packet) {
  const auto a = std::pair(packet.source, packet.source_port);
  const auto b = std::pair(packet.destination, packet.destination_port);
  const auto& [low, high] = std::minmax(a, b);
  return {low.first, high.first, low.second, high.second, packet.protocol};
}

Status Judges::forget_flow(const resolve::PacketQuery& packet) {
  auto quoted = packet;  // the UDP flow that an ICMP error of build_frame speaks of
  quoted.protocol = 17;
  quoted.source_port = quoted.destination_port = 9;
  if (begun_.size() < kMostFlows && !begun_.contains(flow_key(packet)) && !begun_.contains(flow_key(quoted))) return {};
  begun_.clear();
  return datapath_->clear_conntrack();
}

std::optional<std::uint32_t> Judges::slot_of(const std::string& interface) const {
  for (const auto& assignment : resolved_.assignments) {
    if (assignment.interface == interface) {
      return slots_.endpoints.at(resolved_.endpoints[assignment.endpoint].host_endpoint);
    }
  }
  return std::nullopt;
}

Result<resolve::Judgement> Judges::by_image(const resolve::PacketQuery& packet) const {
  return oracle::judge(resolved_, packet, [&](std::uint32_t endpoint, std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& it) {
    return compile::ask(image_, slots_.endpoints.at(resolved_.endpoints[endpoint].host_endpoint), variant, chain, it);
  });
}

Result<resolve::Judgement> Judges::by_program(kernel::Hook hook, const resolve::PacketQuery& packet) {
  const auto slot = slot_of(packet.interface);
  // Without an entry for the interface the program does not look at the packet; a test run always has one.
  if (!slot) return resolve::Judgement{true, NW_REASON_NO_ENDPOINT, {}};
  if (auto done = forget_flow(packet); !done) return fail(done.error());
  nw_interface entry{*slot, 0, 0, 0};
  for (const auto& interface : facts_.interfaces) {
    if (interface.name == packet.interface && interface.is_loopback) entry.flags |= NW_INTERFACE_LOOPBACK;
  }
  auto run = datapath_->run(hook, engine::build_frame(packet), entry, 1);
  if (!run) return fail(run.error());
  resolve::Judgement judgement;
  judgement.allow = hook == kernel::Hook::xdp ? run->return_code == XDP_PASS : run->return_code != TC_ACT_SHOT;
  judgement.reason = run->reason;
  if (const auto found = origin_by_counter_.find(run->rule_counter); found != origin_by_counter_.end()) {
    judgement.origin = found->second;
  }
  if (judgement.allow) begun_.insert(flow_key(packet));
  return judgement;
}

}  // namespace nodewall::test
