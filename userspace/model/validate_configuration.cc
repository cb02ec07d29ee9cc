// KubeControllersConfiguration, FelixConfiguration, Node and NodewallConfiguration.
#include <set>

#include "model/pattern.h"
#include "model/validate_parts.h"

namespace nodewall::model {
namespace {

constexpr std::int64_t kMaxPort = 65535;
constexpr std::size_t kMaxNodePortRanges = 7;
constexpr std::int64_t kMaxBurst = 9999;
constexpr std::int64_t kMaxFlows = std::int64_t{1} << 30;

void check_port_number(std::string_view field, const std::optional<std::int64_t>& port, FaultList& faults) {
  if (port && (*port < 0 || *port > kMaxPort)) faults.add(field, std::to_string(*port), "a port is 0 (off) to 65535");
}

// Refused here, so that the last good version of the object stays in force.
void check_pattern(std::string_view field, const std::string& value, std::string_view pattern, FaultList& faults) {
  if (const auto made = Pattern::make(pattern); !made)
    faults.add(field, value, "not a regular expression: " + made.error().message());
}

void check_template(const AutoHostEndpointTemplate& part, std::set<std::string_view>& names, FaultList& faults) {
  if (part.generate_name.empty())
    faults.add("generateName", "", "generateName must be specified");
  else if (!is_dns_subdomain(part.generate_name))
    faults.add_tag("generateName", part.generate_name, "name", "at most 253 of a-z, 0-9, '-' and '.'");
  else if (!names.insert(part.generate_name).second)
    faults.add("generateName", part.generate_name, "generateName must be unique among the templates");
  if (part.interface_cidrs.empty() && !part.interface_pattern)
    faults.add("interfaceCIDRs", "", "at least one of interfaceCIDRs and interfacePattern must be specified");
  if (part.interface_pattern) check_pattern("interfacePattern", *part.interface_pattern, *part.interface_pattern, faults);
  check_selector("nodeSelector", part.node_selector, GlobalCall::refused, faults);
  check_labels("labels", part.labels, faults);
}

void check_interfaces(std::string_view field, const std::optional<std::vector<std::string>>& names, bool patterns,
                      FaultList& faults) {
  if (!names) return;
  for (const auto& name : *names) {
    if (const auto pattern = patterns ? pattern_text(name) : std::nullopt) {
      check_pattern(field, name, *pattern, faults);
    } else if (!is_interface_name(name)) {
      faults.add_tag(field, name, "interface",
                     patterns ? "names of interfaces or /regular expressions/" : "beginnings of interfaces' names");
    }
  }
}

void check_failsafe(std::string_view field, const std::optional<std::vector<FailsafePort>>& ports, FaultList& faults) {
  if (!ports) return;
  for (std::size_t i = 0; i < ports->size(); ++i) {
    const Within within(faults, field, i);
    const auto& protocol = (*ports)[i].protocol;
    if (protocol.number != 6 && protocol.number != 17)
      faults.add("protocol", to_string(protocol), "a failsafe port's protocol is TCP or UDP");
  }
}

void check_log_and_services(const FelixConfiguration& config, FaultList& faults) {
  if (const auto& ranges = config.kube_node_port_ranges; ranges && ranges->size() > kMaxNodePortRanges)
    faults.add("kubeNodePortRanges", std::to_string(ranges->size()) + " entries",
               "at most " + std::to_string(kMaxNodePortRanges) + " ports and ranges");
  if (const auto& limit = config.log_action_rate_limit; limit && !limit->empty() && !rate_interval(*limit))
    faults.add("logActionRateLimit", *limit, "wants 1 to 9999 per second, minute, hour or day, as 10/second");
  if (const auto& burst = config.log_action_rate_limit_burst; burst && (*burst < 0 || *burst > kMaxBurst))
    faults.add("logActionRateLimitBurst", std::to_string(*burst), "wants 0 to " + std::to_string(kMaxBurst));
}

// An address, or with `cidr` an address with its prefix length; of one family.
void check_address(std::string_view field, const std::string& text, Family family, bool cidr, FaultList& faults) {
  if (text.empty()) return;
  const std::string wanted = family == Family::v4 ? "an IPv4 address" : "an IPv6 address";
  std::optional<Family> found;
  if (cidr) {
    if (const auto net = parse_cidr(text, BareAddress::is_host)) found = net->address.family;
  } else if (const auto address = parse_address(text)) {
    found = address->family;
  }
  if (found != family) faults.add(field, text, "wants " + wanted + (cidr ? ", with or without its prefix length" : ""));
}

bool is_hook_interface(std::string_view name) {
  if (name == "*") return true;
  return is_interface_name(name.ends_with('*') ? name.substr(0, name.size() - 1) : name);
}

}  // namespace

void check(const KubeControllersConfiguration& config, FaultList& faults) {
  check_choice("logSeverityScreen", config.log_severity_screen, "None, Debug, Info, Warning, Error, Fatal, Panic", faults);
  check_port_number("prometheusMetricsPort", config.prometheus_metrics_port, faults);
  check_port_number("debugProfilePort", config.debug_profile_port, faults);
  const Within controllers(faults, "controllers");
  check_choice("loadBalancer.assignIPs", config.load_balancer_assign_ips, "AllServices, RequestedServicesOnly", faults);
  check_choice("migration.policyNameMigrator", config.policy_name_migrator, "Enabled, Disabled", faults);
  if (!config.node || !config.node->host_endpoint) return;
  const Within host_endpoint(faults, "node.hostEndpoint");
  std::set<std::string_view> names;
  const auto& templates = config.node->host_endpoint->templates;
  for (std::size_t i = 0; i < templates.size(); ++i) {
    const Within within(faults, "templates", i);
    check_template(templates[i], names, faults);
  }
}

void check(const FelixConfiguration& config, FaultList& faults) {
  check_interfaces("interfacePrefix", config.interface_prefix, /*patterns=*/false, faults);
  check_interfaces("interfaceExclude", config.interface_exclude, /*patterns=*/true, faults);
  check_failsafe("failsafeInboundHostPorts", config.failsafe_inbound, faults);
  check_failsafe("failsafeOutboundHostPorts", config.failsafe_outbound, faults);
  if (const auto& size = config.bpf_map_size_conntrack; size && (*size < 1 || *size > kMaxFlows))
    faults.add("bpfMapSizeConntrack", std::to_string(*size), "wants 1 to " + std::to_string(kMaxFlows) + " entries");
  check_choice("logSeverityScreen", config.log_severity_screen, "Trace, Debug, Info, Warning, Error, Fatal", faults);
  check_log_and_services(config, faults);
}

void check(const Node& node, FaultList& faults) {
  check_address("bgp.ipv4Address", node.bgp_ipv4, Family::v4, /*cidr=*/true, faults);
  check_address("bgp.ipv6Address", node.bgp_ipv6, Family::v6, /*cidr=*/true, faults);
  check_address("bgp.ipv4IPIPTunnelAddr", node.ipip_tunnel, Family::v4, /*cidr=*/false, faults);
  check_address("ipv4VXLANTunnelAddr", node.vxlan_tunnel_v4, Family::v4, /*cidr=*/false, faults);
  check_address("ipv6VXLANTunnelAddr", node.vxlan_tunnel_v6, Family::v6, /*cidr=*/false, faults);
  check_address("wireguard.interfaceIPv4Address", node.wireguard_v4, Family::v4, /*cidr=*/false, faults);
  check_address("wireguard.interfaceIPv6Address", node.wireguard_v6, Family::v6, /*cidr=*/false, faults);
  for (std::size_t i = 0; i < node.addresses.size(); ++i) {
    const Within within(faults, "addresses", i);
    if (node.addresses[i].address.empty()) faults.add("address", "", "address must be specified");
  }
  for (std::size_t i = 0; i < node.interfaces.size(); ++i) {
    const Within within(faults, "interfaces", i);
    if (!is_interface_name(node.interfaces[i].name))
      faults.add_tag("name", node.interfaces[i].name, "interface", "at most 15 of a-z, A-Z, 0-9, '_', '.' and '-'");
  }
}

void check(const NodewallConfiguration& config, FaultList& faults) {
  for (std::size_t i = 0; i < config.ingress_hooks.size(); ++i) {
    const Within within(faults, "ingressHooks", i);
    if (!is_hook_interface(config.ingress_hooks[i].interface))
      faults.add("interface", config.ingress_hooks[i].interface, "wants an interface's name, also with a trailing '*'");
  }
}

}  // namespace nodewall::model
