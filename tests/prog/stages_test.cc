// The stages beside the host's own policy: untracked, preDNAT, forwarded traffic, services, Log and staged policies.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "lab.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::uint32_t kPolicy = NW_REASON_POLICY, kDefault = NW_REASON_TIER_DEFAULT, kKnown = NW_REASON_ESTABLISHED,
                        kForwarded = NW_REASON_FORWARDED, kFailsafe = NW_REASON_FAILSAFE;
constexpr std::uint32_t kForward = NW_INTERFACE_FORWARD | NW_INTERFACE_STRICT_INGRESS | NW_INTERFACE_STRICT_EGRESS,
                        kUntracked = NW_INTERFACE_UNTRACKED | NW_INTERFACE_STRICT_INGRESS;
constexpr RunContext kCameIn{.segments = 0, .ingress_ifindex = 2};  // by another interface
const char* const kElsewhere = "192.0.2.5";

const Rules kAll{{.any_address = true}}, kNothing{{.any_address = true, .deny = true}};
Rules web() { return {{.protocol = kTcp, .port = 80, .any_address = true}}; }

// One TCP connection of a peer through the host to an address elsewhere, seen at the interface where the peer is.
struct Through {
  Lab& lab;
  Hook ingress = Hook::tc_ingress;
  std::uint16_t port = 80;

  [[nodiscard]] Outcome in(std::uint8_t flags) const {
    return lab.send(ingress, Ethernet{} / Ipv4{.destination = kElsewhere} / Tcp{.destination = port, .flags = flags});
  }
  [[nodiscard]] Outcome answer(std::uint8_t flags) const {
    return lab.send(Hook::tc_egress,
                    Ethernet{} / Ipv4{.source = kElsewhere, .destination = "10.0.0.9"} / Tcp{.source = port, .destination = 40000, .flags = flags},
                    kCameIn);
  }
};

// The same connection at the interface by which it leaves.
struct Beyond {
  Lab& lab;
  Hook ingress = Hook::tc_ingress;

  [[nodiscard]] Outcome out(std::uint8_t flags) const {
    return lab.send(Hook::tc_egress, Ethernet{} / Ipv4{.destination = kElsewhere} / Tcp{.flags = flags}, kCameIn);
  }
  [[nodiscard]] Outcome answer(std::uint8_t flags) const {
    return lab.send(ingress, Ethernet{} / Ipv4{.source = kElsewhere, .destination = "10.0.0.9"} / Tcp{.source = 80, .destination = 40000, .flags = flags});
  }
};

Policy forward(Rules in, Rules out) {
  Policy policy{.ingress = kNothing, .egress = kNothing};
  if (!in.empty()) policy.more[NW_CHAIN_FORWARD_INGRESS] = std::move(in);
  if (!out.empty()) policy.more[NW_CHAIN_FORWARD_EGRESS] = std::move(out);
  return policy;
}

Bytes syn(std::uint16_t port, std::uint8_t flags = kSyn) { return Ethernet{} / Ipv4{} / Tcp{.destination = port, .flags = flags}; }
Bytes reply(std::uint16_t port, std::uint8_t flags = kSyn | kAck) {
  return Ethernet{} / v4_from_host() / Tcp{.source = port, .destination = 40000, .flags = flags};
}

}  // namespace

TEST_CASE("forwarded traffic is open and leaves no flow where no policy is about it", "[stages]") {
  Lab lab(deny_all());
  for (const auto hook : kIngressHooks) CHECK(Through{lab, hook}.in(kSyn) == allowed(kForwarded));
  CHECK(Through{lab}.answer(kSyn | kAck) == allowed(kForwarded));
  CHECK(lab.flows().empty());
}

TEST_CASE("applyOnForward: a forwarded flow needs the policy once, and its answers pass by it", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(forward(web(), kNothing));
    lab.set_flags(kForward);
    const Through flow{lab, hook};
    CHECK(flow.answer(kSyn | kAck) == denied(kPolicy));
    CHECK(flow.in(kSyn) == allowed(kPolicy));
    CHECK(flow.answer(kSyn | kAck) == allowed(kKnown));
    CHECK(flow.in(kAck) == allowed(kKnown));
    CHECK(Through{lab, hook, 81}.in(kSyn) == denied(kDefault));
    CHECK(lab.flows().size() == 1);
  }
}

