// Connection tracking as stories: time passes by making entries older, never by sleeping.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "tcp_story.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::uint32_t kPolicy = NW_REASON_POLICY, kDefault = NW_REASON_TIER_DEFAULT, kKnown = NW_REASON_ESTABLISHED;

std::size_t confirmed(const Lab& lab) {
  return static_cast<std::size_t>(std::ranges::count_if(lab.flows(), [](const ConntrackRow& row) { return row.confirmed; }));
}

void flood(Lab& lab, std::uint32_t packets, const char* base = "10.0.0.") {
  for (std::uint32_t i = 0; i < packets; ++i) {
    const Bytes frame = Ethernet{} / Ipv4{.source = base + std::to_string(2 + i % 200)} /
                        Tcp{.source = static_cast<std::uint16_t>(1024 + i / 200), .destination = 80};
    const auto run = lab.datapath().run(Hook::tc_ingress, frame, nw_interface{}, 1);
    REQUIRE(run);
    REQUIRE(run->return_code == -1);
  }
}

}  // namespace

TEST_CASE("T-C1 a flow is half open until its third leg, and lives accordingly", "[conntrack]") {
  for (const bool v6 : {false, true})
    for (const auto hook : kIngressHooks) {
      Lab lab;
      const Story story{.lab = lab, .v6 = v6, .ingress = hook};
      CHECK(story.from_peer(kSyn) == allowed(kPolicy));
      CHECK(confirmed(lab) == 0);
      CHECK(story.from_host(kSyn | kAck) == allowed(kKnown));
      CHECK(confirmed(lab) == 0);
      lab.pass_time(kSettings.syn_sent_ns - kSecond);
      CHECK(story.from_peer(kAck) == allowed(kKnown));
      CHECK(confirmed(lab) == 1);
      CHECK(lab.flows().size() == 1);
      lab.pass_time(kSettings.tcp_established_ns - kSecond);
      CHECK(story.from_host(kAck) == allowed(kKnown));
      lab.pass_time(kSettings.tcp_established_ns + kSecond);
      CHECK(story.from_host(kAck) == denied(kDefault));
      CHECK(lab.flows().empty());
    }
}

TEST_CASE("T-C1 a half-open flow is over after its short time", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  CHECK(story.from_peer(kSyn) == allowed(kPolicy));
  lab.pass_time(kSettings.syn_sent_ns + kSecond);
  CHECK(story.from_host(kSyn | kAck) == denied(kDefault));
  CHECK(lab.flows().empty());
  // Answered is half open too.
  CHECK(story.from_peer(kSyn) == allowed(kPolicy));
  CHECK(story.from_host(kSyn | kAck) == allowed(kKnown));
  lab.pass_time(kSettings.syn_sent_ns + kSecond);
  CHECK(story.from_host(kSyn | kAck) == denied(kDefault));
}

TEST_CASE("T-C1 only the packet behind an answer confirms a flow: no second one before it, no reset", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  CHECK(story.from_peer(kSyn) == allowed(kPolicy));
  CHECK(story.from_peer(kAck) == allowed(kKnown));
  CHECK(confirmed(lab) == 0);
  CHECK(story.from_host(kSyn | kAck) == allowed(kKnown));
  CHECK(story.from_peer(kRst) == allowed(kKnown));
  CHECK(confirmed(lab) == 0);
  CHECK(story.from_peer(kAck) == allowed(kKnown));
  CHECK(confirmed(lab) == 1);
}

