// How configurations and nodes look.
#include <utility>

#include "config/encode_fields.h"

namespace nodewall::config::encoding {

Json of(const m::AutoHostEndpointTemplate& part) {
  auto out = Json::object();
  put(out, "generateName", part.generate_name);
  put(out, "interfaceCIDRs", part.interface_cidrs);
  put(out, "interfacePattern", part.interface_pattern);
  put(out, "nodeSelector", part.node_selector);
  put(out, "labels", part.labels);
  put(out, "annotations", part.annotations);
  return out;
}

Json of(const m::AutoHostEndpointConfig& config) {
  auto out = Json::object();
  put_switch(out, "autoCreate", config.auto_create);
  put_switch(out, "createDefaultHostEndpoint", config.create_default_host_endpoint);
  put(out, "templates", config.templates);
  return out;
}

Json of(const m::SimpleController& controller) {
  auto out = Json::object();
  put(out, "reconcilerPeriod", controller.reconciler_period);
  return out;
}

Json of(const m::NodeController& controller) {
  auto out = Json::object();
  put(out, "reconcilerPeriod", controller.reconciler_period);
  put_switch(out, "syncLabels", controller.sync_labels);
  put(out, "leakGracePeriod", controller.leak_grace_period);
  put(out, "hostEndpoint", controller.host_endpoint);
  return out;
}

Json of(const m::KubeControllersConfiguration& config) {
  auto controllers = Json::object();
  put(controllers, "node", config.node);
  put(controllers, "policy", config.policy);
  put(controllers, "workloadEndpoint", config.workload_endpoint);
  put(controllers, "serviceAccount", config.service_account);
  put(controllers, "namespace", config.namespace_controller);
  if (config.load_balancer_assign_ips) controllers["loadBalancer"]["assignIPs"] = *config.load_balancer_assign_ips;
  if (config.policy_name_migrator) controllers["migration"]["policyNameMigrator"] = *config.policy_name_migrator;
  auto out = Json::object();
  put_object(out, "controllers", std::move(controllers));
  put(out, "logSeverityScreen", config.log_severity_screen);
  put_switch(out, "healthChecks", config.health_checks);
  put(out, "etcdV3CompactionPeriod", config.etcd_v3_compaction_period);
  put(out, "prometheusMetricsPort", config.prometheus_metrics_port);
  put(out, "debugProfilePort", config.debug_profile_port);
  return out;
}

Json status_of(const m::KubeControllersConfiguration& config) {
  auto out = Json::object();
  if (!config.status_environment.empty()) out["environmentVars"] = Json(config.status_environment);
  if (config.running_config) out["runningConfig"] = of(*config.running_config);
  return out;
}

Json of(const m::FailsafePort& port) {
  auto out = Json::object();
  out["protocol"] = of(port.protocol);
  out["port"] = port.port;
  put(out, "net", port.net);
  return out;
}

namespace {

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

}  // namespace

Json of(const m::ConntrackTimeouts& timeouts) {
  auto out = Json::object();
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

Json of(const m::FelixConfiguration& config) {
  auto out = Json::object();
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
  auto out = Json::object();
  put(out, "address", address.address);
  put(out, "type", address.type);
  return out;
}

Json of(const m::NodeInterface& interface) {
  auto out = Json::object();
  put(out, "name", interface.name);
  put(out, "addresses", interface.addresses);
  return out;
}

Json of(const m::Node& node) {
  auto bgp = Json::object();
  put(bgp, "ipv4Address", node.bgp_ipv4);
  put(bgp, "ipv6Address", node.bgp_ipv6);
  put(bgp, "ipv4IPIPTunnelAddr", node.ipip_tunnel);
  if (const auto number = Json::parse(node.bgp_as_number, nullptr, false); number.is_number_unsigned())
    bgp["asNumber"] = number;
  else
    put(bgp, "asNumber", node.bgp_as_number);
  auto wireguard = Json::object();
  put(wireguard, "interfaceIPv4Address", node.wireguard_v4);
  put(wireguard, "interfaceIPv6Address", node.wireguard_v6);
  auto out = Json::object();
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
  auto out = Json::object();
  if (config.established_flows)
    out["establishedFlows"] = *config.established_flows == m::EstablishedFlows::Keep ? "Keep" : "Reevaluate";
  put(out, "ingressHooks", config.ingress_hooks);
  put(out, "serviceAddresses", config.service_addresses);
  return out;
}

}  // namespace nodewall::config::encoding
