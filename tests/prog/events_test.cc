// What Log rules leave in the ring buffer, and how it is read.
#include <poll.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "lab.h"

using namespace packet;
using namespace prog;
using nodewall::model::Action;

namespace {

constexpr std::size_t kAll = 100000;

std::vector<nw_event> take(const Lab& lab, std::size_t most = kAll) {
  auto batch = lab.datapath().read_events(most);
  REQUIRE(batch);
  CHECK(batch->damaged == 0);
  return std::move(batch->events);
}

nw_event_state state(const Lab& lab) {
  const auto counts = lab.datapath().event_state();
  REQUIRE(counts);
  return *counts;
}

bool is_readable(const Lab& lab) {
  pollfd on{lab.datapath().event_fd(), POLLIN, 0};
  return ::poll(&on, 1, 0) == 1;
}

std::string text(const nw_addr& raw) {
  nodewall::Address address;
  std::memcpy(address.bytes.data(), raw.bytes, 16);
  const bool v4 = address.high() == 0 && address.low() >> 32 == 0xffff;
  address.family = v4 ? nodewall::Family::v4 : nodewall::Family::v6;
  return to_string(address);
}

// Every TCP packet is logged, and that to port 80 is allowed.
Policy logging() { return {.ingress = {{.protocol = kTcp, .any_address = true, .action = Action::Log}, {.protocol = kTcp, .port = 80}}, .egress = {}}; }
// The same for each packet, not only for the first of a flow.
Policy logging_each() {
  return {.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.any_address = true, .action = Action::Log}, {.any_address = true}}}}};
}

Bytes syn(std::uint16_t port) { return Ethernet{} / Ipv4{} / Tcp{.destination = port, .flags = kSyn}; }

}  // namespace

TEST_CASE("an event says which packet it was and what became of it", "[events]") {
  Lab lab(logging());
  take(lab);
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK_FALSE(is_readable(lab));
    REQUIRE(lab.send(hook, syn(80)) == allowed(NW_REASON_POLICY));
    REQUIRE(lab.send(hook, Ethernet{} / Ipv6{} / Tcp{.destination = 81, .flags = kSyn}) == denied(NW_REASON_TIER_DEFAULT));
    CHECK(is_readable(lab));
    const auto events = take(lab);
    CHECK_FALSE(is_readable(lab));
    REQUIRE(events.size() == 2);
    CHECK(text(events[0].source) == "10.0.0.9");
    CHECK(text(events[0].destination) == "10.0.0.1");
    CHECK(events[0].destination_port_be == __builtin_bswap16(80));
    CHECK(events[0].protocol == kTcp);
    CHECK(events[0].tcp_flags == kSyn);
    CHECK(events[0].direction == NW_INGRESS);
    CHECK(events[0].chain == NW_CHAIN_INGRESS);
    CHECK(events[0].verdict == NW_ALLOW);
    CHECK(events[0].reason == NW_REASON_POLICY);
    CHECK(events[0].generation == lab.datapath().generation());
    CHECK(events[0].length == syn(80).size());
    CHECK(text(events[1].source) == "2001:db8::9");
    CHECK(events[1].verdict == NW_DENY);
    CHECK(events[1].reason == NW_REASON_TIER_DEFAULT);
    CHECK(events[1].time_ns >= events[0].time_ns);
  }
}

TEST_CASE("events are read a bounded number at a time, in order", "[events]") {
  Lab lab(logging());
  take(lab);
  for (std::uint16_t port = 1; port <= 5; ++port) lab.send(Hook::tc_ingress, syn(port));
  CHECK(take(lab, 0).empty());
  const auto first = take(lab, 2), rest = take(lab);
  REQUIRE(first.size() == 2);
  REQUIRE(rest.size() == 3);
  CHECK(first[0].destination_port_be == __builtin_bswap16(1));
  CHECK(rest[0].destination_port_be == __builtin_bswap16(3));
}

TEST_CASE("what is beyond the rate limit is counted and costs the packet nothing", "[events]") {
  Lab lab(logging_each());
  lab.set_flags(NW_INTERFACE_UNTRACKED);
  take(lab);
  auto settings = kSettings;
  // One at a time, and each comes later than the limit wants.
  settings.log_interval_ns = 1;
  settings.log_burst = 1;
  lab.set_settings(settings);
  for (int i = 0; i < 3; ++i) CHECK(lab.send(Hook::xdp, syn(80)) == allowed(NW_REASON_POLICY));
  CHECK(take(lab).size() == 3);
  settings.log_interval_ns = 3600 * kSecond;
  settings.log_burst = 3;
  lab.set_settings(settings);
  const auto before = state(lab).suppressed;
  for (int i = 0; i < 10; ++i) CHECK(lab.send(Hook::xdp, syn(80)) == allowed(NW_REASON_POLICY));
  CHECK(take(lab).size() == 3);
  CHECK(state(lab).suppressed == before + 7);
}

TEST_CASE("events that nobody reads are lost and counted, and the packets pass", "[events]") {
  Lab lab(logging_each());
  lab.set_flags(NW_INTERFACE_UNTRACKED);
  take(lab);
  const auto before = state(lab).lost;
  constexpr std::uint32_t kPackets = NW_EVENTS_BYTES / sizeof(nw_event) + 100;
  const auto run = lab.datapath().run(Hook::tc_ingress, syn(80), {0, 0, NW_INTERFACE_UNTRACKED, 0}, kPackets);
  REQUIRE(run);
  CHECK(run->reason == NW_REASON_POLICY);
  const auto told = take(lab).size();
  CHECK(told > 1000);
  CHECK(state(lab).lost - before == kPackets - told);
  CHECK(lab.send(Hook::tc_ingress, syn(80)) == allowed(NW_REASON_POLICY));
}
