#include "model/resources.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace nodewall::model {
namespace {

using std::chrono::minutes;

constexpr std::array<std::string_view, std::size(kAllKinds)> kKindNames = {
    "HostEndpoint", "GlobalNetworkPolicy",          "GlobalNetworkSet",
    "Profile",      "Tier",                         "KubeControllersConfiguration",
    "FelixConfiguration", "Node", "NodewallConfiguration", "StagedGlobalNetworkPolicy"};

struct Alias {
  std::string_view text;
  Kind kind;
};

// Lower case: the names of calicoctl, and the short ones of kubectl.
constexpr Alias kAliases[] = {
    {"hostendpoint", Kind::HostEndpoint},
    {"hostendpoints", Kind::HostEndpoint},
    {"hep", Kind::HostEndpoint},
    {"heps", Kind::HostEndpoint},
    {"globalnetworkpolicy", Kind::GlobalNetworkPolicy},
    {"globalnetworkpolicies", Kind::GlobalNetworkPolicy},
    {"gnp", Kind::GlobalNetworkPolicy},
    {"gnps", Kind::GlobalNetworkPolicy},
    {"globalnetworkset", Kind::GlobalNetworkSet},
    {"globalnetworksets", Kind::GlobalNetworkSet},
    {"gnetset", Kind::GlobalNetworkSet},
    {"gnetsets", Kind::GlobalNetworkSet},
    {"gns", Kind::GlobalNetworkSet},
    {"profile", Kind::Profile},
    {"profiles", Kind::Profile},
    {"pro", Kind::Profile},
    {"pros", Kind::Profile},
    {"tier", Kind::Tier},
    {"tiers", Kind::Tier},
    {"kubecontrollersconfiguration", Kind::KubeControllersConfiguration},
    {"kubecontrollersconfigurations", Kind::KubeControllersConfiguration},
    {"kubecontrollersconfig", Kind::KubeControllersConfiguration},
    {"kubecontrollersconfigs", Kind::KubeControllersConfiguration},
    {"kcc", Kind::KubeControllersConfiguration},
    {"kccs", Kind::KubeControllersConfiguration},
    {"felixconfiguration", Kind::FelixConfiguration},
    {"felixconfigurations", Kind::FelixConfiguration},
    {"felixconfig", Kind::FelixConfiguration},
    {"felixconfigs", Kind::FelixConfiguration},
    {"node", Kind::Node},
    {"nodes", Kind::Node},
    {"no", Kind::Node},
    {"nodewallconfiguration", Kind::NodewallConfiguration},
    {"nodewallconfigurations", Kind::NodewallConfiguration},
    {"nodewallconfig", Kind::NodewallConfiguration},
    {"nodewallconfigs", Kind::NodewallConfiguration},
    {"stagedglobalnetworkpolicy", Kind::StagedGlobalNetworkPolicy},
    {"stagedglobalnetworkpolicies", Kind::StagedGlobalNetworkPolicy},
    {"sgnp", Kind::StagedGlobalNetworkPolicy},
    {"sgnps", Kind::StagedGlobalNetworkPolicy},
};

Resource allow_all_profile(std::string_view name) {
  Profile profile;
  profile.ingress.push_back(Rule{.action = Action::Allow,
                                 .ip_version = {},
                                 .protocol = {},
                                 .not_protocol = {},
                                 .icmp = {},
                                 .not_icmp = {},
                                 .source = {},
                                 .destination = {},
                                 .http = {},
                                 .annotations = {}});
  profile.egress = profile.ingress;
  Resource resource;
  resource.metadata.name = name;
  resource.spec = std::move(profile);
  return resource;
}

Resource built_in_tier(std::string_view name, double order, TierAction action) {
  Resource resource;
  resource.metadata.name = name;
  resource.spec = Tier{.order = order, .default_action = action};
  return resource;
}

FailsafePort failsafe(std::string_view protocol, std::uint16_t port) {
  return {.protocol = protocol_by_name(protocol).value_or(Protocol{}), .port = port, .net = {}};
}

}  // namespace

