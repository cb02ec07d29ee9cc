#include "engine/test_program.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <algorithm>

#include "engine/frame.h"
#include "engine/kernel_values.h"

namespace nodewall::engine {
namespace {

constexpr std::uint32_t kConntrackSize = 4096;
constexpr std::size_t kMostFlows = 1024;  // after so many the conntrack is emptied
constexpr std::uint32_t kAnotherInterface = 2;  // by which a forwarded packet came in
constexpr std::uint8_t kUdp = 17;
constexpr std::uint16_t kQuotedPort = 9;

}  // namespace

Result<TestProgram> TestProgram::open() {
  auto opened = kernel::Datapath::open({.pin_dir = "", .conntrack_size = kConntrackSize});
  if (!opened) return fail(std::move(opened.error()));
  return TestProgram(std::move(*opened));
}

Status TestProgram::load(const resolve::Resolved& resolved, const resolve::NodeFacts& facts, const compile::Slots& slots,
                         const compile::TableImage& image) {
  std::uint32_t counters = 0;
  origin_by_counter_.clear();
  for (const auto& [key, slot] : slots.rules) {
    counters = std::max(counters, slot + 1);
    origin_by_counter_.emplace(slot, key.origin);
  }
  interfaces_.clear();
  for (const auto& assignment : resolved.assignments) {
    const auto& endpoint = resolved.endpoints[assignment.endpoint];
    const auto known = std::ranges::find(facts.interfaces, assignment.interface, &resolve::InterfaceFacts::name);
    if (known == facts.interfaces.end()) continue;
    // A test run's frames have an Ethernet header, whatever the interface's have.
    const auto flags = interface_flags(*known, endpoint) & ~NW_INTERFACE_L3;
    interfaces_.emplace(assignment.interface, nw_interface{slots.endpoints.at(endpoint.host_endpoint), 0, flags, 0});
  }
  for (const auto& written :
       {datapath_.set_settings(to_kernel(resolved.settings)), datapath_.set_failsafe(failsafe_entries(resolved.settings)),
        datapath_.set_local_addresses(local_entries(resolved))})
    if (!written) return fail(written.error());
  if (auto done = datapath_.reserve_rule_counters(counters); !done) return done;
  if (auto done = datapath_.set_policy(image.lines, ++generation_); !done) return done;
  begun_.clear();
  return datapath_.clear_conntrack();
}

TestProgram::FlowKey TestProgram::flow_key(const resolve::PacketQuery& packet) {
  const auto a = std::pair(packet.source, packet.source_port);
  const auto b = std::pair(packet.destination, packet.destination_port);
  const auto& [low, high] = std::minmax(a, b);
  return {low.first, high.first, low.second, high.second, packet.protocol};
}

Status TestProgram::forget_flow(const resolve::PacketQuery& packet) {
  auto quoted = packet;  // the UDP flow that an ICMP error of build_frame speaks of
  quoted.protocol = kUdp;
  quoted.source_port = quoted.destination_port = kQuotedPort;
  if (begun_.size() < kMostFlows && !begun_.contains(flow_key(packet)) && !begun_.contains(flow_key(quoted))) return {};
  begun_.clear();
  return datapath_.clear_conntrack();
}

resolve::Origin TestProgram::origin_of(std::uint32_t counter) const {
  const auto found = origin_by_counter_.find(counter);
  return found == origin_by_counter_.end() ? resolve::Origin{} : found->second;
}

Result<resolve::Judgement> TestProgram::judge(kernel::Hook hook, const resolve::PacketQuery& packet) {
  const auto interface = interfaces_.find(packet.interface);
  // Without an entry for the interface the program does not look at the packet; a test run always has one.
  if (interface == interfaces_.end()) return resolve::Judgement{.allow = true, .reason = NW_REASON_NO_ENDPOINT, .origin = {}, .staged = {}};
  if (auto done = forget_flow(packet); !done) return fail(done.error());
  const bool forwarded = hook == kernel::Hook::tc_egress && packet.forwarded;
  auto run = datapath_.run(hook, build_frame(packet), interface->second, 1,
                           {.segments = 0, .ingress_ifindex = forwarded ? kAnotherInterface : 0});
  if (!run) return fail(run.error());
  resolve::Judgement judgement;
  judgement.allow = hook == kernel::Hook::xdp ? run->return_code == XDP_PASS : run->return_code != TC_ACT_SHOT;
  judgement.reason = run->reason;
  judgement.origin = origin_of(run->rule_counter);
  judgement.logged = run->logged;
  if (run->staged != NW_NEXT) judgement.staged = {.allow = run->staged == NW_ALLOW, .origin = origin_of(run->staged_counter)};
  if (judgement.allow) begun_.insert(flow_key(packet));
  return judgement;
}

}  // namespace nodewall::engine
