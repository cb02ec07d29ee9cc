// GlobalNetworkPolicy, Profile and HostEndpoint.
#include <algorithm>
#include <cmath>

#include "model/validate_parts.h"

namespace nodewall::model {
namespace {

// An IANA service name of lower case: what Kubernetes allows for the name of a port.
bool is_port_name(std::string_view text) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto allowed = [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= 15 && std::ranges::all_of(text, allowed) && std::ranges::any_of(text, lower) &&
         text.front() != '-' && text.back() != '-' && text.find("--") == text.npos;
}

// The second and later of equal items.
template <typename T, typename ToText>
void check_unique(std::string_view field, const std::vector<T>& items, ToText to_text, FaultList& faults) {
  for (std::size_t i = 1; i < items.size(); ++i) {
    if (std::find(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(i), items[i]) ==
        items.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    const Within within(faults, field, i);
    faults.add("", to_text(items[i]), "given more than once");
  }
}

void check_port(const EndpointPort& port, FaultList& faults) {
  if (!is_port_name(port.name))
    faults.add_tag("name", port.name, "portName", "at most 15 of a-z, 0-9 and '-', at least one letter");
  if (port.protocol.number != 6 && port.protocol.number != 17 && port.protocol.number != 132)
    faults.add("protocol", to_string(port.protocol), "a named port's protocol is TCP, UDP or SCTP");
  if (port.port == 0) faults.add("port", "0", "a port is 1 to 65535");
}

void check_types(const std::vector<PolicyType>& types, FaultList& faults) {
  for (const auto type : {PolicyType::Ingress, PolicyType::Egress}) {
    const std::string name = type == PolicyType::Ingress ? "Ingress" : "Egress";
    if (std::ranges::count(types, type) > 1) faults.add("types", name, "'" + name + "' type specified more than once");
  }
}

void check_host_stages(const GlobalNetworkPolicy& policy, FaultList& faults) {
  if (policy.pre_dnat && policy.do_not_track)
    faults.add("preDNAT", "true", "preDNAT and doNotTrack cannot both be true");
  if (policy.pre_dnat && !policy.egress.empty())
    faults.add("egress", "", "preDNAT policy cannot have any egress rules");
  if (policy.pre_dnat && std::ranges::count(policy.types, PolicyType::Egress) > 0)
    faults.add("types", "Egress", "preDNAT policy cannot have 'Egress' type");
  if ((policy.pre_dnat || policy.do_not_track) && !policy.apply_on_forward)
    faults.add("applyOnForward", "false", "applyOnForward must be true if either preDNAT or doNotTrack is true");
}

}  // namespace

void check(const HostEndpoint& endpoint, FaultList& faults) {
  if (endpoint.node.empty())
    faults.add("node", "", "node must be specified");
  else if (!is_dns_subdomain(endpoint.node))
    faults.add_tag("node", endpoint.node, "name", "a node's name: at most 253 of a-z, 0-9, '-' and '.'");
  const auto& interface = endpoint.interface_name;
  if (interface.empty() && endpoint.expected_ips.empty())
    faults.add("interfaceName", "", "at least one of interfaceName or expectedIPs must be specified");
  if (!interface.empty() && interface != "*" && !is_interface_name(interface))
    faults.add_tag("interfaceName", interface, "interface", "'*' or at most 15 of a-z, A-Z, 0-9, '_', '.' and '-'");
  check_unique("expectedIPs", endpoint.expected_ips, [](const Address& address) { return to_string(address); }, faults);
  for (std::size_t i = 0; i < endpoint.profiles.size(); ++i) {
    const Within within(faults, "profiles", i);
    if (!is_dns_subdomain(endpoint.profiles[i]))
      faults.add("", endpoint.profiles[i], "Reason: failed to validate Field: profiles because of Tag: name; wants a profile's name");
  }
  check_unique("profiles", endpoint.profiles, [](const std::string& name) { return name; }, faults);
  for (std::size_t i = 0; i < endpoint.ports.size(); ++i) {
    const Within within(faults, "ports", i);
    check_port(endpoint.ports[i], faults);
  }
}

void check(const GlobalNetworkPolicy& policy, FaultList& faults) {
  if (policy.tier && !is_dns_label(*policy.tier))
    faults.add_tag("tier", *policy.tier, "name", "a tier's name: at most 63 of a-z, 0-9 and '-'");
  if (policy.order && !std::isfinite(*policy.order)) faults.add("order", "", "order must be a finite number");
  check_selector("selector", policy.selector, GlobalCall::refused, faults);
  check_selector("namespaceSelector", policy.namespace_selector, GlobalCall::refused, faults);
  check_selector("serviceAccountSelector", policy.service_account_selector, GlobalCall::refused, faults);
  check_types(policy.types, faults);
  check_host_stages(policy, faults);
  check_rules("ingress", policy.ingress, Direction::ingress, faults);
  check_rules("egress", policy.egress, Direction::egress, faults);
  for (std::size_t i = 0; i < policy.performance_hints.size(); ++i) {
    const Within within(faults, "performanceHints", i);
    if (policy.performance_hints[i] != "AssumeNeededOnEveryNode")
      faults.add("", policy.performance_hints[i], "wants AssumeNeededOnEveryNode");
  }
  check_unique("performanceHints", policy.performance_hints, [](const std::string& hint) { return hint; }, faults);
}

// As the policy that it would be; of Delete nothing but the name and the tier count.
void check(const StagedGlobalNetworkPolicy& staged, FaultList& faults) {
  if (staged.action == StagedAction::Delete) {
    GlobalNetworkPolicy nothing;
    nothing.tier = staged.policy.tier;
    if (staged.policy != nothing)
      faults.add("stagedAction", "Delete", "a staged policy that deletes has no fields but tier and stagedAction");
  }
  check(staged.policy, faults);
}

void check(const Profile& profile, FaultList& faults) {
  check_rules("ingress", profile.ingress, Direction::ingress, faults);
  check_rules("egress", profile.egress, Direction::egress, faults);
  check_labels("labelsToApply", profile.labels_to_apply, faults);
}

}  // namespace nodewall::model
