#include "lab.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <catch2/catch_test_macros.hpp>
#include <ostream>

namespace prog {
namespace {

using namespace nodewall;

const char* reason_name(std::uint32_t reason) {
  switch (reason) {
#define NW_CASE(number, symbol, name, verdict, meaning) \
  case number: return name;
    NW_REASONS(NW_CASE)
#undef NW_CASE
  }
  return "unknown";
}

// Loading takes longer than a test: one for all, made new by each Lab.
Datapath& shared_datapath() {
  static auto opened = Datapath::open({.pin_dir = "", .conntrack_size = 4096});
  if (!opened) FAIL("the programs do not load: " << opened.error().message());
  return *opened;
}

Address address(const char* text) { return *parse_address(text); }

const std::map<Address, std::uint32_t> kLocal = {{address("10.0.0.1"), NW_LOCAL_ADDRESS},
                                                 {address("2001:db8::1"), NW_LOCAL_ADDRESS},
                                                 {address("fe80::1"), NW_LOCAL_ADDRESS},
                                                 {address("10.0.0.255"), NW_LOCAL_BROADCAST}};

resolve::ResolvedRule resolved_rule(const Rule& rule, std::int32_t number, bool ingress) {
  resolve::ResolvedRule resolved;
  resolved.action = rule.deny ? model::Action::Deny : rule.action;
  if (!rule.protocol) resolved.protocols.set();
  else resolved.protocols.set(*rule.protocol);
  if (rule.protocol == kIcmp) resolved.v6 = false;
  if (rule.protocol == kIcmpV6) resolved.v4 = false;
  if (rule.port) resolved.destination.ports = {{*rule.port, *rule.port}};
  if (rule.icmp_type) resolved.icmp = model::Icmp{.type = rule.icmp_type, .code = {}};
  if (!rule.any_address) (ingress ? resolved.source : resolved.destination).in = {0};
  resolved.origin = {.tier = "default", .policy = ingress ? "in" : "out", .rule = number, .staged = rule.staged};
  return resolved;
}

resolve::ChainPolicy chain_policy(const Rules& rules, std::uint32_t chain) {
  const bool ingress = resolve::direction_of(chain) == NW_INGRESS;
  resolve::ResolvedTier tier;
  if (resolve::end_of(chain) == resolve::ChainEnd::next) tier.end = model::TierAction::Pass;
  tier.name = "default";
  for (const auto& rule : rules) {
    const auto number = static_cast<std::int32_t>(tier.rules.size());
    tier.rules.push_back(resolved_rule(rule, number, ingress));
  }
  resolve::ChainPolicy policy;
  policy.tiers.push_back(std::move(tier));
  return policy;
}

nw_count counter(std::uint32_t direction, std::uint32_t reason) {
  const auto counters = shared_datapath().counters(0);
  REQUIRE(counters);
  return (*counters)[nw_counter_index(0, direction, reason)];
}

std::uint64_t all_packets() {
  const auto counters = shared_datapath().counters(0);
  REQUIRE(counters);
  std::uint64_t sum = 0;
  // What staged policies would change is counted beside the reasons.
  for (std::size_t i = 0; i < counters->size(); ++i)
    if (i % NW_REASON_SLOTS < NW_REASON_COUNT) sum += (*counters)[i].packets;
  return sum;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << (outcome.allow ? "allow " : "deny ") << reason_name(outcome.reason);
}

Policy standard_policy() {
  return {.ingress = {{.protocol = kTcp, .port = 80},
                      {.protocol = kUdp, .port = 53},
                      {.protocol = kSctp, .port = 80},
                      {.protocol = kIcmp, .icmp_type = 8},
                      {.protocol = kIcmpV6, .icmp_type = 128}},
          .egress = {{.protocol = kUdp, .port = 53},
                     {.protocol = kTcp, .port = 443},
                     {.protocol = kIcmp, .icmp_type = 8},
                     {.protocol = kIcmpV6, .icmp_type = 128}}};
}

Policy deny_all() { return {}; }
Policy allow_all() { return {.ingress = {{.any_address = true}}, .egress = {{.any_address = true}}}; }

compile::TableImage image_of(const Policy& policy) {
  resolve::Resolved resolved;
  resolved.sets.push_back({.members = {*parse_cidr("10.0.0.0/24", BareAddress::refuse),
                                       *parse_cidr("2001:db8::/64", BareAddress::refuse)}});
  resolved.endpoints.push_back({.host_endpoint = "host",
                                .chains = {chain_policy(policy.ingress, NW_CHAIN_INGRESS), chain_policy(policy.egress, NW_CHAIN_EGRESS)},
                                .staged = {},
                                .policies = {},
                                .staged_policies = {},
                                .profiles = {}});
  auto& endpoint = resolved.endpoints.front();
  for (const auto& [chain, rules] : policy.more) endpoint.chains[chain] = chain_policy(rules, chain);
  for (const auto& [chain, rules] : policy.staged) endpoint.staged[chain] = chain_policy(rules, chain);
  auto image = compile::compile(resolved, compile::assign_slots({}, resolved));
  if (!image) FAIL("the test's policy does not compile: " << image.error().message());
  return std::move(*image);
}

Lab::Lab(const Policy& policy) {
  forget_flows();
  set_settings(0);
  set_failsafe({});
  REQUIRE(datapath().set_local_addresses(kLocal));
  REQUIRE(datapath().reserve_rule_counters(64));
  set_policy(policy);
}

Datapath& Lab::datapath() const { return shared_datapath(); }

void Lab::set_policy(const Policy& policy) {
  generation_ = datapath().generation() + 1;
  REQUIRE(datapath().set_policy(image_of(policy).lines, generation_));
}

void Lab::set_settings(std::uint32_t flags) {
  auto settings = kSettings;
  settings.flags = flags;
  set_settings(settings);
}

void Lab::set_settings(const nw_settings& settings) { REQUIRE(datapath().set_settings(settings)); }

void Lab::set_local(const char* more, std::uint32_t flags) {
  auto local = kLocal;
  local[address(more)] = flags;
  REQUIRE(datapath().set_local_addresses(local));
}

std::uint64_t Lab::packets(std::uint32_t direction, std::uint32_t reason) const { return counter(direction, reason).packets; }

void Lab::set_failsafe(const std::vector<nodewall::kernel::FailsafeEntry>& entries) { REQUIRE(datapath().set_failsafe(entries)); }
void Lab::forget_flows() { REQUIRE(datapath().clear_conntrack()); }
void Lab::pass_time(std::uint64_t ns) { REQUIRE(datapath().age_conntrack(ns)); }

std::vector<ConntrackRow> Lab::flows() const {
  std::vector<ConntrackRow> rows;
  REQUIRE(datapath().for_each_conntrack([&](const ConntrackRow& row) { rows.push_back(row); }));
  return rows;
}

std::uint64_t Lab::flow_count(std::uint32_t what) const {
  const auto counts = datapath().conntrack_counters();
  REQUIRE(counts);
  return (*counts)[what];
}

Outcome Lab::send(Hook hook, const Bytes& frame, const RunContext& context) {
  CAPTURE(name(hook), frame.size());
  const auto direction = hook == Hook::tc_egress ? NW_EGRESS : NW_INGRESS;
  const auto created = flow_count(NW_CT_COUNT_CREATED);
  const auto before = datapath().counters(0);
  REQUIRE(before);
  const auto total_before = all_packets();
  const auto run = datapath().run(hook, frame, nw_interface{0, 0, interface_flags_, 0}, 1, context);
  if (!run) FAIL("test run: " << run.error().message());
  last_ = *run;
  const bool allow = hook == Hook::xdp ? run->return_code == XDP_PASS : run->return_code == TC_ACT_UNSPEC;
  if (!allow) REQUIRE(run->return_code == (hook == Hook::xdp ? XDP_DROP : TC_ACT_SHOT));

  const auto segments = context.segments != 0 ? context.segments : 1;
  const auto old = (*before)[nw_counter_index(0, direction, run->reason)];
  const auto now = counter(direction, run->reason);
  CHECK(now.packets - old.packets == segments);
  CHECK(now.bytes - old.bytes == frame.size());
  CHECK(all_packets() - total_before == segments);
  if (!allow) CHECK(flow_count(NW_CT_COUNT_CREATED) == created);
  return {allow, run->reason};
}

packet::Ipv4 v4_from_host(std::string destination) { return {.source = "10.0.0.1", .destination = std::move(destination)}; }
packet::Ipv6 v6_from_host(std::string destination) { return {.source = "2001:db8::1", .destination = std::move(destination)}; }

}  // namespace prog
