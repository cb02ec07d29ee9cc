// The resources of projectcalico.org/v3 that Nodewall understands, and its own NodewallConfiguration (nodewall.io/v1).
//
// A Resource is one object: kind, metadata, typed spec. The model holds what was written; an absent field stays absent here
// and its default is applied by the functions that say so (effective_*), so that writing an object back changes nothing.
// Durations are nanoseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "base/shared_list.h"
#include "model/rule.h"
#include "model/selector.h"

namespace nodewall::model {

using Duration = std::chrono::nanoseconds;

inline constexpr std::string_view kCalicoApi = "projectcalico.org/v3";
inline constexpr std::string_view kNodewallApi = "nodewall.io/v1";
inline constexpr std::string_view kDefaultTier = "default";
inline constexpr std::string_view kDefaultAllowProfile = "projectcalico-default-allow";
inline constexpr std::string_view kAllowAllProfile = "projectcalico-allow-all";
inline constexpr std::string_view kCreatedByLabel = "projectcalico.org/created-by";
inline constexpr std::string_view kCreatedByValue = "calico-kube-controllers";

enum class Kind : std::uint8_t {
  HostEndpoint,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  Profile,
  Tier,
  KubeControllersConfiguration,
  FelixConfiguration,
  Node,
  NodewallConfiguration,
  StagedGlobalNetworkPolicy,
};
std::string_view name(Kind kind);        // "HostEndpoint"
std::string_view api_version(Kind kind);  // kCalicoApi or kNodewallApi
// Any alias, any letter case: "hep", "heps", "hostendpoint", "hostendpoints" ... (docs/cli.md). Nothing for unknown ones.
std::optional<Kind> kind_by_alias(std::string_view alias);
inline constexpr Kind kAllKinds[] = {Kind::HostEndpoint,       Kind::GlobalNetworkPolicy, Kind::GlobalNetworkSet,
                                     Kind::Profile,            Kind::Tier,                Kind::KubeControllersConfiguration,
                                     Kind::FelixConfiguration, Kind::Node,                Kind::NodewallConfiguration,
                                     Kind::StagedGlobalNetworkPolicy};

struct Metadata {
  std::string name;
  Labels labels;
  Labels annotations;
  std::string uid;                // empty when none
  std::string resource_version;   // empty when none
  std::string creation_timestamp; // RFC 3339, empty when none
  bool operator==(const Metadata&) const = default;
};

struct EndpointPort {
  std::string name;
  Protocol protocol;
  std::uint16_t port = 0;  // host order
  bool operator==(const EndpointPort&) const = default;
};

struct HostEndpoint {
  std::string node;
  std::string interface_name;  // exact name, "*", or empty = by expected_ips
  std::vector<Address> expected_ips;
  std::vector<std::string> profiles;
  std::vector<EndpointPort> ports;
  bool operator==(const HostEndpoint&) const = default;
};

enum class PolicyType : std::uint8_t { Ingress, Egress };

struct GlobalNetworkPolicy {
  std::optional<std::string> tier;  // absent: default
  std::optional<double> order;      // absent: last
  std::optional<Selector> selector;
  std::optional<Selector> namespace_selector;
  std::optional<Selector> service_account_selector;
  std::vector<PolicyType> types;  // as written; empty: see effective_types
  SharedList<Rule> ingress;
  SharedList<Rule> egress;
  bool do_not_track = false;
  bool pre_dnat = false;
  bool apply_on_forward = false;
  std::vector<std::string> performance_hints;
  bool operator==(const GlobalNetworkPolicy&) const = default;
};
// docs/semantics.md "types": none, none -> Ingress; only egress rules -> Egress; both -> both.
std::vector<PolicyType> effective_types(const GlobalNetworkPolicy& policy);

enum class StagedAction : std::uint8_t { Set, Delete, Learn, Ignore };

// A policy on trial: what would happen if it were applied (Set, Learn) or deleted (Delete) is said, and nothing is enforced.
struct StagedGlobalNetworkPolicy {
  GlobalNetworkPolicy policy;          // Delete: only its tier
  std::optional<StagedAction> action;  // absent: Set
  bool operator==(const StagedGlobalNetworkPolicy&) const = default;
};

struct GlobalNetworkSet {
  SharedList<Cidr> nets;  // host bits kept as written
  bool operator==(const GlobalNetworkSet&) const = default;
};

struct Profile {
  SharedList<Rule> ingress;
  SharedList<Rule> egress;
  Labels labels_to_apply;
  bool operator==(const Profile&) const = default;
};

enum class TierAction : std::uint8_t { Deny, Pass };

struct Tier {
  std::optional<double> order;
  std::optional<TierAction> default_action;  // absent: Deny
  bool operator==(const Tier&) const = default;
};

struct AutoHostEndpointTemplate {
  std::string generate_name;
  std::vector<Cidr> interface_cidrs;
  std::optional<std::string> interface_pattern;  // unanchored regular expression
  std::optional<Selector> node_selector;         // absent: all()
  Labels labels;
  Labels annotations;
  bool operator==(const AutoHostEndpointTemplate&) const = default;
};

struct AutoHostEndpointConfig {
  std::optional<bool> auto_create;                  // Enabled / Disabled; absent: Disabled
  std::optional<bool> create_default_host_endpoint;  // absent: Enabled
  std::vector<AutoHostEndpointTemplate> templates;
  bool operator==(const AutoHostEndpointConfig&) const = default;
};

struct NodeController {
  std::optional<Duration> reconciler_period;
  std::optional<bool> sync_labels;
  std::optional<Duration> leak_grace_period;
  std::optional<AutoHostEndpointConfig> host_endpoint;
  bool operator==(const NodeController&) const = default;
};

struct SimpleController {
  std::optional<Duration> reconciler_period;
  bool operator==(const SimpleController&) const = default;
};

struct KubeControllersConfiguration {
  std::optional<std::string> log_severity_screen;
  std::optional<bool> health_checks;
  std::optional<Duration> etcd_v3_compaction_period;
  std::optional<std::int64_t> prometheus_metrics_port;
  std::optional<std::int64_t> debug_profile_port;
  std::optional<NodeController> node;
  std::optional<SimpleController> policy, workload_endpoint, service_account, namespace_controller;
  std::optional<std::string> load_balancer_assign_ips;      // controllers.loadBalancer.assignIPs
  std::optional<std::string> policy_name_migrator;          // controllers.migration.policyNameMigrator
  std::map<std::string, std::string> status_environment;    // status.environmentVars
  // status.runningConfig, the merged effective spec, as this same type without status; absent when never reported.
  std::shared_ptr<const KubeControllersConfiguration> running_config;
  bool operator==(const KubeControllersConfiguration&) const;  // compares running_config by value
};
// The object a controller writes when none exists (docs/semantics.md "KubeControllersConfiguration").
KubeControllersConfiguration default_kube_controllers_configuration();

struct FailsafePort {
  Protocol protocol;            // TCP or UDP
  std::uint16_t port = 0;       // 0..65535, host order
  std::optional<Cidr> net;      // absent: any address of both families; restricts the remote address
  bool operator==(const FailsafePort&) const = default;
};
std::vector<FailsafePort> default_failsafe_inbound();
std::vector<FailsafePort> default_failsafe_outbound();

// A timeout that may be "Auto" (follow the kernel's sysctl).
struct Timeout {
  std::optional<Duration> value;  // absent: Auto
  bool operator==(const Timeout&) const = default;
};

struct ConntrackTimeouts {  // bpfConntrackTimeouts; defaults in effective_timeouts
  std::optional<Timeout> creation_grace_period, tcp_syn_sent, tcp_established, tcp_fins_seen, tcp_reset_seen, udp, icmp,
      generic;
  bool operator==(const ConntrackTimeouts&) const = default;
};

// Only fields that touch hosts are typed. Every other field that Calico has is accepted, kept in `untyped` (field name ->
// JSON text) and reported as "accepted, no effect". A name that Calico does not have is an error of decoding.
struct FelixConfiguration {
  std::optional<std::vector<std::string>> interface_prefix;   // split at commas
  std::optional<std::vector<std::string>> interface_exclude;  // names or "/regex/"
  std::optional<Duration> interface_refresh_interval;
  std::optional<bool> ipv6_support;
  std::optional<std::vector<FailsafePort>> failsafe_inbound, failsafe_outbound;  // absent: defaults; empty: none
  std::optional<std::int64_t> bpf_map_size_conntrack;
  std::optional<ConntrackTimeouts> bpf_conntrack_timeouts;
  std::optional<std::string> log_severity_screen;
  std::optional<std::vector<PortRange>> kube_node_port_ranges;  // absent: none, for there is no cluster
  std::optional<std::string> log_action_rate_limit;             // "10/second"; absent, empty: no limit
  std::optional<std::int64_t> log_action_rate_limit_burst;      // absent: 5
  std::map<std::string, std::string> untyped;
  bool operator==(const FelixConfiguration&) const = default;
};

// The time between two of "10/second"; second, minute, hour or day, 1 to 9999 of them. Nothing for any other text.
std::optional<Duration> rate_interval(std::string_view text);

struct NodeAddress {
  std::string address;  // as written; may be a host name
  std::string type;     // InternalIP, ExternalIP, Hostname, ...; may be empty
  bool operator==(const NodeAddress&) const = default;
};

struct NodeInterface {
  std::string name;
  std::vector<Address> addresses;
  bool operator==(const NodeInterface&) const = default;
};

struct Node {
  std::string bgp_ipv4;  // spec.bgp.ipv4Address "10.0.0.5/24"; empty when none
  std::string bgp_ipv6;
  std::string ipip_tunnel, vxlan_tunnel_v4, vxlan_tunnel_v6, wireguard_v4, wireguard_v6;  // addresses, empty when none
  std::vector<NodeAddress> addresses;    // spec.addresses
  std::vector<NodeInterface> interfaces;  // spec.interfaces
  std::string bgp_as_number;              // kept, no effect
  bool operator==(const Node&) const = default;
};

enum class EstablishedFlows : std::uint8_t { Reevaluate, Keep };
enum class IngressHook : std::uint8_t { Auto, Xdp, Tc };

struct HookRule {
  std::string interface;  // a name, or a name with a trailing "*"
  IngressHook hook = IngressHook::Auto;
  bool operator==(const HookRule&) const = default;
};

struct NodewallConfiguration {  // object `default`
  std::optional<EstablishedFlows> established_flows;  // absent: Reevaluate
  std::vector<HookRule> ingress_hooks;                // spec.ingressHooks, the first match decides; none: auto
  std::vector<Cidr> service_addresses = {};           // addresses of the host whose traffic a service sends elsewhere
  bool operator==(const NodewallConfiguration&) const = default;
};

using Spec = std::variant<HostEndpoint, GlobalNetworkPolicy, GlobalNetworkSet, Profile, Tier,
                          KubeControllersConfiguration, FelixConfiguration, Node, NodewallConfiguration, StagedGlobalNetworkPolicy>;

struct ResourceId {
  Kind kind = Kind::HostEndpoint;
  std::string name;
  auto operator<=>(const ResourceId&) const = default;
};
std::string to_string(const ResourceId& id);  // "HostEndpoint(eth0)"

struct Resource {
  Metadata metadata;
  Spec spec;  // its index is the kind's number

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(spec.index()); }
  [[nodiscard]] ResourceId id() const { return {kind(), metadata.name}; }
  bool operator==(const Resource&) const = default;
};

// Objects that always exist and nobody can change or delete: both allow-all profiles. The built-in tiers (kube-admin,
// default, kube-baseline) exist unless an object gives them labels.
std::vector<Resource> built_in_resources();
bool is_built_in(const ResourceId& id);
// kube-admin (1000, Pass), default (1000000, Deny), kube-baseline (10000000, Pass): what they are when no object says more.
std::vector<Resource> built_in_tiers();

// Every object known, by id. The value that `resolve` and the controller work on.
using ResourceSet = std::map<ResourceId, Resource>;

}  // namespace nodewall::model
