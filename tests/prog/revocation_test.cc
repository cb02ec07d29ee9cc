// A change of policy and the flows that are open.
#include <catch2/catch_test_macros.hpp>

#include "tcp_story.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::uint32_t kPolicy = NW_REASON_POLICY, kDefault = NW_REASON_TIER_DEFAULT, kKnown = NW_REASON_ESTABLISHED;

}  // namespace

TEST_CASE("T-C8 a flow that the new policy denies stops at its next packet, from either end", "[conntrack]") {
  for (const bool v6 : {false, true})
    for (const bool host_first : {false, true}) {
      Lab lab;
      const Story story{.lab = lab, .v6 = v6};
      story.establish();
      const auto revoked = lab.flow_count(NW_CT_COUNT_REVOKED);
      lab.set_policy(deny_all());
      CHECK((host_first ? story.from_host(kAck) : story.from_peer(kAck)) == denied(kDefault));
      CHECK(lab.flow_count(NW_CT_COUNT_REVOKED) == revoked + 1);
      CHECK(story.from_peer(kAck) == denied(kDefault));
      CHECK(story.from_host(kAck) == denied(kDefault));
      CHECK(lab.flow_count(NW_CT_COUNT_REVOKED) == revoked + 1);
    }
}

TEST_CASE("T-C8 what the other end of a stopped flow still sends opens no flow, though it may begin one", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  lab.set_policy({.ingress = {}, .egress = allow_all().egress});
  CHECK(story.from_host(kAck) == denied(kDefault));
  CHECK(story.from_peer(kAck) == denied(kDefault));
  // A connection of the host's own between the same ports is another flow.
  CHECK(story.from_host(kSyn) == allowed(kPolicy));
  CHECK(story.from_peer(kSyn | kAck) == allowed(kKnown));
  lab.set_policy(deny_all());
  CHECK(story.from_host(kAck) == denied(kDefault));
}

TEST_CASE("T-C8 a stopped flow of datagrams stays stopped while its other end goes on sending", "[conntrack]") {
  Lab lab;
  const auto from_peer = [&] { return lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Udp{}); };
  const auto from_host = [&] { return lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{.source = 53, .destination = 40000}); };
  REQUIRE(from_peer() == allowed(kPolicy));
  REQUIRE(from_host() == allowed(kKnown));
  lab.set_policy({.ingress = {}, .egress = allow_all().egress});
  for (int i = 0; i < 4; ++i) {
    lab.pass_time(kSettings.udp_ns / 2);
    CHECK(from_host() == denied(kDefault));
    CHECK(from_peer() == denied(kDefault));
  }
}

TEST_CASE("T-C8 T-I2 an error about a stopped flow is about none", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  const auto error = [&] {
    return lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{.source = "10.0.7.7"} / Icmp{.type = 3, .code = 3, .id = 0, .sequence = 0} /
                                          Payload(bytes(v4_from_host() / Tcp{.source = 80, .destination = 5000, .flags = kAck})));
  };
  CHECK(error() == allowed(NW_REASON_RELATED));
  lab.set_policy(deny_all());
  CHECK(story.from_peer(kAck) == denied(kDefault));
  CHECK(error() == denied(NW_REASON_ICMP_UNRELATED));
}

TEST_CASE("T-C8 a stopped flow goes on when policy allows it again", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  lab.set_policy(deny_all());
  CHECK(story.from_host(kAck) == denied(kDefault));
  lab.set_policy(standard_policy());
  CHECK(story.from_host(kAck) == allowed(kKnown));
  CHECK(story.from_peer(kAck) == allowed(kKnown));
}

TEST_CASE("T-C8 a flow that the new policy allows is asked about once", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  const auto rejudged = lab.flow_count(NW_CT_COUNT_REJUDGED);
  lab.set_policy({.ingress = {{.protocol = kTcp, .port = 80}}, .egress = {}});
  for (int i = 0; i < 3; ++i) {
    CHECK(story.from_host(kAck) == allowed(kKnown));
    CHECK(story.from_peer(kAck) == allowed(kKnown));
  }
  CHECK(lab.flow_count(NW_CT_COUNT_REJUDGED) == rejudged + 1);
}

TEST_CASE("T-C8 a half-open flow and an echo are judged again like any other", "[conntrack]") {
  Lab lab;
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Icmp{.id = 5}) == allowed(kPolicy));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v6_from_host() / Icmp{.type = 128, .id = 5}) == allowed(kPolicy));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Udp{}) == allowed(kPolicy));
  lab.set_policy({.ingress = {}, .egress = {{.protocol = kIcmp, .icmp_type = 8}}});
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Icmp{.type = 0, .id = 5}) == allowed(kKnown));
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv6{} / Icmp{.type = 129, .id = 5}) == denied(kDefault));
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Udp{.source = 53, .destination = 40000}) == denied(kDefault));
}

TEST_CASE("T-C8 with establishedFlows Keep an established flow goes on", "[conntrack]") {
  Lab lab;
  lab.set_settings(NW_SETTING_KEEP_ESTABLISHED);
  const Story story{.lab = lab};
  story.establish();
  lab.set_policy(deny_all());
  CHECK(story.from_peer(kAck) == allowed(kKnown));
  CHECK(story.from_host(kAck) == allowed(kKnown));
  CHECK(story.from_peer(kSyn) == denied(kDefault));
}

TEST_CASE("T-C8 a failsafe flow is never asked again", "[conntrack]") {
  Lab lab(deny_all());
  lab.set_failsafe({{.direction = NW_INGRESS, .is_udp = false, .port = 22, .net = {}}});
  const Story ssh{.lab = lab, .host_port = 22};
  CHECK(ssh.from_peer(kSyn) == allowed(NW_REASON_FAILSAFE));
  CHECK(ssh.from_host(kSyn | kAck) == allowed(kKnown));
  lab.set_policy(deny_all());
  CHECK(ssh.from_host(kAck) == allowed(kKnown));
  CHECK(ssh.from_peer(kAck) == allowed(kKnown));
}

TEST_CASE("T-C8 an error about a stopped flow is about no flow", "[conntrack]") {
  Lab lab;
  const Story story{.lab = lab};
  story.establish();
  const Bytes error = Ethernet{} / Ipv4{.source = "10.0.0.9"} / Icmp{.type = 3, .code = 1} / v4_from_host() / Tcp{.source = 80, .destination = 5000, .flags = kAck};
  CHECK(lab.send(Hook::tc_ingress, error) == allowed(NW_REASON_RELATED));
  lab.set_policy(deny_all());
  CHECK(story.from_peer(kAck) == denied(kDefault));
  CHECK(lab.send(Hook::tc_ingress, error) == denied(NW_REASON_ICMP_UNRELATED));
}
