// What is beside the verdict: Log rules and staged policies.
#include <catch2/catch_test_macros.hpp>

#include "lab.h"

using namespace packet;
using namespace prog;
using nodewall::model::Action;

namespace {

constexpr std::uint32_t kPolicy = NW_REASON_POLICY, kDefault = NW_REASON_TIER_DEFAULT, kKnown = NW_REASON_ESTABLISHED,
                        kForwarded = NW_REASON_FORWARDED;
constexpr RunContext kCameIn{.segments = 0, .ingress_ifindex = 2};  // by another interface
const char* const kElsewhere = "192.0.2.5";
const Rules kAll{{.any_address = true}};

Bytes syn(std::uint16_t port, std::uint8_t flags = kSyn) { return Ethernet{} / Ipv4{} / Tcp{.destination = port, .flags = flags}; }
Bytes through(std::uint16_t port, std::uint8_t flags = kSyn) {
  return Ethernet{} / Ipv4{.destination = kElsewhere} / Tcp{.destination = port, .flags = flags};
}

}  // namespace

TEST_CASE("Log marks a packet that comes to it, and decides nothing", "[stages]") {
  const Rule log{.protocol = kTcp, .port = 80, .action = Action::Log};
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {{.protocol = kTcp, .port = 81}, log, {.protocol = kTcp, .port = 80}}, .egress = {}});
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
    CHECK(lab.last().logged);
    CHECK(lab.send(hook, syn(80, kAck)) == allowed(kKnown));
    CHECK_FALSE(lab.last().logged);
    CHECK(lab.send(hook, syn(81)) == allowed(kPolicy));
    CHECK_FALSE(lab.last().logged);
    // Behind what decides it is not met; at the end of a tier it is.
    lab.forget_flows();
    lab.set_policy({.ingress = {{.protocol = kTcp, .port = 80}, log}, .egress = {}});
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
    CHECK_FALSE(lab.last().logged);
    lab.set_policy({.ingress = {{.any_address = true, .action = Action::Log}}, .egress = {}});
    CHECK(lab.send(hook, syn(82)) == denied(kDefault));
    CHECK(lab.last().logged);
  }
}

TEST_CASE("Log in an untracked chain marks every packet", "[stages]") {
  Lab lab({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.any_address = true, .action = Action::Log}, {.protocol = kTcp, .port = 80}}}}});
  lab.set_flags(NW_INTERFACE_UNTRACKED | NW_INTERFACE_STRICT_INGRESS);
  for (const auto hook : kIngressHooks)
    for (const std::uint8_t flags : {kSyn, kAck}) {
      CHECK(lab.send(hook, syn(80, flags)) == allowed(kPolicy));
      CHECK(lab.last().logged);
    }
}

TEST_CASE("of an open flow Log marks what an untracked chain meets, not what the others would", "[stages]") {
  const Rule log{.protocol = kTcp, .port = 80, .action = Action::Log}, web{.protocol = kTcp, .port = 80};
  for (const bool untracked : {false, true})
    for (const auto hook : kIngressHooks) {
      CAPTURE(untracked);
      Policy policy{.ingress = {log, web}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.protocol = kTcp, .port = 81, .deny = true}}}}};
      if (untracked) policy.more[NW_CHAIN_UNTRACKED_INGRESS].push_back(log);
      Lab lab(policy);
      lab.set_flags(NW_INTERFACE_UNTRACKED | NW_INTERFACE_STRICT_INGRESS);
      CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
      CHECK(lab.last().logged);
      CHECK(lab.send(hook, syn(80, kAck)) == allowed(kKnown));
      CHECK(lab.last().logged == untracked);
    }
}

