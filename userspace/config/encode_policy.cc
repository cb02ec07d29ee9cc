// How policies, profiles, sets, tiers and host endpoints look.
#include "config/encode_fields.h"

namespace nodewall::config::encoding {

Json of(const m::Icmp& icmp) {
  auto out = Json::object();
  if (icmp.type) out["type"] = *icmp.type;
  if (icmp.code) out["code"] = *icmp.code;
  return out;
}

Json of(const m::ServiceRef& service) {
  auto out = Json::object();
  put(out, "name", service.name);
  put(out, "namespace", service.namespace_name);
  return out;
}

Json of(const m::ServiceAccounts& accounts) {
  auto out = Json::object();
  put(out, "names", accounts.names);
  put(out, "selector", accounts.selector);
  return out;
}

Json of(const m::EntityRule& entity) {
  auto out = Json::object();
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
  auto out = Json::object();
  put(out, "exact", path.exact);
  put(out, "prefix", path.prefix);
  return out;
}

Json of(const m::HttpMatch& http) {
  auto out = Json::object();
  put(out, "methods", http.methods);
  put(out, "paths", http.paths);
  return out;
}

Json of(const m::Rule& rule) {
  constexpr const char* kActions[] = {"Allow", "Deny", "Log", "Pass"};
  auto out = Json::object();
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
  auto out = Json::object();
  put(out, "node", endpoint.node);
  put(out, "interfaceName", endpoint.interface_name);
  put(out, "expectedIPs", endpoint.expected_ips);
  put(out, "profiles", endpoint.profiles);
  put(out, "ports", endpoint.ports);
  return out;
}

Json of(const m::GlobalNetworkPolicy& policy) {
  auto out = Json::object();
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
  auto out = Json::object();
  put(out, "nets", set.nets);
  return out;
}

Json of(const m::Profile& profile) {
  auto out = Json::object();
  put(out, "ingress", profile.ingress);
  put(out, "egress", profile.egress);
  put(out, "labelsToApply", profile.labels_to_apply);
  return out;
}

Json of(const m::Tier& tier) {
  auto out = Json::object();
  put(out, "order", tier.order);
  put(out, "defaultAction", tier.default_action);
  return out;
}

}  // namespace nodewall::config::encoding