TEST_CASE("T-C1 a flood of first packets pushes out no established flow and none of the host's", "[conntrack]") {
  Lab lab;
  std::vector<Story> stories;
  for (std::uint16_t i = 0; i < 50; ++i) stories.push_back({.lab = lab, .peer_port = static_cast<std::uint16_t>(20'000 + i)});
  for (const auto& story : stories) story.establish();
  const Story half_open{.lab = lab, .peer_port = 443, .host_port = 33'000};
  CHECK(half_open.from_host(kSyn) == allowed(kPolicy));
  flood(lab, 20'000);
  for (const auto& story : stories) {
    CHECK(story.from_host(kAck) == allowed(kKnown));
    CHECK(story.from_peer(kAck) == allowed(kKnown));
  }
  CHECK(half_open.from_peer(kSyn | kAck) == allowed(kKnown));
}

TEST_CASE("T-C2 when the table is full packets are judged by policy, one by one", "[conntrack]") {
  Lab lab;
  nw_ct_entry entry{};
  std::size_t added = 0;
  for (std::uint32_t i = 0; i < 30'000; ++i) {  // until none of the places in the lines is left, whichever a flow has
    nw_ct_key key{};
    key.a.bytes[0] = 0xfd;
    std::memcpy(&key.b.bytes[8], &i, sizeof i);
    key.protocol = 6;
    added += lab.datapath().add_conntrack(key, entry) ? 1 : 0;
  }
  CHECK(added == 4096 + 1024);
  const auto full = lab.flow_count(NW_CT_COUNT_FULL);
  const Story open{.lab = lab}, closed{.lab = lab, .peer_port = 5001, .host_port = 81};
  CHECK(open.from_peer(kSyn) == allowed(kPolicy));
  CHECK(open.from_host(kSyn | kAck) == allowed(kKnown));
  CHECK(open.from_peer(kAck) == allowed(kKnown));
  CHECK(lab.flow_count(NW_CT_COUNT_FULL) > full);
  CHECK(open.from_host(kAck) == allowed(kKnown));
  for (const std::uint8_t flags : {kSyn, kAck, static_cast<std::uint8_t>(kSyn | kAck)}) {
    CHECK(closed.from_peer(flags) == denied(kDefault));
    CHECK(closed.from_host(flags) == denied(kDefault));
  }
  // A flood may push the flow out now: then policy is asked, and answers as for a first packet.
  flood(lab, 20'000);
  CHECK(open.from_peer(kAck).allow);
  CHECK(closed.from_peer(kAck) == denied(kDefault));
}

TEST_CASE("T-C3 failsafe flows need no policy and no room in the table of confirmed flows", "[conntrack]") {
  Lab lab(deny_all());
  lab.set_failsafe({{.direction = NW_INGRESS, .is_udp = false, .port = 22, .net = {}}});
  nw_ct_entry entry{};
  for (std::uint32_t i = 0; i < 4096; ++i) {
    nw_ct_key key{};
    key.a.bytes[0] = 0xfd;
    std::memcpy(&key.b.bytes[8], &i, sizeof i);
    REQUIRE(lab.datapath().add_conntrack(key, entry));
  }
  const Story ssh{.lab = lab, .host_port = 22};
  CHECK(ssh.from_peer(kSyn) == allowed(NW_REASON_FAILSAFE));
  CHECK(ssh.from_host(kSyn | kAck) == allowed(kKnown));
  for (int i = 0; i < 3; ++i) {
    CHECK(ssh.from_peer(kAck) == allowed(kKnown));
    CHECK(ssh.from_host(kAck) == allowed(kKnown));
  }
}

TEST_CASE("T-C5 every kind of flow ends after its own time", "[conntrack]") {
  Lab lab;
  const auto udp = [&](Hook hook) {
    return hook == Hook::tc_egress ? lab.send(hook, Ethernet{} / v4_from_host() / Udp{})
                                   : lab.send(hook, Ethernet{} / Ipv4{} / Udp{.source = 53, .destination = 40000});
  };
  CHECK(udp(Hook::tc_egress) == allowed(kPolicy));
  lab.pass_time(kSettings.udp_ns - kSecond);
  CHECK(udp(Hook::tc_ingress) == allowed(kKnown));
  lab.pass_time(kSettings.udp_ns - kSecond);  // an answer is traffic too
  CHECK(udp(Hook::tc_ingress) == allowed(kKnown));
  lab.pass_time(kSettings.udp_ns + kSecond);
  CHECK(udp(Hook::tc_ingress) == denied(kDefault));

  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Icmp{}) == allowed(kPolicy));
  lab.pass_time(kSettings.icmp_ns + kSecond);
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Icmp{.type = 0}) == denied(kDefault));

  // UDP-Lite is like UDP; what has no time of its own has the general one.
  lab.set_policy({.ingress = {}, .egress = allow_all().egress});
  const auto lite = [&](Hook hook) {
    return hook == Hook::tc_egress ? lab.send(hook, Ethernet{} / v4_from_host() / Udp{.protocol = 136})
                                   : lab.send(hook, Ethernet{} / Ipv4{} / Udp{.source = 53, .destination = 40000, .protocol = 136});
  };
  const auto gre = [&](Hook hook) {
    auto header = hook == Hook::tc_egress ? v4_from_host() : Ipv4{};
    header.protocol = 47;
    return lab.send(hook, Ethernet{} / header / Payload(16));
  };
  CHECK(lite(Hook::tc_egress) == allowed(kPolicy));
  CHECK(gre(Hook::tc_egress) == allowed(kPolicy));
  lab.pass_time(kSettings.udp_ns + kSecond);
  CHECK(lite(Hook::tc_ingress) == denied(kDefault));
  CHECK(gre(Hook::tc_ingress) == allowed(kKnown));
  lab.pass_time(kSettings.generic_ns + kSecond);
  CHECK(gre(Hook::tc_ingress) == denied(kDefault));
}

TEST_CASE("T-C5 a sweep removes what is over and nothing else", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{}) == allowed(kPolicy));
  lab.pass_time(kSettings.udp_ns + kSecond);
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto now_ns = static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
  const auto swept = lab.datapath().sweep_conntrack(now_ns, kSettings);
  REQUIRE(swept);
  CHECK(*swept == 1);
  CHECK(story.from_host(kAck) == allowed(kKnown));
}

