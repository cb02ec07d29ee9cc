// Lab: the real programs with maps of their own, one policy, and packets sent through them by test run.
//
// send() checks what must hold for every packet: one counter grows, by the packet's segments and bytes, and it is the one of the
// verdict and reason; a packet that is dropped leaves no flow behind; the bytes stay as they were.
//
// The host is 10.0.0.1 and 2001:db8::1, its broadcast address 10.0.0.255; peers are 10.0.0.0/24 and 2001:db8::/64.
#pragma once

#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compile/table_image.h"
#include "harness/packet.h"
#include "kernel/datapath.h"
#include "maps/verdict.h"

namespace prog {

using nodewall::kernel::Datapath;
using nodewall::kernel::ConntrackRow;
using nodewall::kernel::Hook;
using nodewall::kernel::RunContext;
using packet::Bytes;

constexpr Hook kIngressHooks[] = {Hook::xdp, Hook::tc_ingress};
constexpr Hook kHooks[] = {Hook::xdp, Hook::tc_ingress, Hook::tc_egress};

constexpr std::uint8_t kTcp = 6, kUdp = 17, kIcmp = 1, kIcmpV6 = 58, kSctp = 132;
constexpr std::uint64_t kSecond = 1'000'000'000ULL;

// Allow rules for peers; the end is deny.
struct Rule {
  std::optional<std::uint8_t> protocol = {};    // of both families: 1 stands for ICMP and ICMPv6
  std::optional<std::uint16_t> port = {};       // destination
  std::optional<std::uint8_t> icmp_type = {};
  bool any_address = false;                     // else the other side must be a peer
  bool deny = false;
  nodewall::model::Action action = nodewall::model::Action::Allow;  // Log and Pass; unless `deny`
  bool staged = false;
};

using Rules = std::vector<Rule>;

// By NW_CHAIN_*; a chain with rules has one tier, which ends in Deny for the host's own and for forwarded traffic.
struct Policy {
  Rules ingress;
  Rules egress;
  std::map<std::uint32_t, Rules> more = {};
  std::map<std::uint32_t, Rules> staged = {};
};

// tcp/80, udp/53, sctp/80 and echo requests from peers; the host may open udp/53, tcp/443 and echo to peers.
Policy standard_policy();
Policy deny_all();
Policy allow_all();

nodewall::compile::TableImage image_of(const Policy& policy);

struct Outcome {
  bool allow = false;
  std::uint32_t reason = 0;
  auto operator<=>(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome);
constexpr Outcome allowed(std::uint32_t reason) { return {true, reason}; }
constexpr Outcome denied(std::uint32_t reason) { return {false, reason}; }

class Lab {
 public:
  explicit Lab(const Policy& policy = standard_policy());

  Outcome send(Hook hook, const Bytes& frame, const RunContext& context = {});
  void set_policy(const Policy& policy);
  void set_flags(std::uint32_t interface_flags) { interface_flags_ = interface_flags; }  // NW_INTERFACE_*
  void set_settings(std::uint32_t flags);                                                // NW_SETTING_*
  void set_settings(const nw_settings& settings);
  void set_local(const char* address, std::uint32_t flags);                              // NW_LOCAL_*, beside the usual ones
  [[nodiscard]] const nodewall::kernel::TestRun& last() const { return last_; }          // of send()
  [[nodiscard]] std::uint64_t packets(std::uint32_t direction, std::uint32_t reason) const;  // counted
  void set_failsafe(const std::vector<nodewall::kernel::FailsafeEntry>& entries);
  void forget_flows();
  void pass_time(std::uint64_t ns);
  [[nodiscard]] std::vector<ConntrackRow> flows() const;
  [[nodiscard]] std::uint64_t flow_count(std::uint32_t what) const;  // NW_CT_COUNT_*
  [[nodiscard]] Datapath& datapath() const;

 private:
  std::uint32_t generation_ = 0;
  std::uint32_t interface_flags_ = 0;
  nodewall::kernel::TestRun last_;
};

// Short: a time before the machine was started cannot be written into a table.
constexpr nw_settings kSettings = {.syn_sent_ns = 20 * kSecond,
                                   .tcp_established_ns = 90 * kSecond,
                                   .fins_seen_ns = 30 * kSecond,
                                   .reset_seen_ns = 40 * kSecond,
                                   .udp_ns = 60 * kSecond,
                                   .icmp_ns = 5 * kSecond,
                                   .generic_ns = 90 * kSecond,
                                   .flags = 0,
                                   .log_burst = 0,
                                   .log_interval_ns = 0,
                                   .service_port_ranges = 0,
                                   .service_ports = {}};

// The same packet from the other end.
packet::Ipv4 v4_from_host(std::string destination = "10.0.0.9");
packet::Ipv6 v6_from_host(std::string destination = "2001:db8::9");

}  // namespace prog