TEST_CASE("applyOnForward: each interface that a flow goes through has its own say", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(forward(web(), kNothing));
    lab.set_flags(kForward);
    CHECK(Through{lab, hook}.in(kSyn) == allowed(kPolicy));
    CHECK(Beyond{lab, hook}.out(kSyn) == denied(kPolicy));
    lab.set_policy(forward(web(), web()));
    CHECK(Beyond{lab, hook}.out(kSyn) == allowed(kPolicy));
    CHECK(Beyond{lab, hook}.answer(kSyn | kAck) == allowed(kKnown));
    CHECK(Through{lab, hook}.answer(kSyn | kAck) == allowed(kKnown));
    CHECK(lab.flows().size() == 2);
  }
}

TEST_CASE("applyOnForward in one direction only: the answers of what it does not see pass", "[stages]") {
  Lab lab(forward(kNothing, {}));
  lab.set_flags(kForward);
  CHECK(Beyond{lab}.out(kSyn) == allowed(kForwarded));
  CHECK(Beyond{lab}.answer(kSyn | kAck) == allowed(kKnown));
  CHECK(Through{lab}.in(kSyn) == denied(kPolicy));
}

TEST_CASE("applyOnForward: a flow that left opens nothing where the same packets come in", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(forward(kNothing, kAll));
    lab.set_flags(kForward);
    CHECK(Beyond{lab, hook}.out(kSyn) == allowed(kPolicy));
    CHECK(Through{lab, hook}.in(kAck) == denied(kPolicy));
  }
}

TEST_CASE("a forwarded flow and one of the host with the same addresses and ports know nothing of each other", "[stages]") {
  Lab lab({.ingress = kNothing, .egress = kAll, .more = {{NW_CHAIN_FORWARD_EGRESS, kAll}}});
  lab.set_flags(kForward);
  // Sent by the host with an address that is not its own, and sent through it.
  CHECK(Beyond{lab}.out(kSyn) == allowed(kPolicy));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / Ipv4{.destination = kElsewhere} / Tcp{.flags = kAck}) == allowed(kPolicy));
  CHECK(lab.flows().size() == 2);
}

TEST_CASE("a change of policy reaches forwarded flows, in both directions of both legs", "[stages]") {
  for (const auto hook : kIngressHooks)
    for (const bool by_answer : {false, true}) {
      Lab lab(forward(web(), web()));
      lab.set_flags(kForward);
      const Through through{lab, hook};
      const Beyond beyond{lab, hook};
      REQUIRE(through.in(kSyn) == allowed(kPolicy));
      REQUIRE(beyond.out(kSyn) == allowed(kPolicy));
      REQUIRE(beyond.answer(kSyn | kAck) == allowed(kKnown));
      REQUIRE(through.answer(kSyn | kAck) == allowed(kKnown));
      lab.set_policy(forward(web(), web()));
      CHECK((by_answer ? through.answer(kAck) : through.in(kAck)) == allowed(kKnown));
      CHECK((by_answer ? beyond.answer(kAck) : beyond.out(kAck)) == allowed(kKnown));
      lab.set_policy(forward(kNothing, kNothing));
      CHECK((by_answer ? through.answer(kAck) : through.in(kAck)) == denied(kPolicy));
      CHECK((by_answer ? beyond.answer(kAck) : beyond.out(kAck)) == denied(kPolicy));
      CHECK((by_answer ? through.in(kAck) : through.answer(kAck)) == denied(kPolicy));
      CHECK((by_answer ? beyond.out(kAck) : beyond.answer(kAck)) == denied(kPolicy));
    }
}