TEST_CASE("staged policies are judged and counted beside, and decide nothing", "[stages]") {
  const Rules would_deny{{.protocol = kTcp, .port = 80, .deny = true, .staged = true}, {.protocol = kTcp}};
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {{.protocol = kTcp}}, .egress = {}, .more = {}, .staged = {{NW_CHAIN_INGRESS, would_deny}}});
    const auto before = lab.packets(NW_INGRESS, NW_COUNT_STAGED_DENY);
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
    CHECK(lab.last().staged == NW_DENY);
    const auto staged = lab.last().staged_counter;
    REQUIRE(staged != NW_NO_COUNTER);
    REQUIRE(staged != lab.last().rule_counter);
    lab.forget_flows();
    const auto counts = lab.datapath().rule_counters();
    REQUIRE(counts);
    const auto of_rule = (*counts)[staged].packets, of_policy = (*counts)[lab.last().rule_counter].packets;
    CHECK(of_rule > 0);
    CHECK(of_policy > 0);
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
    CHECK(lab.send(hook, syn(81)) == allowed(kPolicy));
    CHECK(lab.last().staged == NW_ALLOW);
    CHECK(lab.last().staged_counter == NW_NO_COUNTER);
    CHECK(lab.send(hook, syn(80, kAck)) == allowed(kKnown));
    CHECK(lab.last().staged == NW_NEXT);
    CHECK(lab.packets(NW_INGRESS, NW_COUNT_STAGED_DENY) == before + 2);
    const auto rules = lab.datapath().rule_counters();
    REQUIRE(rules);
    CHECK((*rules)[staged].packets == of_rule + 1);
  }
}

TEST_CASE("a staged preDNAT policy where none is enforced is counted on its way", "[stages]") {
  Lab lab({.ingress = kAll, .egress = {}, .more = {}, .staged = {{NW_CHAIN_PRE_DNAT, {{.protocol = kTcp, .port = 80, .deny = true, .staged = true}}}}});
  lab.set_flags(NW_INTERFACE_FORWARD);
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
    CHECK(lab.last().staged == NW_DENY);
    CHECK(lab.send(hook, through(80)) == allowed(kForwarded));
    CHECK(lab.last().staged == NW_DENY);
    CHECK(lab.send(hook, syn(81)) == allowed(kPolicy));
    CHECK(lab.last().staged == NW_ALLOW);
  }
}

TEST_CASE("staged policies about forwarded traffic leave it as it was, its broken packets too", "[stages]") {
  const Bytes broken = through(80, kSyn | kFin), fragment = Ethernet{} / Ipv4{.destination = kElsewhere, .id = 9, .offset = 2, .protocol = 17} / Udp{};
  Lab lab({.ingress = {}, .egress = {}, .more = {}, .staged = {{NW_CHAIN_FORWARD_INGRESS, {{.any_address = true, .deny = true, .staged = true}}}}});
  const auto outcomes = [&](std::uint32_t flags) {
    lab.set_flags(flags);
    std::vector<Outcome> all;
    for (const auto hook : kIngressHooks)
      for (const auto& frame : {broken, fragment, through(80)}) all.push_back(lab.send(hook, frame));
    for (const auto& frame : {broken, fragment, through(80)}) all.push_back(lab.send(Hook::tc_egress, frame, kCameIn));
    return all;
  };
  const std::vector<Outcome> open(9, allowed(kForwarded));
  CHECK(outcomes(0) == open);
  lab.forget_flows();
  const auto staged = outcomes(NW_INTERFACE_FORWARD);
  for (const auto& outcome : staged) CHECK(outcome.allow);
  lab.forget_flows();
  lab.set_flags(NW_INTERFACE_FORWARD | NW_INTERFACE_STRICT_INGRESS | NW_INTERFACE_STRICT_EGRESS);
  for (const auto hook : kIngressHooks) {
    CHECK(lab.send(hook, broken) == denied(NW_REASON_TCP_FLAGS));
    CHECK(lab.send(hook, fragment) == denied(NW_REASON_FRAG_NO_FIRST));
  }
  CHECK(lab.send(Hook::tc_egress, broken, kCameIn) == denied(NW_REASON_TCP_FLAGS));
}
