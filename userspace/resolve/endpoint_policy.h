// EndpointPolicy: what applies to the host endpoints of this node, resolved: selectors are address sets, tiers and policies are in
// order, named ports are numbers. The value between the model and the compiled image; the oracle judges packets on it.
//
//   ResourceSet + NodeFacts --resolve()--> Resolved --compile()--> image
//                                             `------oracle::judge(packet)
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/cidr_list.h"
#include "base/ip.h"
#include "base/result.h"
#include "maps/policy.h"
#include "model/resources.h"
#include "resolve/facts.h"

namespace nodewall::resolve {

// A set of addresses: masked, sorted, unique, of both families; no member covers another.
struct AddressSet {
  CidrList members;
  bool operator==(const AddressSet&) const = default;
};
using SetIndex = std::uint32_t;  // in Resolved::sets

// One side of a rule: the address is in every one of `in` and in none of `not_in`; the port in `ports`, when given.
struct Side {
  std::vector<SetIndex> in;
  std::vector<SetIndex> not_in;
  std::optional<std::vector<model::PortRange>> ports;  // sorted, disjoint; empty list: no port matches
  bool operator==(const Side&) const = default;
};

// Where a verdict comes from, as printed. `rule` counts from 0 in the policy's list of that direction; -1: the tier's or the
// profiles' end. For profiles `tier` is empty and `policy` is the profile's name. `staged`: of a staged policy (which may have the name of
// an enforced one), or the end of a tier that only staged policies make count.
struct Origin {
  std::string tier;
  std::string policy;
  std::int32_t rule = -1;
  bool staged = false;
  auto operator<=>(const Origin&) const = default;
};

// A rule after named ports were split: several of them may share an origin (same action, neighbours in order).
// Log rules decide nothing: a packet is logged if one of them comes before the rule that decides. Ports are given only with protocols that have ports; icmp and
// not_icmp only in a rule of one family and of that family's ICMP alone.
struct ResolvedRule {
  model::Action action = model::Action::Deny;
  bool v4 = true;
  bool v6 = true;
  std::bitset<256> protocols;  // all set = any
  std::optional<model::Icmp> icmp;
  std::optional<model::Icmp> not_icmp;
  Side source;
  Side destination;
  Origin origin;
  bool operator==(const ResolvedRule&) const = default;
};

struct ResolvedTier {
  std::string name;
  SharedList<ResolvedRule> rules;
  model::TierAction end = model::TierAction::Deny;  // when no rule matches
  bool staged = false;  // in a staged chain: a tier that only staged policies make count
  bool operator==(const ResolvedTier&) const = default;
};
Origin origin_of_end(const ResolvedTier& tier);  // of its end, if that is Deny

// What comes after the last tier of a chain.
enum class ChainEnd : std::uint8_t {
  profiles,  // profile_rules; none matches: deny, no_profile
  open,      // allow, forwarded
  next,      // the next stage decides
};
// By the chain's number; `profiles` for INGRESS and EGRESS, `open` for the forward chains, else `next`.
ChainEnd end_of(std::uint32_t chain);
std::uint32_t direction_of(std::uint32_t chain);  // NW_INGRESS, NW_EGRESS
std::string_view chain_name(std::uint32_t chain);  // "ingress", "egress", "forward-ingress", ..., "pre-dnat"

// One chain of an endpoint (maps/policy.h).
struct ChainPolicy {
  std::vector<ResolvedTier> tiers;        // in order; only tiers with a policy for this endpoint and chain; of untracked and preDNAT
                                          // chains all end in Pass
  SharedList<ResolvedRule> profile_rules;  // INGRESS and EGRESS only; Pass in a profile is Deny
  bool operator==(const ChainPolicy&) const = default;
};
bool has_log(const ChainPolicy& policy);  // a Log rule, reachable or not

struct EndpointPolicy {
  std::string host_endpoint;
  std::array<ChainPolicy, NW_CHAINS> chains;  // by NW_CHAIN_*: what is enforced
  std::array<std::optional<ChainPolicy>, NW_CHAINS> staged;  // the chains that staged policies change, as they would be
  std::vector<std::string> policies;  // names selected, in order, "tier/policy"; for status
  std::vector<std::string> staged_policies;  // likewise
  std::vector<std::string> profiles;
  bool operator==(const EndpointPolicy&) const = default;

  // Whether there is such a chain: INGRESS and EGRESS always, the others when a policy is in them.
  [[nodiscard]] bool has(std::uint32_t chain) const { return chain <= NW_CHAIN_EGRESS || !chains[chain].tiers.empty(); }
  [[nodiscard]] bool has_or_stages(std::uint32_t chain) const { return has(chain) || staged[chain].has_value(); }
};

struct Assignment {  // an interface that a host endpoint governs
  std::string interface;
  std::uint32_t ifindex = 0;
  std::uint32_t endpoint = 0;  // in Resolved::endpoints
  bool operator==(const Assignment&) const = default;
};

// Something a person should know: said in status, lint and metrics, never in silence.
struct Condition {
  enum class Severity : std::uint8_t { info, warning, error };
  Severity severity = Severity::warning;
  model::ResourceId object;
  std::string type;     // CamelCase, stable: "NoInterfaceMatched", "ProfileMissing", "NotEnforced", "SelectsNothing", ...
  std::string message;  // a sentence
  bool operator==(const Condition&) const = default;
};

struct Settings {
  std::vector<model::FailsafePort> failsafe_inbound, failsafe_outbound;
  std::vector<std::string> interface_prefix, interface_exclude;
  model::Duration syn_sent, tcp_established, fins_seen, reset_seen, udp, icmp, generic;
  std::uint32_t conntrack_size = 512000;
  model::EstablishedFlows established_flows = model::EstablishedFlows::Reevaluate;
  std::vector<model::HookRule> ingress_hooks;
  model::Duration interface_refresh = std::chrono::seconds(90);
  std::vector<model::PortRange> service_ports;  // kubeNodePortRanges: sorted, disjoint, at most NW_MAX_SERVICE_PORT_RANGES; empty: none
  std::vector<Cidr> service_addresses;          // serviceAddresses
  std::optional<model::Duration> log_interval;  // logActionRateLimit: between two logged packets on the long run; none: no limit
  std::uint32_t log_burst = 5;                  // logActionRateLimitBurst
  bool operator==(const Settings&) const = default;
};

struct Resolved {
  std::vector<AddressSet> sets;
  std::vector<EndpointPolicy> endpoints;  // sorted by host endpoint name
  std::vector<Assignment> assignments;    // sorted by interface name
  std::vector<Address> local_addresses;   // sorted, unique: the host's own
  std::vector<Address> broadcast_addresses;
  Settings settings;
  std::vector<Condition> conditions;
  bool operator==(const Resolved&) const = default;
};

// Everything that depends on the resources and the node. Never fails for valid resources: what cannot be enforced becomes a
// condition, and an unresolvable match matches nothing.
Resolved resolve(const model::ResourceSet& resources, const NodeFacts& facts);

// Parts of it that others use on their own.
Settings resolve_settings(const model::ResourceSet& resources, const std::string& node, std::vector<Condition>& conditions);
bool is_workload_interface(const Settings& settings, std::string_view interface);
bool is_excluded_interface(const Settings& settings, std::string_view interface);

}  // namespace nodewall::resolve