std::string_view name(Kind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

std::string_view api_version(Kind kind) {
  return kind == Kind::NodewallConfiguration ? kNodewallApi : kCalicoApi;
}

std::optional<Kind> kind_by_alias(std::string_view alias) {
  std::string lower(alias);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (const auto& [text, kind] : kAliases)
    if (text == lower) return kind;
  return std::nullopt;
}

std::optional<Duration> rate_interval(std::string_view text) {
  constexpr std::int64_t kMost = 9999;
  constexpr std::pair<std::string_view, std::chrono::seconds> kUnits[] = {{"second", std::chrono::seconds(1)},
                                                                          {"minute", std::chrono::minutes(1)},
                                                                          {"hour", std::chrono::hours(1)},
                                                                          {"day", std::chrono::hours(24)}};
  const auto slash = text.find('/');
  const auto digits = text.substr(0, slash);
  if (slash == text.npos || digits.empty() || digits.size() > 4 || digits.front() == '0') return std::nullopt;
  std::int64_t count = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    count = count * 10 + (c - '0');
  }
  for (const auto& [unit, time] : kUnits)
    if (text.substr(slash + 1) == unit && count <= kMost) return Duration(time) / count;
  return std::nullopt;
}

std::vector<PolicyType> effective_types(const GlobalNetworkPolicy& policy) {
  if (!policy.types.empty()) return policy.types;
  if (policy.egress.empty()) return {PolicyType::Ingress};
  if (policy.ingress.empty()) return {PolicyType::Egress};
  return {PolicyType::Ingress, PolicyType::Egress};
}

bool KubeControllersConfiguration::operator==(const KubeControllersConfiguration& other) const {
  const auto fields = [](const KubeControllersConfiguration& c) {
    return std::tie(c.log_severity_screen, c.health_checks, c.etcd_v3_compaction_period,
                    c.prometheus_metrics_port, c.debug_profile_port, c.node, c.policy,
                    c.workload_endpoint, c.service_account, c.namespace_controller,
                    c.load_balancer_assign_ips, c.policy_name_migrator, c.status_environment);
  };
  if (fields(*this) != fields(other)) return false;
  if (!running_config || !other.running_config) return running_config == other.running_config;
  return *running_config == *other.running_config;
}

KubeControllersConfiguration default_kube_controllers_configuration() {
  const SimpleController five_minutes{.reconciler_period = minutes(5)};
  KubeControllersConfiguration config;
  config.log_severity_screen = "Info";
  config.health_checks = true;
  config.etcd_v3_compaction_period = minutes(10);
  config.prometheus_metrics_port = 9094;
  config.node = NodeController{.reconciler_period = minutes(5),
                               .sync_labels = true,
                               .leak_grace_period = minutes(15),
                               .host_endpoint = AutoHostEndpointConfig{.auto_create = false,
                                                                       .create_default_host_endpoint = true,
                                                                       .templates = {}}};
  config.policy = five_minutes;
  config.workload_endpoint = five_minutes;
  config.service_account = five_minutes;
  config.namespace_controller = five_minutes;
  config.load_balancer_assign_ips = "AllServices";
  config.policy_name_migrator = "Enabled";
  return config;
}

std::vector<FailsafePort> default_failsafe_inbound() {
  return {failsafe("TCP", 22),   failsafe("UDP", 68),   failsafe("TCP", 179),
          failsafe("TCP", 2379), failsafe("TCP", 2380), failsafe("TCP", 5473),
          failsafe("TCP", 6443), failsafe("TCP", 6666), failsafe("TCP", 6667)};
}

std::vector<FailsafePort> default_failsafe_outbound() {
  return {failsafe("UDP", 53),   failsafe("UDP", 67),   failsafe("TCP", 179),
          failsafe("TCP", 2379), failsafe("TCP", 2380), failsafe("TCP", 5473),
          failsafe("TCP", 6443), failsafe("TCP", 6666), failsafe("TCP", 6667)};
}

std::string to_string(const ResourceId& id) {
  return std::string(name(id.kind)) + "(" + id.name + ")";
}

std::vector<Resource> built_in_resources() {
  return {allow_all_profile(kDefaultAllowProfile), allow_all_profile(kAllowAllProfile)};
}

bool is_built_in(const ResourceId& id) {
  return id.kind == Kind::Profile && (id.name == kDefaultAllowProfile || id.name == kAllowAllProfile);
}

std::vector<Resource> built_in_tiers() {
  return {built_in_tier("kube-admin", 1'000, TierAction::Pass),
          built_in_tier(kDefaultTier, 1'000'000, TierAction::Deny),
          built_in_tier("kube-baseline", 10'000'000, TierAction::Pass)};
}

}  // namespace nodewall::model
