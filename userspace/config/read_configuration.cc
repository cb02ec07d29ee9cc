// Tables of KubeControllersConfiguration, FelixConfiguration, Node and NodewallConfiguration, and the choice by kind.
#include <array>

#include "base/printable.h"
#include "config/felix_fields.h"
#include "config/reader.h"

namespace nodewall::config {

// config::Node, the tree, hides model::Node.
using namespace model;

using Kcc = KubeControllersConfiguration;
using Felix = FelixConfiguration;

void read(Reader& reader, const Node& node, HostEndpoint& out);
void read(Reader& reader, const Node& node, GlobalNetworkPolicy& out);
void read(Reader& reader, const Node& node, StagedGlobalNetworkPolicy& out);
void read(Reader& reader, const Node& node, GlobalNetworkSet& out);
void read(Reader& reader, const Node& node, Profile& out);
void read(Reader& reader, const Node& node, Tier& out);

void read(Reader& reader, const Node& node, AutoHostEndpointTemplate& out) {
  using T = AutoHostEndpointTemplate;
  static constexpr Field<T> kFields[] = {
      field<&T::generate_name>("generateName"),
      nets_field<&T::interface_cidrs, BareAddress::is_host>("interfaceCIDRs"),
      field<&T::interface_pattern>("interfacePattern"),
      field<&T::node_selector>("nodeSelector"),
      field<&T::labels>("labels"),
      field<&T::annotations>("annotations")};
  read_object<T>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, AutoHostEndpointConfig& out) {
  using C = AutoHostEndpointConfig;
  static constexpr Field<C> kFields[] = {
      switch_field<&C::auto_create>("autoCreate"),
      switch_field<&C::create_default_host_endpoint>("createDefaultHostEndpoint"),
      field<&C::templates>("templates")};
  read_object<C>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, NodeController& out) {
  using C = NodeController;
  static constexpr Field<C> kFields[] = {field<&C::reconciler_period>("reconcilerPeriod"),
                                         switch_field<&C::sync_labels>("syncLabels"),
                                         field<&C::leak_grace_period>("leakGracePeriod"),
                                         field<&C::host_endpoint>("hostEndpoint")};
  read_object<C>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, SimpleController& out) {
  static constexpr Field<SimpleController> kFields[] = {
      field<&SimpleController::reconciler_period>("reconcilerPeriod")};
  read_object<SimpleController>(reader, node, out, kFields);
}

namespace {

void read_load_balancer(Reader& reader, const Node& node, Kcc& out) {
  static constexpr Field<Kcc> kFields[] = {field<&Kcc::load_balancer_assign_ips>("assignIPs")};
  read_object<Kcc>(reader, node, out, kFields);
}

void read_migration(Reader& reader, const Node& node, Kcc& out) {
  static constexpr Field<Kcc> kFields[] = {field<&Kcc::policy_name_migrator>("policyNameMigrator")};
  read_object<Kcc>(reader, node, out, kFields);
}

void read_controllers(Reader& reader, const Node& node, Kcc& out) {
  static constexpr Field<Kcc> kFields[] = {field<&Kcc::node>("node"),
                                           field<&Kcc::policy>("policy"),
                                           field<&Kcc::workload_endpoint>("workloadEndpoint"),
                                           field<&Kcc::service_account>("serviceAccount"),
                                           field<&Kcc::namespace_controller>("namespace"),
                                           {"loadBalancer", read_load_balancer},
                                           {"migration", read_migration}};
  read_object<Kcc>(reader, node, out, kFields);
}

}  // namespace

void read(Reader& reader, const Node& node, KubeControllersConfiguration& out) {
  static constexpr Field<Kcc> kFields[] = {
      field<&Kcc::log_severity_screen>("logSeverityScreen"),
      switch_field<&Kcc::health_checks>("healthChecks"),
      field<&Kcc::etcd_v3_compaction_period>("etcdV3CompactionPeriod"),
      field<&Kcc::prometheus_metrics_port>("prometheusMetricsPort"),
      field<&Kcc::debug_profile_port>("debugProfilePort"),
      {"controllers", read_controllers}};
  read_object<Kcc>(reader, node, out, kFields);
}

namespace {

void read_running_config(Reader& reader, const Node& node, Kcc& out) {
  if (node.type == Node::Type::null) return;
  auto running = std::make_shared<Kcc>();
  read(reader, node, *running);
  out.running_config = std::move(running);
}

void read_environment(Reader& reader, const Node& node, Kcc& out) {
  Labels variables;
  read(reader, node, variables);
  out.status_environment = {variables.begin(), variables.end()};
}

void read_kcc_status(Reader& reader, const Node& node, Kcc& out) {
  static constexpr Field<Kcc> kFields[] = {{"environmentVars", read_environment},
                                           {"runningConfig", read_running_config}};
  read_object<Kcc>(reader, node, out, kFields);
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const auto comma = text.find(',');
    auto part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    if (comma == text.npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

template <auto Member>
constexpr Field<Felix> list_field(std::string_view name) {
  return {name, [](Reader& reader, const Node& node, Felix& out) {
            if (node.type == Node::Type::null) return;
            if (const auto text = read_text(reader, node)) out.*Member = split(*text);
          }};
}

void read_failsafe_protocol(Reader& reader, const Node& node, FailsafePort& out) {
  std::string text = node.type == Node::Type::scalar ? node.text : std::string();
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (text == "TCP" || text == "UDP")
    out.protocol = *protocol_by_name(text);
  else
    reader.fault(node, "a failsafe port's protocol is TCP or UDP, got " + shown(node));
}

void read_failsafe_port(Reader& reader, const Node& node, FailsafePort& out) {
  if (const auto port = read_integer(reader, node, 0, 65535)) out.port = static_cast<std::uint16_t>(*port);
}

void read_failsafe_net(Reader& reader, const Node& node, FailsafePort& out) {
  const auto text = read_text(reader, node);
  if (!text || text->empty()) return;
  auto net = parse_cidr(*text, BareAddress::is_host);
  if (net)
    out.net = *net;
  else
    reader.fault(node, printable(net.error().what));
}

}  // namespace

void read(Reader& reader, const Node& node, FailsafePort& out) {
  static constexpr Field<FailsafePort> kFields[] = {{"protocol", read_failsafe_protocol},
                                                    {"port", read_failsafe_port},
                                                    {"net", read_failsafe_net}};
  read_object<FailsafePort>(reader, node, out, kFields);
  reader.require(node, "protocol");
  reader.require(node, "port");
}

// A port without name, or a range.
void read(Reader& reader, const Node& node, PortRange& out) {
  Port port;
  const auto before = reader.faults().size() + reader.more();
  read(reader, node, port);
  if (const auto* range = std::get_if<PortRange>(&port)) {
    out = *range;
  } else if (reader.faults().size() + reader.more() == before) {
    reader.fault(node, "wants a port from 1 to 65535 or a range \"first:last\" of them, got " + shown(node));
  }
}

void read(Reader& reader, const Node& node, Timeout& out) {
  if (node.type == Node::Type::scalar && node.text == "Auto") return;
  Duration value{};
  read(reader, node, value);
  out.value = value;
}

void read(Reader& reader, const Node& node, ConntrackTimeouts& out) {
  using C = ConntrackTimeouts;
  static constexpr Field<C> kFields[] = {field<&C::creation_grace_period>("creationGracePeriod"),
                                         field<&C::tcp_syn_sent>("tcpSynSent"),
                                         field<&C::tcp_established>("tcpEstablished"),
                                         field<&C::tcp_fins_seen>("tcpFinsSeen"),
                                         field<&C::tcp_reset_seen>("tcpResetSeen"),
                                         field<&C::udp>("udpTimeout"),
                                         field<&C::icmp>("icmpTimeout"),
                                         field<&C::generic>("genericTimeout")};
  read_object<C>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, Felix& out) {
  static constexpr Field<Felix> kTyped[] = {
      list_field<&Felix::interface_prefix>("interfacePrefix"),
      list_field<&Felix::interface_exclude>("interfaceExclude"),
      field<&Felix::interface_refresh_interval>("interfaceRefreshInterval"),
      field<&Felix::ipv6_support>("ipv6Support"),
      field<&Felix::failsafe_inbound>("failsafeInboundHostPorts"),
      field<&Felix::failsafe_outbound>("failsafeOutboundHostPorts"),
      field<&Felix::bpf_map_size_conntrack>("bpfMapSizeConntrack"),
      field<&Felix::bpf_conntrack_timeouts>("bpfConntrackTimeouts"),
      field<&Felix::log_severity_screen>("logSeverityScreen"),
      field<&Felix::kube_node_port_ranges>("kubeNodePortRanges"),
      field<&Felix::log_action_rate_limit>("logActionRateLimit"),
      field<&Felix::log_action_rate_limit_burst>("logActionRateLimitBurst")};
  const auto keep = [](const std::string& name, const Node& value, Felix& config) {
    if (!is_untyped_felix_field(name)) return false;
    if (value.type != Node::Type::null) config.untyped[name] = to_json(value).dump();
    return true;
  };
  read_object<Felix>(reader, node, out, kTyped, keep);
}

void read(Reader& reader, const Node& node, NodeAddress& out) {
  static constexpr Field<NodeAddress> kFields[] = {field<&NodeAddress::address>("address"),
                                                   field<&NodeAddress::type>("type")};
  read_object<NodeAddress>(reader, node, out, kFields);
  reader.require(node, "address");
}

void read(Reader& reader, const Node& node, NodeInterface& out) {
  static constexpr Field<NodeInterface> kFields[] = {field<&NodeInterface::name>("name"),
                                                     field<&NodeInterface::addresses>("addresses")};
  read_object<NodeInterface>(reader, node, out, kFields);
  reader.require(node, "name");
}

namespace {

using HostNode = model::Node;

// A number or, as "65000" or "1.10", a string.
void read_as_number(Reader& reader, const Node& node, HostNode& out) {
  if (node.type == Node::Type::scalar)
    out.bgp_as_number = node.text;
  else if (node.type != Node::Type::null)
    reader.fault(node, "wants a number, got " + shown(node));
}

void read_bgp(Reader& reader, const Node& node, HostNode& out) {
  static constexpr Field<HostNode> kFields[] = {field<&HostNode::bgp_ipv4>("ipv4Address"),
                                                field<&HostNode::bgp_ipv6>("ipv6Address"),
                                                field<&HostNode::ipip_tunnel>("ipv4IPIPTunnelAddr"),
                                                {"asNumber", read_as_number},
                                                ignored_field<HostNode>("routeReflectorClusterID")};
  read_object<HostNode>(reader, node, out, kFields);
}

void read_wireguard(Reader& reader, const Node& node, HostNode& out) {
  static constexpr Field<HostNode> kFields[] = {field<&HostNode::wireguard_v4>("interfaceIPv4Address"),
                                                field<&HostNode::wireguard_v6>("interfaceIPv6Address")};
  read_object<HostNode>(reader, node, out, kFields);
}

}  // namespace

void read(Reader& reader, const Node& node, HostNode& out) {
  static constexpr Field<HostNode> kFields[] = {{"bgp", read_bgp},
                                                field<&HostNode::vxlan_tunnel_v4>("ipv4VXLANTunnelAddr"),
                                                field<&HostNode::vxlan_tunnel_v6>("ipv6VXLANTunnelAddr"),
                                                {"wireguard", read_wireguard},
                                                field<&HostNode::addresses>("addresses"),
                                                field<&HostNode::interfaces>("interfaces"),
                                                ignored_field<HostNode>("orchRefs"),
                                                ignored_field<HostNode>("vxlanTunnelMACAddr"),
                                                ignored_field<HostNode>("vxlanTunnelMACAddrV6")};
  read_object<HostNode>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, EstablishedFlows& out) {
  static constexpr std::array<std::string_view, 2> kNames = {"Reevaluate", "Keep"};
  if (const auto choice = read_choice(reader, node, kNames)) out = static_cast<EstablishedFlows>(*choice);
}

void read(Reader& reader, const Node& node, IngressHook& out) {
  static constexpr std::array<std::string_view, 3> kNames = {"auto", "xdp", "tc"};
  if (const auto choice = read_choice(reader, node, kNames)) out = static_cast<IngressHook>(*choice);
}

void read(Reader& reader, const Node& node, HookRule& out) {
  static constexpr Field<HookRule> kFields[] = {field<&HookRule::interface>("interface"),
                                                field<&HookRule::hook>("hook")};
  read_object<HookRule>(reader, node, out, kFields);
  reader.require(node, "interface");
  reader.require(node, "hook");
}

void read(Reader& reader, const Node& node, NodewallConfiguration& out) {
  using C = NodewallConfiguration;
  static constexpr Field<C> kFields[] = {field<&C::established_flows>("establishedFlows"),
                                         field<&C::ingress_hooks>("ingressHooks"),
                                         nets_field<&C::service_addresses, BareAddress::is_host>("serviceAddresses")};
  read_object<C>(reader, node, out, kFields);
}

namespace {

template <typename T>
model::Spec spec_of(Reader& reader, const Node* spec) {
  T out;
  if (spec != nullptr) {
    const Reader::Step step(reader, "spec");
    read(reader, *spec, out);
  }
  return out;
}

}  // namespace

model::Spec read_spec(Reader& reader, const Node* spec, const Node* status, model::Kind kind) {
  switch (kind) {
    case model::Kind::HostEndpoint: return spec_of<model::HostEndpoint>(reader, spec);
    case model::Kind::GlobalNetworkPolicy: return spec_of<model::GlobalNetworkPolicy>(reader, spec);
    case model::Kind::GlobalNetworkSet: return spec_of<model::GlobalNetworkSet>(reader, spec);
    case model::Kind::Profile: return spec_of<model::Profile>(reader, spec);
    case model::Kind::Tier: return spec_of<model::Tier>(reader, spec);
    case model::Kind::FelixConfiguration: return spec_of<model::FelixConfiguration>(reader, spec);
    case model::Kind::Node: return spec_of<model::Node>(reader, spec);
    case model::Kind::NodewallConfiguration: return spec_of<model::NodewallConfiguration>(reader, spec);
    case model::Kind::StagedGlobalNetworkPolicy: return spec_of<model::StagedGlobalNetworkPolicy>(reader, spec);
    case model::Kind::KubeControllersConfiguration: break;
  }
  auto out = spec_of<model::KubeControllersConfiguration>(reader, spec);
  if (status != nullptr) {
    const Reader::Step step(reader, "status");
    read_kcc_status(reader, *status, std::get<model::KubeControllersConfiguration>(out));
  }
  return out;
}

}  // namespace nodewall::config
