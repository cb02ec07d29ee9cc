// Shapes that only real devices make: tags beside the frame, headers in any part of a packet, native and generic XDP, packets that another
// program puts in.
#include <bpf/libbpf.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <memory>
#include <random>

#include "bpf/foreign.skel.h"
#include "enforced.h"
#include "harness/random.h"
#include "reference.h"
#include "samples.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::uint32_t kTxVlan = 1U << 7, kRxVlan = 1U << 8;  // ETH_FLAG_TXVLAN, ETH_FLAG_RXVLAN
constexpr std::uint32_t kSetFlags = 0x26;                      // ETHTOOL_SFLAGS

struct Destroy {
  void operator()(foreign_bpf* skeleton) const { foreign_bpf__destroy(skeleton); }
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

// Somebody else's programs.
class Foreign {
 public:
  explicit Foreign(std::uint32_t to_ifindex = 0) : skeleton_(foreign_bpf__open()) {
    REQUIRE(skeleton_);
    skeleton_->rodata->to_ifindex = to_ifindex;
    REQUIRE(foreign_bpf__load(skeleton_.get()) == 0);
  }
  void push_tags(const std::string& interface) { attach_tcx(skeleton_->progs.push_tag, interface); }
  void redirect(const std::string& interface) { attach_tcx(skeleton_->progs.redirect_in, interface); }
  void leave_metadata(const std::string& interface) {
    link_.reset(bpf_program__attach_xdp(skeleton_->progs.leave_metadata, static_cast<int>(Node::ifindex(interface))));
    REQUIRE(link_);
  }