TEST_CASE("T-C6 a packet in the middle of an unknown flow is judged as a first one", "[conntrack]") {
  for (const std::uint8_t flags : {kAck, static_cast<std::uint8_t>(kAck | kPsh), static_cast<std::uint8_t>(kAck | kFin)}) {
    Lab lab;
    CHECK(Story{.lab = lab, .host_port = 81}.from_peer(flags) == denied(kDefault));
    CHECK(lab.flows().empty());
    CHECK(Story{.lab = lab}.from_peer(flags) == allowed(kPolicy));
  }
}

TEST_CASE("T-C6 a reset opens no flow", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  for (const std::uint8_t flags : {kRst, static_cast<std::uint8_t>(kRst | kAck)}) {
    CHECK(story.from_peer(flags) == allowed(kPolicy));
    CHECK(lab.flows().empty());
    CHECK(story.from_host(kAck) == denied(kDefault));
  }
}

TEST_CASE("T-C6 a SYN on an established flow asks policy and tears nothing down", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  CHECK(story.from_peer(kSyn) == allowed(kPolicy));
  CHECK(confirmed(lab) == 1);
  CHECK(story.from_host(kAck) == allowed(kKnown));
  // The other end may answer, and not begin.
  CHECK(story.from_host(kSyn) == denied(kDefault));
  CHECK(story.from_host(kAck) == allowed(kKnown));
  lab.set_policy({.ingress = standard_policy().ingress, .egress = allow_all().egress});
  CHECK(story.from_host(kSyn) == allowed(kPolicy));
  CHECK(confirmed(lab) == 1);
  lab.set_policy(deny_all());
  CHECK(story.from_peer(kSyn) == denied(kDefault));
}

TEST_CASE("T-C6 a reset from off the path does not end a flow that goes on", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  CHECK(story.from_peer(kRst) == allowed(kKnown));
  CHECK(story.from_host(kAck) == allowed(kKnown));
  lab.pass_time(kSettings.reset_seen_ns + kSecond);
  CHECK(story.from_host(kAck) == allowed(kKnown));
  // Without traffic it is over soon.
  CHECK(story.from_peer(kRst) == allowed(kKnown));
  lab.pass_time(kSettings.reset_seen_ns + kSecond);
  CHECK(story.from_host(kAck) == denied(kDefault));
}

TEST_CASE("T-C6 after both ends have closed a flow is over soon, and its ports can be used again", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  CHECK(story.from_peer(kFin | kAck) == allowed(kKnown));
  lab.pass_time(kSettings.fins_seen_ns + kSecond);  // half closed is not closed
  CHECK(story.from_host(kAck) == allowed(kKnown));
  CHECK(story.from_host(kFin | kAck) == allowed(kKnown));
  CHECK(story.from_peer(kAck) == allowed(kKnown));
  CHECK(story.from_peer(kSyn) == allowed(kPolicy));
  CHECK(confirmed(lab) == 0);
  CHECK(story.from_host(kSyn | kAck) == allowed(kKnown));
  CHECK(story.from_peer(kAck) == allowed(kKnown));
  CHECK(story.from_peer(kFin | kAck) == allowed(kKnown));
  CHECK(story.from_host(kFin | kAck) == allowed(kKnown));
  lab.pass_time(kSettings.fins_seen_ns + kSecond);
  CHECK(story.from_host(kAck) == denied(kDefault));
}

