// Rules of policies and profiles.
#include <algorithm>

#include "model/validate_parts.h"

namespace nodewall::model {
namespace {

constexpr std::size_t kMaxRules = 1024;
constexpr std::size_t kMaxNets = 256;
constexpr std::size_t kMaxPorts = 50;
constexpr std::size_t kMaxSelector = 1024;
constexpr std::size_t kMaxHttpItems = 20;
constexpr std::size_t kMaxHttpPath = 1024;

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpV6 = 58;
constexpr std::uint8_t kSctp = 132;

bool has_ports(const Protocol& protocol) {
  return protocol.number == kTcp || protocol.number == kUdp || protocol.number == kSctp;
}

void check_count(std::string_view field, std::size_t count, std::size_t most, FaultList& faults) {
  if (count > most) faults.add(field, std::to_string(count) + " items", "at most " + std::to_string(most) + " are allowed");
}

void check_nets(std::string_view field, const std::vector<Cidr>& nets, FaultList& faults) {
  check_count(field, nets.size(), kMaxNets, faults);
  for (std::size_t i = 0; i < nets.size(); ++i) {
    if (nets[i].masked() == nets[i]) continue;
    const Within within(faults, field, i);
    faults.add("", to_string(nets[i]), "a CIDR in a rule must have no host bits; use " + to_string(nets[i].masked()));
  }
}

std::string port_text(const Port& port) {
  if (const auto* name = std::get_if<std::string>(&port)) return *name;
  const auto& range = std::get<PortRange>(port);
  const auto first = std::to_string(range.first);
  return range.first == range.last ? first : first + ":" + std::to_string(range.last);
}

void check_ports(std::string_view field, const std::vector<Port>& ports, const Rule& rule, FaultList& faults) {
  check_count(field, ports.size(), kMaxPorts, faults);
  if (ports.empty()) return;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const auto* range = std::get_if<PortRange>(&ports[i]);
    const Within within(faults, field, i);
    if (range != nullptr && (range->first == 0 || range->first > range->last))
      faults.add("", port_text(ports[i]), "a port is 1 to 65535, and a range's first not greater than its last");
  }
  const bool numeric = std::ranges::any_of(ports, [](const Port& port) { return std::holds_alternative<PortRange>(port); });
  if (rule.protocol && !has_ports(*rule.protocol))
    faults.add(field, port_text(ports.front()), "rules that specify ports must set protocol to TCP or UDP or SCTP");
  else if (!rule.protocol && numeric)
    faults.add(field, port_text(ports.front()),
               "rules with numeric port or port range must set protocol to TCP or UDP or SCTP");
}

// What may not stand beside `services`.
void check_services(const EntityRule& entity, bool is_source, Direction direction, FaultList& faults) {
  const auto& services = *entity.services;
  if (services.name.empty()) faults.add("services.name", "", "services must specify a service name");
  if (services.namespace_name.empty())
    faults.add("services.namespace", "", "services must specify a namespace in a global policy");
  if (is_source && direction == Direction::egress)
    faults.add("services", services.name, "services not allowed in egress rule source");
  if (!is_source && direction == Direction::ingress)
    faults.add("services", services.name, "services not allowed in ingress rule destination");
  if (!is_source && !(entity.ports.empty() && entity.not_ports.empty()))
    faults.add("services", services.name, "ports and notPorts cannot be specified with services");
  const auto refuse = [&](bool given, std::string_view what) {
    if (given)
      faults.add("services", services.name, "cannot specify " + std::string(what) + " and Services on the same rule");
  };
  refuse(entity.selector.has_value(), "Selector");
  refuse(entity.not_selector.has_value(), "NotSelector");
  refuse(entity.namespace_selector.has_value(), "NamespaceSelector");
  refuse(!entity.nets.empty(), "Nets");
  refuse(!entity.not_nets.empty(), "NotNets");
  refuse(entity.service_accounts.has_value(), "ServiceAccounts");
}

void check_service_accounts(const ServiceAccounts& accounts, FaultList& faults) {
  const Within within(faults, "serviceAccounts");
  for (std::size_t i = 0; i < accounts.names.size(); ++i) {
    const Within name(faults, "names", i);
    if (!is_dns_subdomain(accounts.names[i]))
      faults.add("", accounts.names[i], "the name of a service account is at most 253 of a-z, 0-9, '-' and '.'");
  }
  if (!accounts.selector) return;
  const auto selector = Selector::parse(*accounts.selector);
  if (selector)
    check_selector("selector", *selector, GlobalCall::refused, faults);
  else
    faults.add("selector", *accounts.selector, "invalid selector: " + selector.error().what);
}

void check_entity(const EntityRule& entity, const Rule& rule, bool is_source, Direction direction, FaultList& faults) {
  const Within within(faults, is_source ? "source" : "destination");
  check_nets("nets", entity.nets, faults);
  check_nets("notNets", entity.not_nets, faults);
  for (std::size_t i = 0; i < entity.not_nets.size(); ++i) {
    const Within net(faults, "notNets", i);
    if (entity.not_nets[i].prefix == 0)
      faults.add("", to_string(entity.not_nets[i]),
                 "catch-all CIDR in negation creates logical contradiction (matches no traffic)");
  }
  check_selector("selector", entity.selector, GlobalCall::refused, faults);
  check_selector("notSelector", entity.not_selector, GlobalCall::refused, faults);
  check_selector("namespaceSelector", entity.namespace_selector, GlobalCall::allowed_alone, faults);
  if (entity.service_accounts) check_service_accounts(*entity.service_accounts, faults);
  check_ports("ports", entity.ports, rule, faults);
  check_ports("notPorts", entity.not_ports, rule, faults);
  if (entity.services) check_services(entity, is_source, direction, faults);
}

// One rule speaks of one family; `ipVersion` and the protocol may say which.
void check_families(const Rule& rule, FaultList& faults) {
  bool v4 = false;
  bool v6 = false;
  for (const auto* entity : {&rule.source, &rule.destination})
    for (const auto* nets : {&entity->nets, &entity->not_nets})
      for (const auto& net : *nets) (net.address.family == Family::v4 ? v4 : v6) = true;
  if (v4 && v6)
    faults.add("", "", "rule contains both IPv4 and IPv6 CIDRs");
  else if (rule.ip_version && ((v4 && *rule.ip_version == Family::v6) || (v6 && *rule.ip_version == Family::v4)))
    faults.add("ipVersion", *rule.ip_version == Family::v4 ? "4" : "6", "rule IP version doesn't match CIDR version");
  const auto check_protocol = [&](std::string_view field, const std::optional<Protocol>& protocol) {
    if (!protocol || !rule.ip_version) return;
    if (protocol->number == kIcmp && *rule.ip_version == Family::v6)
      faults.add(field, "ICMP", "protocol ICMP requires ipVersion 4");
    if (protocol->number == kIcmpV6 && *rule.ip_version == Family::v4)
      faults.add(field, "ICMPv6", "protocol ICMPv6 requires ipVersion 6");
  };
  check_protocol("protocol", rule.protocol);
  check_protocol("notProtocol", rule.not_protocol);
}

void check_icmp(std::string_view field, const std::optional<Icmp>& icmp, FaultList& faults) {
  if (!icmp) return;
  const Within within(faults, field);
  if (icmp->type && *icmp->type > 254) faults.add("type", std::to_string(*icmp->type), "an ICMP type is 0 to 254");
  if (icmp->code && !icmp->type)
    faults.add("code", std::to_string(*icmp->code), "ICMP code specified without an ICMP type");
}

void check_http(const HttpMatch& http, const Rule& rule, FaultList& faults) {
  if (rule.action != Action::Allow) faults.add("http", "", "HTTP match is only valid on Allow rules");
  if (rule.protocol && rule.protocol->number != kTcp)
    faults.add("http", to_string(*rule.protocol), "rules with HTTP match must have protocol TCP or unset");
  const Within within(faults, "http");
  check_count("methods", http.methods.size(), kMaxHttpItems, faults);
  check_count("paths", http.paths.size(), kMaxHttpItems, faults);
  for (std::size_t i = 0; i < http.paths.size(); ++i) {
    const Within item(faults, "paths", i);
    const auto& path = http.paths[i];
    if (path.exact.has_value() == path.prefix.has_value())
      faults.add("", "", "an HTTP path has one of exact and prefix");
    for (const auto* text : {&path.exact, &path.prefix})
      if (*text && (*text)->size() > kMaxHttpPath) faults.add("", (*text)->substr(0, 32), "an HTTP path has at most 1024 characters");
  }
}

void check_rule(const Rule& rule, Direction direction, FaultList& faults) {
  if (rule.protocol && rule.protocol->number == 0) faults.add("protocol", "0", "protocol number invalid");
  if (rule.not_protocol && rule.not_protocol->number == 0) faults.add("notProtocol", "0", "protocol number invalid");
  if (rule.icmp && !(rule.protocol && (rule.protocol->number == kIcmp || rule.protocol->number == kIcmpV6)))
    faults.add("icmp", "", "ICMP fields require protocol to be ICMP or ICMPv6");
  check_icmp("icmp", rule.icmp, faults);
  check_icmp("notICMP", rule.not_icmp, faults);
  check_families(rule, faults);
  check_entity(rule.source, rule, /*is_source=*/true, direction, faults);
  check_entity(rule.destination, rule, /*is_source=*/false, direction, faults);
  if (rule.http) check_http(*rule.http, rule, faults);
}

}  // namespace

void check_selector(std::string_view field, const std::optional<Selector>& selector, GlobalCall global, FaultList& faults) {
  if (!selector) return;
  if (selector->text().size() > kMaxSelector)
    faults.add(field, selector->text().substr(0, 32) + "...", "a selector has at most 1024 characters");
  if (!selector->mentions_global()) return;
  if (global == GlobalCall::refused)
    faults.add(field, selector->text(), "global() can only be used in an EntityRule namespaceSelector");
  else if (!selector->is_global())
    faults.add(field, selector->text(), "global() can only be used alone, not as a part of another selector");
}

void check_rules(std::string_view field, const SharedList<Rule>& rules, Direction direction, FaultList& faults) {
  check_count(field, rules.size(), kMaxRules, faults);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Within within(faults, field, i);
    check_rule(rules[i], direction, faults);
  }
}

}  // namespace nodewall::model
