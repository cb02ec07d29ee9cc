#include "config/encode.h"

#include <cmath>
#include <utility>

#include "config/duration.h"

namespace nodewall::config {
namespace {

using Json = nlohmann::json;
namespace m = nodewall::model;

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

Json object() { return Json::object(); }

// Whole numbers without ".0", as Go writes them.
Json of(double value) {
  if (value == std::trunc(value) && std::abs(value) < kExactIntegers) return static_cast<std::int64_t>(value);
  return value;
}
Json of(std::int64_t value) { return value; }
Json of(const std::string& text) { return text; }
Json of(m::Duration duration) { return to_string(duration); }
Json of(const m::Timeout& timeout) { return timeout.value ? to_string(*timeout.value) : "Auto"; }
Json of(const m::Selector& selector) { return selector.text(); }
Json of(const Address& address) { return to_string(address); }
Json of(const Cidr& cidr) { return to_string(cidr); }
Json of(const m::Labels& labels) { return Json(labels); }
Json of(const m::Protocol& protocol) {
  const auto text = m::to_string(protocol);
  if (protocol.as_name && m::protocol_by_name(text)) return text;
  return protocol.number;
}
Json of(const m::PortRange& range) {
  if (range.first == range.last) return range.first;
  return std::to_string(range.first) + ":" + std::to_string(range.last);
}
Json of(const m::Port& port) {
  if (const auto* name = std::get_if<std::string>(&port)) return *name;
  return of(std::get<m::PortRange>(port));
}
Json of(m::PolicyType type) { return type == m::PolicyType::Ingress ? "Ingress" : "Egress"; }
Json of(m::TierAction action) { return action == m::TierAction::Deny ? "Deny" : "Pass"; }
Json of(const m::Icmp& icmp);
Json of(const m::ServiceRef& service);
Json of(const m::ServiceAccounts& accounts);
Json of(const m::HttpMatch& http);
Json of(const m::AutoHostEndpointConfig& config);
Json of(const m::NodeController& controller);
Json of(const m::SimpleController& controller);
Json of(const m::ConntrackTimeouts& timeouts);
Json of(const m::Rule& rule);
Json of(const m::HttpPath& path);
Json of(const m::EndpointPort& port);
Json of(const m::FailsafePort& port);
Json of(const m::AutoHostEndpointTemplate& part);
Json of(const m::NodeAddress& address);
Json of(const m::NodeInterface& interface);
Json of(const m::HookRule& rule);

Json enabled(bool value) { return value ? "Enabled" : "Disabled"; }

// Absent and empty fields are left out, as Go's omitempty does.
template <typename T>
void put(Json& out, const char* key, const std::optional<T>& value) {
  if (value) out[key] = of(*value);
}
template <typename T>
void put(Json& out, const char* key, const std::vector<T>& values) {
  if (values.empty()) return;
  auto& list = out[key] = Json::array();
  for (const auto& value : values) list.push_back(of(value));
}
void put(Json& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = text;
}
void put(Json& out, const char* key, const m::Labels& labels) {
  if (!labels.empty()) out[key] = Json(labels);
}
void put_switch(Json& out, const char* key, const std::optional<bool>& value) {
  if (value) out[key] = enabled(*value);
}
void put_true(Json& out, const char* key, bool value) {
  if (value) out[key] = true;
}
void put_object(Json& out, const char* key, Json value) {
  if (!value.empty()) out[key] = std::move(value);
}

Json of(const m::Icmp& icmp) {
  auto out = object();
  if (icmp.type) out["type"] = *icmp.type;
  if (icmp.code) out["code"] = *icmp.code;
  return out;
}

Json of(const m::ServiceRef& service) {
  auto out = object();
  put(out, "name", service.name);
  put(out, "namespace", service.namespace_name);
  return out;
}

Json of(const m::ServiceAccounts& accounts) {
  auto out = object();
  put(out, "names", accounts.names);
  put(out, "selector", accounts.selector);
  return out;
}

Json of(const m::EntityRule& entity) {
  auto out = object();
  put(out, "nets", entity.nets);
  put(out, "notNets", entity.not_nets);
  put(out, "selector", entity.selector);
  put(out, "notSelector", entity.not_selector);
  put(out, "namespaceSelector", entity.namespace_selector);
  put(out, "services", entity.services);
  put(out, "serviceAccounts", entity.service_accounts);
  put(out, "ports", entity.ports);
  put(out, "notPorts", entity.not_ports);
  return out;
}

Json of(const m::HttpPath& path) {
  auto out = object();
  put(out, "exact", path.exact);
  put(out, "prefix", path.prefix);
  return out;
}

Json of(const m::HttpMatch& http) {
  auto out = object();
  put(out, "methods", http.methods);
  put(out, "paths", http.paths);
  return out;
}

Json of(const m::Rule& rule) {
  constexpr const char* kActions[] = {"Allow", "Deny", "Log", "Pass"};
  auto out = object();
  out["action"] = kActions[static_cast<std::size_t>(rule.action)];
  if (rule.ip_version) out["ipVersion"] = static_cast<int>(*rule.ip_version);
  put(out, "protocol", rule.protocol);
  put(out, "notProtocol", rule.not_protocol);
  put(out, "icmp", rule.icmp);
  put(out, "notICMP", rule.not_icmp);
  // calicoctl prints both, also when empty.
  out["source"] = of(rule.source);
  out["destination"] = of(rule.destination);
  put(out, "http", rule.http);
  if (!rule.annotations.empty()) out["metadata"]["annotations"] = of(rule.annotations);
  return out;
}

Json of(const m::EndpointPort& port) {
  return {{"name", port.name}, {"protocol", of(port.protocol)}, {"port", port.port}};
}

Json of(const m::HostEndpoint& endpoint) {
  auto out = object();
  put(out, "node", endpoint.node);
  put(out, "interfaceName", endpoint.interface_name);
  put(out, "expectedIPs", endpoint.expected_ips);
  put(out, "profiles", endpoint.profiles);
  put(out, "ports", endpoint.ports);
  return out;
}

Json of(const m::GlobalNetworkPolicy& policy) {
  auto out = object();
  put(out, "tier", policy.tier);
  put(out, "order", policy.order);
  put(out, "selector", policy.selector);
  put(out, "namespaceSelector", policy.namespace_selector);
  put(out, "serviceAccountSelector", policy.service_account_selector);
  put(out, "types", policy.types);
  put(out, "ingress", policy.ingress);
  put(out, "egress", policy.egress);
  put_true(out, "doNotTrack", policy.do_not_track);
  put_true(out, "preDNAT", policy.pre_dnat);
  put_true(out, "applyOnForward", policy.apply_on_forward);
  put(out, "performanceHints", policy.performance_hints);
  return out;
}

Json of(const m::StagedGlobalNetworkPolicy& staged) {
  constexpr const char* kActions[] = {"Set", "Delete", "Learn", "Ignore"};
  auto out = of(staged.policy);
  if (staged.action) out["stagedAction"] = kActions[static_cast<std::size_t>(*staged.action)];
  return out;
}

Json of(const m::GlobalNetworkSet& set) {
  auto out = object();
  put(out, "nets", set.nets);
  return out;
}

Json of(const m::Profile& profile) {
  auto out = object();
  put(out, "ingress", profile.ingress);
  put(out, "egress", profile.egress);
  put(out, "labelsToApply", profile.labels_to_apply);
  return out;
}

Json of(const m::Tier& tier) {
  auto out = object();
  put(out, "order", tier.order);
  put(out, "defaultAction", tier.default_action);
  return out;
}

Json of(const m::AutoHostEndpointTemplate& part) {
  auto out = object();
  put(out, "generateName", part.generate_name);
  put(out, "interfaceCIDRs", part.interface_cidrs);
  put(out, "interfacePattern", part.interface_pattern);
  put(out, "nodeSelector", part.node_selector);
  put(out, "labels", part.labels);
  put(out, "annotations", part.annotations);
  return out;
}

Json of(const m::AutoHostEndpointConfig& config) {
  auto out = object();
  put_switch(out, "autoCreate", config.auto_create);
  put_switch(out, "createDefaultHostEndpoint", config.create_default_host_endpoint);
  put(out, "templates", config.templates);
  return out;
}

Json of(const m::SimpleController& controller) {
  auto out = object();
  put(out, "reconcilerPeriod", controller.reconciler_period);
  return out;
}

Json of(const m::NodeController& controller) {
  auto out = object();
  put(out, "reconcilerPeriod", controller.reconciler_period);
  put_switch(out, "syncLabels", controller.sync_labels);
  put(out, "leakGracePeriod", controller.leak_grace_period);
  put(out, "hostEndpoint", controller.host_endpoint);
  return out;
}

Json of(const m::KubeControllersConfiguration& config) {
  auto controllers = object();
  put(controllers, "node", config.node);
  put(controllers, "policy", config.policy);
  put(controllers, "workloadEndpoint", config.workload_endpoint);
  put(controllers, "serviceAccount", config.service_account);
  put(controllers, "namespace", config.namespace_controller);
  if (config.load_balancer_assign_ips) controllers["loadBalancer"]["assignIPs"] = *config.load_balancer_assign_ips;
  if (config.policy_name_migrator) controllers["migration"]["policyNameMigrator"] = *config.policy_name_migrator;
  auto out = object();
  put_object(out, "controllers", std::move(controllers));
  put(out, "logSeverityScreen", config.log_severity_screen);
  put_switch(out, "healthChecks", config.health_checks);
  put(out, "etcdV3CompactionPeriod", config.etcd_v3_compaction_period);
  put(out, "prometheusMetricsPort", config.prometheus_metrics_port);
  put(out, "debugProfilePort", config.debug_profile_port);
  return out;
}

Json status_of(const m::KubeControllersConfiguration& config) {
  auto out = object();
  if (!config.status_environment.empty()) out["environmentVars"] = Json(config.status_environment);
  if (config.running_config) out["runningConfig"] = of(*config.running_config);
  return out;
}

Json of(const m::FailsafePort& port) {
  auto out = object();
  out["protocol"] = of(port.protocol);
  out["port"] = port.port;
  put(out, "net", port.net);
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

Json of(const m::ConntrackTimeouts& timeouts) {
  auto out = object();
  put(out, "creationGracePeriod", timeouts.creation_grace_period);
  put(out, "tcpSynSent", timeouts.tcp_syn_sent);
  put(out, "tcpEstablished", timeouts.tcp_established);
  put(out, "tcpFinsSeen", timeouts.tcp_fins_seen);
  put(out, "tcpResetSeen", timeouts.tcp_reset_seen);
  put(out, "udpTimeout", timeouts.udp);
  put(out, "icmpTimeout", timeouts.icmp);
  put(out, "genericTimeout", timeouts.generic);
  return out;
}

// An absent list means the defaults, an empty one none: both are kept apart.
// A list that is empty is written, for it is not an absent one.
template <typename T>
void put_list(Json& out, const char* key, const std::optional<std::vector<T>>& items) {
  if (!items) return;
  out[key] = Json::array();
  for (const auto& item : *items) out[key].push_back(of(item));
}

Json of(const m::FelixConfiguration& config) {
  auto out = object();
  for (const auto& [key, text] : config.untyped) {
    auto value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!value.is_discarded()) out[key] = std::move(value);
  }
  if (config.interface_prefix) out["interfacePrefix"] = joined(*config.interface_prefix);
  if (config.interface_exclude) out["interfaceExclude"] = joined(*config.interface_exclude);
  put(out, "interfaceRefreshInterval", config.interface_refresh_interval);
  if (config.ipv6_support) out["ipv6Support"] = *config.ipv6_support;
  put_list(out, "failsafeInboundHostPorts", config.failsafe_inbound);
  put_list(out, "failsafeOutboundHostPorts", config.failsafe_outbound);
  put(out, "bpfMapSizeConntrack", config.bpf_map_size_conntrack);
  put(out, "bpfConntrackTimeouts", config.bpf_conntrack_timeouts);
  put(out, "logSeverityScreen", config.log_severity_screen);
  put_list(out, "kubeNodePortRanges", config.kube_node_port_ranges);
  put(out, "logActionRateLimit", config.log_action_rate_limit);
  put(out, "logActionRateLimitBurst", config.log_action_rate_limit_burst);
  return out;
}

Json of(const m::NodeAddress& address) {
  auto out = object();
  put(out, "address", address.address);
  put(out, "type", address.type);
  return out;
}

Json of(const m::NodeInterface& interface) {
  auto out = object();
  put(out, "name", interface.name);
  put(out, "addresses", interface.addresses);
  return out;
}

Json of(const m::Node& node) {
  auto bgp = object();
  put(bgp, "ipv4Address", node.bgp_ipv4);
  put(bgp, "ipv6Address", node.bgp_ipv6);
  put(bgp, "ipv4IPIPTunnelAddr", node.ipip_tunnel);
  if (const auto number = Json::parse(node.bgp_as_number, nullptr, false); number.is_number_unsigned())
    bgp["asNumber"] = number;
  else
    put(bgp, "asNumber", node.bgp_as_number);
  auto wireguard = object();
  put(wireguard, "interfaceIPv4Address", node.wireguard_v4);
  put(wireguard, "interfaceIPv6Address", node.wireguard_v6);
  auto out = object();
  put_object(out, "bgp", std::move(bgp));
  put(out, "ipv4VXLANTunnelAddr", node.vxlan_tunnel_v4);
  put(out, "ipv6VXLANTunnelAddr", node.vxlan_tunnel_v6);
  put_object(out, "wireguard", std::move(wireguard));
  put(out, "addresses", node.addresses);
  put(out, "interfaces", node.interfaces);
  return out;
}

Json of(const m::HookRule& rule) {
  constexpr const char* kHooks[] = {"auto", "xdp", "tc"};
  return {{"interface", rule.interface}, {"hook", kHooks[static_cast<std::size_t>(rule.hook)]}};
}

Json of(const m::NodewallConfiguration& config) {
  auto out = object();
  if (config.established_flows)
    out["establishedFlows"] = *config.established_flows == m::EstablishedFlows::Keep ? "Keep" : "Reevaluate";
  put(out, "ingressHooks", config.ingress_hooks);
  put(out, "serviceAddresses", config.service_addresses);
  return out;
}

Json of(const m::Metadata& metadata) {
  auto out = object();
  put(out, "name", metadata.name);
  put(out, "labels", metadata.labels);
  put(out, "annotations", metadata.annotations);
  put(out, "uid", metadata.uid);
  put(out, "resourceVersion", metadata.resource_version);
  put(out, "creationTimestamp", metadata.creation_timestamp);
  return out;
}

}  // namespace

nlohmann::json encode(const model::Resource& resource) {
  auto out = object();
  out["apiVersion"] = model::api_version(resource.kind());
  out["kind"] = model::name(resource.kind());
  out["metadata"] = of(resource.metadata);
  out["spec"] = std::visit([](const auto& spec) { return of(spec); }, resource.spec);
  if (const auto* kcc = std::get_if<model::KubeControllersConfiguration>(&resource.spec))
    put_object(out, "status", status_of(*kcc));
  return out;
}

}  // namespace nodewall::config
