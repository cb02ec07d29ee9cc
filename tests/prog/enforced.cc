#include "enforced.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <memory>
#include <thread>

namespace prog {

using namespace std::chrono_literals;

namespace {

bool allows(std::uint32_t reason) {
  switch (reason) {
    case NW_REASON_POLICY:
    case NW_REASON_ESTABLISHED:
    case NW_REASON_FORWARDED:
    case NW_REASON_NEIGHBOUR:
    case NW_REASON_NOT_IP: return true;
    default: return false;
  }
}

// One node for all: host0 and its wire peer0; br0 with the port host1 and its wire peer1; tap0.
class Shared {
 public:
  Shared() : datapath_(open()) {
    REQUIRE(datapath_.set_settings(kSettings));
    REQUIRE(datapath_.set_local_addresses({{*nodewall::parse_address("10.0.0.1"), NW_LOCAL_ADDRESS},
                                           {*nodewall::parse_address("2001:db8::1"), NW_LOCAL_ADDRESS},
                                           {*nodewall::parse_address("fe80::1"), NW_LOCAL_ADDRESS},
                                           {*nodewall::parse_address("10.0.0.255"), NW_LOCAL_BROADCAST}}));
    REQUIRE(datapath_.reserve_rule_counters(64));
    REQUIRE(datapath_.set_policy(image_of(standard_policy()).lines, 1));
    tap_ = std::make_unique<Tap>("tap0");
    host_ = std::make_unique<Wire>("peer0");
    bridge_ = std::make_unique<Wire>("peer1");
  }
  Datapath& datapath() { return datapath_; }
  const Tap& tap() { return *tap_; }
  const Wire& wire(const std::string& interface) { return interface == "br0" ? *bridge_ : *host_; }

 private:
  Datapath open() {
    for (const char* command : {"sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
                                "ip link add host1 type veth peer name peer1 && ip link set host1 up && ip link set peer1 up",
                                "for i in host0 peer0 host1 peer1; do ip link set $i mtu 9000 || exit 1; done",
                                // Promiscuous: it takes frames to any address for its own.
                                "ip link add br0 type bridge mcast_snooping 0 && ip link set host1 master br0 && ip link set br0 mtu 9000 promisc on up",
                                // Else the bridge itself drops IP packets whose header is wrong.
                                "sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || ! test -d /proc/sys/net/bridge"})
      REQUIRE(Node::run(command));
    auto opened = Datapath::open({.pin_dir = node_.pins(), .conntrack_size = 4096});
    if (!opened) FAIL(opened.error().message());
    return std::move(*opened);
  }

  Node node_;
  Datapath datapath_;
  std::unique_ptr<Tap> tap_;
  std::unique_ptr<Wire> host_, bridge_;
};

Shared& shared() {
  static Shared one;
  return one;
}

const char* interface_of(Device device) { return device == Device::bridge ? "br0" : device == Device::tap ? "tap0" : "host0"; }

}  // namespace

Enforced::Enforced(Hook hook, Device device) : hook_(hook) {
  auto& datapath = shared().datapath();
  interface_ = interface_of(device);
  forget_flows();
  REQUIRE(datapath.clear_counters(0));
  REQUIRE(datapath.set_interfaces({{ifindex(), nw_interface{}}}));
  const auto attached = datapath.attach(ifindex(), hook);
  if (!attached) FAIL(attached.error().message());
  mode_ = attached->mode;
}

Enforced::~Enforced() { (void)shared().datapath().detach(ifindex(), hook_); }

std::vector<nw_count> Enforced::counters() const {
  auto counts = shared().datapath().counters(0);
  REQUIRE(counts);
  return std::move(*counts);
}

nw_count Enforced::counted(std::uint32_t reason) const { return counters()[nw_counter_index(0, NW_INGRESS, reason)]; }

Outcome Enforced::answer_to(const std::function<bool()>& send) {
  const auto before = counters();
  REQUIRE(send());
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto after = counters();
    for (std::uint32_t reason = 1; reason < NW_REASON_COUNT; ++reason) {
      const auto index = nw_counter_index(0, NW_INGRESS, reason);
      // What the kernel at the other end had on its way (neighbour discovery) does not count.
      if (after[index].packets == before[index].packets || reason == NW_REASON_NEIGHBOUR) continue;
      return {allows(reason), reason};
    }
    std::this_thread::sleep_for(1ms);
  }
  FAIL("no counter grew");
  return {};
}

Outcome Enforced::judge(const Bytes& frame, bool headers_apart) {
  return answer_to([&] { return shared().wire(interface_).send(frame, headers_apart); });
}

Outcome Enforced::judge_in_parts(const Bytes& frame, std::size_t linear, std::size_t parts) {
  return answer_to([&] { return shared().tap().send(frame, linear, parts); });
}

void Enforced::forget_flows() { REQUIRE(shared().datapath().clear_conntrack()); }

}  // namespace prog