TEST_CASE("traffic behind an address of the host is asked about where it leaves, and its answers find the flow", "[stages]") {
  const auto out = [](Lab& lab, std::uint8_t flags) {
    return lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Tcp{.source = 50000, .flags = flags}, kCameIn);
  };
  const auto answer = [](Lab& lab, std::uint8_t flags) {
    return lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Tcp{.source = 80, .destination = 50000, .flags = flags});
  };
  Lab lab(forward({}, web()));
  lab.set_flags(kForward);
  CHECK(out(lab, kSyn) == allowed(kPolicy));
  CHECK(answer(lab, kSyn | kAck) == allowed(kKnown));
  lab.set_policy(forward({}, kNothing));
  CHECK(answer(lab, kAck) == denied(kPolicy));
  CHECK(out(lab, kSyn) == denied(kPolicy));
  lab.set_policy(deny_all());
  lab.set_flags(0);
  CHECK(out(lab, kSyn) == allowed(kForwarded));
  CHECK(answer(lab, kSyn | kAck) == allowed(kKnown));
  lab.set_policy(deny_all());
  CHECK(answer(lab, kAck) == allowed(kKnown));
}

TEST_CASE("preDNAT: denies before the host's own policy, allows past it, and says nothing by default", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {{.protocol = kTcp, .port = 443}, {.protocol = kTcp, .port = 80}},
             .egress = {},
             .more = {{NW_CHAIN_PRE_DNAT, {{.protocol = kTcp, .port = 80, .deny = true}, {.protocol = kTcp, .port = 8080}}}}});
    lab.set_flags(kForward);
    CHECK(lab.send(hook, syn(80)) == denied(kPolicy));
    CHECK(lab.send(hook, syn(8080)) == allowed(kPolicy));
    CHECK(lab.send(hook, syn(443)) == allowed(kPolicy));
    CHECK(lab.send(hook, syn(444)) == denied(kDefault));
    // Forwarded traffic too, which nothing else is about.
    CHECK(Through{lab, hook, 80}.in(kSyn) == denied(kPolicy));
    CHECK(Through{lab, hook, 443}.in(kSyn) == allowed(kForwarded));
    // Answers are known flows.
    CHECK(lab.send(Hook::tc_egress, reply(8080)) == allowed(kKnown));
  }
}

TEST_CASE("preDNAT: failsafe ports of the host come first, those of others do not", "[stages]") {
  Lab lab({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_PRE_DNAT, kNothing}}});
  lab.set_flags(kForward);
  lab.set_failsafe({{.direction = NW_INGRESS, .is_udp = false, .port = 22, .net = {}}});
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, syn(22)) == allowed(kFailsafe));
    CHECK(Through{lab, hook, 22}.in(kSyn) == denied(kPolicy));
  }
}

TEST_CASE("preDNAT: a flow that it would deny now stops", "[stages]") {
  Lab lab({.ingress = kAll, .egress = {}});
  REQUIRE(lab.send(Hook::tc_ingress, syn(80)) == allowed(kPolicy));
  REQUIRE(lab.send(Hook::tc_egress, reply(80)) == allowed(kKnown));
  lab.set_policy({.ingress = kAll, .egress = {}, .more = {{NW_CHAIN_PRE_DNAT, kNothing}}});
  lab.set_flags(kForward);
  CHECK(lab.send(Hook::tc_egress, reply(80, kAck)) == denied(kPolicy));
  CHECK(lab.send(Hook::tc_ingress, syn(80, kAck)) == denied(kPolicy));
}

TEST_CASE("a service's port on an address of the host is forwarded traffic: the host's own policy does not see it", "[stages]") {
  auto settings = kSettings;
  settings.service_port_ranges = 2;
  settings.service_ports[0] = {.first = 30000, .last = 30999};
  settings.service_ports[1] = {.first = 32000, .last = 32000};
  for (const auto hook : kIngressHooks) {
    Lab lab(deny_all());
    lab.set_settings(settings);
    for (const std::uint16_t port : {30000, 30999, 32000}) CHECK(lab.send(hook, syn(port)) == allowed(kForwarded));
    for (const std::uint16_t port : {29999, 31000, 32001}) CHECK(lab.send(hook, syn(port)) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Udp{.destination = 30500}) == allowed(kForwarded));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Icmp{.id = 30500}) == denied(kDefault));
    // The answer comes from elsewhere behind the host's address, and is of the same flow.
    CHECK(lab.send(Hook::tc_egress, reply(30000), kCameIn) == allowed(kForwarded));
    CHECK(lab.send(hook, syn(30000, kAck)) == allowed(kKnown));
    // preDNAT closes it, for flows that are open too.
    lab.set_policy({.ingress = kAll, .egress = {}, .more = {{NW_CHAIN_PRE_DNAT, {{.protocol = kTcp, .port = 30000, .deny = true}}}}});
    lab.set_flags(kForward);
    CHECK(lab.send(hook, syn(30000)) == denied(kPolicy));
    CHECK(lab.send(hook, syn(30000, kAck)) == denied(kPolicy));
    CHECK(lab.send(hook, syn(30001)) == allowed(kForwarded));
    CHECK(lab.send(hook, syn(29999)) == allowed(kPolicy));
  }
}