 private:
  void attach_tcx(bpf_program* program, const std::string& interface) {
    link_.reset(bpf_program__attach_tcx(program, static_cast<int>(Node::ifindex(interface)), nullptr));
    REQUIRE(link_);
  }
  std::unique_ptr<foreign_bpf, Destroy> skeleton_;
  std::unique_ptr<bpf_link, Destroy> link_;
};

std::uint64_t chosen_seed() {
  const char* given = std::getenv("NODEWALL_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

}  // namespace

TEST_CASE("T-V1 T-V2 T-V4 a tag beside the frame hides nothing, with the offload on and off", "[shapes-wire]") {
  for (const auto hook : kIngressHooks)
    for (const bool offload : {true, false}) {
      CAPTURE(name(hook), offload);
      Enforced host(hook);
      // Without the offload the kernel writes the tag into the frame before it leaves the other end.
      REQUIRE(set_feature("peer0", kSetFlags, offload ? kTxVlan | kRxVlan : 0));
      REQUIRE(set_feature("host0", kSetFlags, offload ? kTxVlan | kRxVlan : 0));
      Foreign foreign;
      foreign.push_tags("peer0");
      CHECK(host.judge(Ethernet{} / Ipv4{} / Tcp{.destination = 80}) == allowed(NW_REASON_POLICY));
      CHECK(host.judge(Ethernet{} / Ipv4{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(host.judge(Ethernet{} / Ipv6{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(host.judge(Ethernet{} / Vlan{} / Ipv4{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(host.judge(Ethernet{} / Vlan{} / Ipv6{} / Udp{.destination = 53}) == allowed(NW_REASON_POLICY));
      // Three tags are too many where all of them can be seen. Beside the frame XDP cannot see one: it judges what is in two.
      const bool unseen = hook == Hook::xdp && offload;
      CHECK(host.judge(Ethernet{} / Vlan{} / Vlan{} / Ipv4{} / Tcp{.destination = 81}) ==
            denied(unseen ? NW_REASON_TIER_DEFAULT : NW_REASON_L2_DEPTH));
      CHECK(host.judge(Ethernet{} / Vlan{} / Vlan{} / Vlan{} / Ipv4{} / Tcp{.destination = 80}) == denied(NW_REASON_L2_DEPTH));
    }
}

TEST_CASE("T-G3 T-XD1 headers are read wherever the parts of a packet meet, at tc and at XDP", "[shapes-wire]") {
  for (const auto hook : kIngressHooks) {
    Enforced host(hook, Device::tap);
    for (const auto& sample : samples())
      for (std::size_t linear = 14; linear < 100 && linear < sample.frame.size(); ++linear) {
        const auto wanted = reference(sample.frame, hook);
        if (wanted.reason == NW_REASON_NEIGHBOUR) continue;
        // Eight parts are enough for the rest: every header of the samples lies across a border at some length.
        const auto parts = std::max<std::size_t>(7, (sample.frame.size() - linear) / 8 + 1);
        CAPTURE(name(hook), sample.what, linear, parts);
        CHECK(host.judge_in_parts(sample.frame, linear, parts) == wanted);
        if (wanted.allow) host.forget_flows();
      }
  }
}

TEST_CASE("T-XD2 native XDP, generic XDP and tc judge real frames as an independent reading does", "[shapes-wire]") {
  struct Place {
    Hook hook;
    Device device;
    const char* mode;
  };
  const auto seed = chosen_seed();
  INFO("NODEWALL_SEED=" << seed);
  for (const auto& place : {Place{Hook::xdp, Device::veth, "native"}, Place{Hook::xdp, Device::bridge, "generic"},
                            Place{Hook::tc_ingress, Device::veth, "tcx"}}) {
    nodewall::test::Random random(seed);
    Enforced host(place.hook, place.device);
    REQUIRE(host.mode() == place.mode);
    for (int round = 0; round < 400; ++round) {
      const auto all = samples();
      auto frame = random.pick(all).frame;
      // The first samples as they are. A changed type of the frame would have the kernel itself drop some at tc, unseen.
      if (static_cast<std::size_t>(round) < all.size()) frame = all[static_cast<std::size_t>(round)].frame;
      else
        for (std::size_t left = random.between(1, 3); left > 0; --left)
          frame[14 + random.below(std::min<std::size_t>(frame.size() - 14, 80))] ^= static_cast<std::uint8_t>(1U << random.below(8));
      const auto wanted = reference(frame, place.hook);
      // The kernel takes tags off before all but native XDP (T-V4).
      const bool tagged = frame[12] == 0x88;
      if (wanted.reason == NW_REASON_NEIGHBOUR || (tagged && host.mode() != "native")) continue;
      CAPTURE(place.mode, round);
      REQUIRE(host.judge(frame) == wanted);
      if (wanted.allow) host.forget_flows();
    }
  }
}

TEST_CASE("T-XD1 jumbo frames of several buffers are judged by native and generic XDP and counted whole", "[shapes-wire]") {
  for (const auto device : {Device::veth, Device::bridge})
    for (const std::size_t size : {1500U, 3500U, 4096U, 8900U}) {
      Enforced host(Hook::xdp, device);
      CAPTURE(host.mode(), size);
      const Bytes open = Ethernet{} / Ipv4{} / Tcp{.destination = 80, .flags = kAck} / Payload(size - 40);
      const Bytes closed = Ethernet{} / Ipv6{} / Tcp{.destination = 81, .flags = kAck} / Payload(size - 60);
      CHECK(host.judge(open) == allowed(NW_REASON_POLICY));
      CHECK(host.counted(NW_REASON_POLICY).bytes == open.size());
      CHECK(host.judge(closed) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(host.counted(NW_REASON_TIER_DEFAULT).bytes == closed.size());
      CHECK(host.counted(NW_REASON_TIER_DEFAULT).packets == 1);
    }
}

TEST_CASE("T-XD3 T-XD4 what an XDP program leaves beside a packet opens nothing at tc", "[shapes-wire]") {
  Enforced host(Hook::tc_ingress);
  Foreign foreign;
  foreign.leave_metadata("host0");
  CHECK(host.judge(Ethernet{} / Ipv4{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
  CHECK(host.judge(Ethernet{} / Ipv6{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
  CHECK(host.judge(Ethernet{} / Ipv4{} / Tcp{.destination = 80}) == allowed(NW_REASON_POLICY));
}

TEST_CASE("T-XD5 what another program redirects into an interface is judged there, at tc and at generic XDP", "[shapes-wire]") {
  for (const auto device : {Device::veth, Device::bridge}) {
    Enforced host(device == Device::bridge ? Hook::xdp : Hook::tc_ingress, device);
    CAPTURE(host.mode());
    (void)Node::run("ip link del other0");
    REQUIRE(Node::run("ip link add other0 type veth peer name other1 && ip link set other0 up && ip link set other1 up"));
    Foreign foreign(host.ifindex());
    foreign.redirect("other0");
    const Wire other("other0");
    CHECK(host.answer_to([&] { return other.send(Ethernet{} / Ipv4{} / Tcp{.destination = 81}); }) == denied(NW_REASON_TIER_DEFAULT));
    CHECK(host.answer_to([&] { return other.send(Ethernet{} / Ipv6{} / Tcp{.destination = 80}); }) == allowed(NW_REASON_POLICY));
  }
}

TEST_CASE("T-V6 T-V7 T-V8 real frames that are not IP are told apart at tc, at native and at generic XDP", "[shapes-wire]") {
  struct Place {
    Hook hook;
    Device device;
  };
  const auto typed = [](std::uint16_t type) -> Bytes {
    auto inside = bytes(Ipv4{} / Tcp{});
    inside.insert(inside.begin(), {0, 0, 0x11, 0x40});
    return Ethernet{.type = type} / Payload(inside);
  };
  const auto link_control = [](std::uint8_t access_point, Bytes header) -> Bytes {
    header.insert(header.begin(), {access_point, access_point, 3});
    const auto inside = bytes(Ipv4{} / Tcp{});
    header.insert(header.end(), inside.begin(), inside.end());
    return Ethernet{.type = static_cast<std::uint16_t>(header.size())} / Payload(header);
  };
  for (const auto& place : {Place{Hook::tc_ingress, Device::veth}, Place{Hook::xdp, Device::veth}, Place{Hook::xdp, Device::bridge}}) {
    Enforced host(place.hook, place.device);
    CAPTURE(host.mode());
    for (const std::uint16_t type : {0x8847, 0x8848, 0x8864}) CHECK(host.judge(typed(type)) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
    CHECK(host.judge(link_control(0xaa, {0, 0, 0, 8, 0})) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
    CHECK(host.judge(link_control(0x06, {})) == denied(NW_REASON_UNKNOWN_ETHERTYPE));
    CHECK(host.judge(typed(0x0806)) == allowed(NW_REASON_NOT_IP));
    CHECK(host.judge(typed(0x88cc)) == allowed(NW_REASON_NOT_IP));
    CHECK(host.judge(link_control(0x42, Bytes(35))) == allowed(NW_REASON_NOT_IP));
  }
}