TEST_CASE("T-C7 an adopted flow goes on, begun by whom it was", "[conntrack]") {
  Lab lab({.ingress = {}, .egress = {{.protocol = kTcp, .port = 443}}});
  const Story story{.lab = lab, .peer_port = 443, .host_port = 33'000};
  CHECK(story.from_peer(kAck) == denied(kDefault));
  // The key as the program would make it, taken from it.
  CHECK(story.from_host(kSyn) == allowed(kPolicy));
  auto row = lab.flows().at(0);
  lab.forget_flows();
  row.entry.flags |= NW_CT_ADOPTED | NW_CT_REPLIED;
  REQUIRE(lab.datapath().add_conntrack(row.key, row.entry));
  CHECK(story.from_peer(kAck) == allowed(kKnown));
  CHECK(story.from_host(kAck) == allowed(kKnown));
}

TEST_CASE("T-C9 a reply must have the ports, the protocol and the addresses of its flow", "[conntrack]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{}) == allowed(kPolicy));
    const auto reply = [&](const Ipv4& header, std::uint16_t source, std::uint16_t destination) {
      return lab.send(hook, Ethernet{} / header / Udp{.source = source, .destination = destination});
    };
    CHECK(reply({}, 53, 40000) == allowed(kKnown));
    CHECK(reply({}, 54, 40000) == denied(kDefault));
    CHECK(reply({}, 53, 40001) == denied(kDefault));
    CHECK(reply({}, 40000, 5353) == denied(kDefault));
    CHECK(reply({.source = "10.0.0.8"}, 53, 40000) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.source = 53, .destination = 40000, .flags = kAck}) == denied(kDefault));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Udp{.source = 53, .destination = 40000, .protocol = 136}) == denied(kDefault));
  }
}

TEST_CASE("T-C9 who opened a flow is remembered: the reply direction opens nothing", "[conntrack]") {
  Lab lab;
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Udp{}) == allowed(kPolicy));
  // The host's answer is one; a question of the host from the same ports to another peer is not.
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{.source = 53, .destination = 40000}) == allowed(kKnown));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host("10.0.0.8") / Udp{.source = 53, .destination = 40000}) == denied(kDefault));
}

TEST_CASE("T-C9 what the host sends to itself opens nothing where it comes in", "[conntrack]") {
  Lab lab({.ingress = {}, .egress = {{.protocol = kUdp, .any_address = true}}});
  lab.set_flags(NW_INTERFACE_LOOPBACK);
  const Bytes packet = Ethernet{} / v4_from_host("127.0.0.1") / Udp{};
  CHECK(lab.send(Hook::tc_egress, packet) == allowed(kPolicy));
  CHECK(lab.send(Hook::tc_ingress, packet) == denied(kDefault));
}

TEST_CASE("T-C10 a reply may come in by another interface and hook", "[conntrack]") {
  Lab lab;
  const Story at_tc{.lab = lab}, at_xdp{.lab = lab, .ingress = Hook::xdp};
  CHECK(at_tc.from_peer(kSyn) == allowed(kPolicy));
  CHECK(at_tc.from_host(kSyn | kAck) == allowed(kKnown));
  CHECK(at_xdp.from_peer(kAck) == allowed(kKnown));
  CHECK(confirmed(lab) == 1);
}

TEST_CASE("protocols without ports are flows of their addresses", "[conntrack]") {
  Lab lab({.ingress = {}, .egress = {{.protocol = 47}}});
  const auto in = [&](std::uint8_t protocol) { return lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{.protocol = protocol} / Payload(16)); };
  CHECK(in(47) == denied(kDefault));
  auto header = v4_from_host();
  header.protocol = 47;
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / header / Payload(16)) == allowed(kPolicy));
  CHECK(in(47) == allowed(kKnown));
  CHECK(in(50) == denied(kDefault));
}