TEST_CASE("an address of services on the host is forwarded traffic on every port", "[stages]") {
  Lab lab(deny_all());
  lab.set_local("10.0.0.77", NW_LOCAL_ADDRESS | NW_LOCAL_SERVICE);
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = "10.0.0.77"} / Tcp{}) == allowed(kForwarded));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.destination = "10.0.0.77"} / Icmp{}) == allowed(kForwarded));
    CHECK(lab.send(hook, syn(80)) == denied(kDefault));
  }
}

TEST_CASE("doNotTrack: judged packet by packet, in both directions, and leaves no flow", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {},
             .egress = {},
             .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.protocol = kTcp, .port = 80}, {.protocol = kTcp, .port = 81, .deny = true}}}}});
    lab.set_flags(kUntracked);
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
    CHECK(lab.send(hook, syn(80, kAck)) == allowed(kPolicy));
    CHECK(lab.send(hook, syn(81)) == denied(kPolicy));
    CHECK(lab.send(hook, syn(82)) == denied(kDefault));
    CHECK(lab.flows().empty());
    // Nothing is known of it, so the answer is a first packet of the host.
    CHECK(lab.send(Hook::tc_egress, reply(80)) == denied(kDefault));
    lab.set_policy({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, web()}, {NW_CHAIN_UNTRACKED_EGRESS, kAll}}});
    CHECK(lab.send(Hook::tc_egress, reply(80)) == allowed(kPolicy));
    CHECK(lab.flows().empty());
  }
}

TEST_CASE("doNotTrack sees forwarded packets that come in, not those that leave, and skips what is behind it", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {},
             .egress = {},
             .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.protocol = kTcp, .port = 80, .any_address = true}, {.protocol = kTcp, .port = 81, .any_address = true, .deny = true}}},
                      {NW_CHAIN_UNTRACKED_EGRESS, kNothing},
                      {NW_CHAIN_FORWARD_INGRESS, kNothing},
                      {NW_CHAIN_PRE_DNAT, kNothing}}});
    lab.set_flags(kUntracked | kForward);
    CHECK(Through{lab, hook}.in(kSyn) == allowed(kPolicy));
    CHECK(Through{lab, hook, 81}.in(kSyn) == denied(kPolicy));
    CHECK(Beyond{lab, hook}.out(kSyn) == allowed(kForwarded));
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
  }
  Lab lab({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.protocol = kTcp, .port = 81, .deny = true}}}}});
  lab.set_flags(kUntracked);
  CHECK(Through{lab, Hook::tc_ingress, 81}.in(kSyn) == denied(kPolicy));
  CHECK(Through{lab}.in(kSyn) == allowed(kForwarded));
  CHECK(lab.flows().empty());
}

TEST_CASE("doNotTrack: failsafe traffic stays out of it in both directions, so that it is tracked", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, kNothing}, {NW_CHAIN_UNTRACKED_EGRESS, kNothing}}});
    lab.set_flags(kUntracked);
    lab.set_failsafe({{.direction = NW_INGRESS, .is_udp = false, .port = 22, .net = {}},
                      {.direction = NW_EGRESS, .is_udp = true, .port = 53, .net = {}}});
    CHECK(lab.send(hook, syn(22)) == allowed(kFailsafe));
    CHECK(lab.send(Hook::tc_egress, reply(22)) == allowed(kKnown));
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{}) == allowed(kFailsafe));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Udp{.source = 53, .destination = 40000}) == allowed(kKnown));
    // An answer to nothing goes past the untracked stage, and is a first packet there.
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Udp{.source = 53, .destination = 40001}) == denied(kDefault));
    CHECK(lab.send(hook, syn(23)) == denied(kPolicy));
  }
}

TEST_CASE("doNotTrack: a deny reaches flows that are open, an allow keeps their packets out of conntrack", "[stages]") {
  Lab lab;
  REQUIRE(lab.send(Hook::tc_ingress, syn(80)) == allowed(kPolicy));
  lab.set_policy({.ingress = {{.protocol = kTcp, .port = 80}}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, kNothing}}});
  lab.set_flags(kUntracked);
  CHECK(lab.send(Hook::tc_ingress, syn(80, kAck)) == denied(kPolicy));
}

TEST_CASE("T-F11 fragments of untracked traffic: later ones pass behind an allowed first, never by what looks like a port", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.protocol = kUdp, .port = 53}}}}});
    lab.set_flags(kUntracked);
    const auto later = [](std::uint16_t id) {
      return Bytes(Ethernet{} / Ipv4{.id = id, .offset = 2, .protocol = 17} / Udp{.destination = 53});
    };
    CHECK(lab.send(hook, later(7)) == denied(NW_REASON_FRAG_NO_FIRST));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.id = 7, .more = true} / Udp{.destination = 53} / Payload(std::size_t{8})) == allowed(kPolicy));
    CHECK(lab.send(hook, later(7)) == allowed(kKnown));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.id = 8, .more = true} / Udp{.destination = 54} / Payload(std::size_t{8})) == denied(kDefault));
    CHECK(lab.send(hook, later(8)) == denied(NW_REASON_FRAG_NO_FIRST));
  }
}

TEST_CASE("ICMP errors about forwarded flows pass when the flow is known; without a policy about forwarded traffic all pass", "[stages]") {
  const auto error = [](Lab& lab, Hook hook, std::uint16_t port) {
    // A router beyond says that the peer's packet did not get through; it comes in where the flow leaves.
    return lab.send(hook, Ethernet{} / Ipv4{.source = "192.0.2.1", .destination = "10.0.0.9"} / Icmp{.type = 3, .code = 1} /
                              Ipv4{.source = "10.0.0.9", .destination = kElsewhere} / Tcp{.destination = port});
  };
  for (const auto hook : kIngressHooks) {
    Lab lab(forward(kNothing, web()));
    lab.set_flags(kForward);
    REQUIRE(Beyond{lab, hook}.out(kSyn) == allowed(kPolicy));
    CHECK(error(lab, hook, 80) == allowed(NW_REASON_RELATED));
    CHECK(error(lab, hook, 81) == denied(NW_REASON_ICMP_UNRELATED));
    lab.set_policy(deny_all());
    lab.set_flags(0);
    CHECK(error(lab, hook, 81) == allowed(kForwarded));
    lab.set_policy({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.protocol = kTcp, .deny = true}}}}});
    lab.set_flags(kUntracked);
    CHECK(error(lab, hook, 81) == allowed(kForwarded));
  }
}

TEST_CASE("doNotTrack speaks of ICMP errors too: flows that nobody tracks have no other way to hear of them", "[stages]") {
  for (const auto hook : kIngressHooks) {
    Lab lab({.ingress = {}, .egress = {}, .more = {{NW_CHAIN_UNTRACKED_INGRESS, {{.protocol = kIcmp, .icmp_type = 3}}}}});
    lab.set_flags(kUntracked);
    const auto error = [](std::uint8_t type) {
      return Bytes(Ethernet{} / Ipv4{} / Icmp{.type = type} / v4_from_host() / Tcp{.source = 80, .destination = 40000});
    };
    CHECK(lab.send(hook, error(3)) == allowed(kPolicy));
    CHECK(lab.send(hook, error(11)) == denied(NW_REASON_ICMP_UNRELATED));
  }
}

TEST_CASE("an image without a chain that the interface was said to have: the next stage decides", "[stages]") {
  Lab lab;
  lab.set_flags(kUntracked | kForward);
  for (const auto hook : kIngressHooks) {
    lab.forget_flows();
    CHECK(lab.send(hook, syn(80)) == allowed(kPolicy));
    CHECK(lab.send(hook, syn(81)) == denied(kDefault));
    CHECK(Through{lab, hook}.in(kSyn) == allowed(kForwarded));
  }
}
