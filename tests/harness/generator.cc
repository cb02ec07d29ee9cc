#include "harness/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nodewall::test {
namespace {

using namespace std::string_view_literals;

constexpr std::array kV4Nets = {"0.0.0.0/0"sv,    "10.0.0.0/8"sv,    "10.0.0.0/24"sv,   "10.0.0.0/25"sv,  "10.0.0.128/25"sv,
                                "10.0.0.1/32"sv,  "10.0.0.2/32"sv,   "10.0.1.0/24"sv,   "10.1.0.0/16"sv,  "192.168.0.0/16"sv,
                                "172.16.0.0/12"sv, "128.0.0.0/1"sv,  "10.0.255.255/32"sv, "10.0.0.0/15"sv, "224.0.0.0/4"sv,
                                "255.255.255.255/32"sv, "8.8.8.8/32"sv, "8.8.8.0/31"sv};
constexpr std::array kV6Nets = {"::/0"sv,         "fd00::/8"sv,      "fd00::/64"sv,     "fd00::1/128"sv,  "fd00::2/128"sv,
                                "fd00:0:0:1::/64"sv, "fd00::8000:0:0:0/65"sv, "fe80::/10"sv, "2001:db8::/32"sv,
                                "2001:db8::/33"sv, "ff02::/16"sv,   "fd00::/63"sv,     "2001:db8::ffff:ffff/128"sv,
                                "8000::/1"sv,      "fd00::1:0/112"sv};
constexpr std::array kLabelKeys = {"role"sv, "zone"sv, "env"sv};
constexpr std::array kLabelValues = {"web"sv, "db"sv, "a"sv};
constexpr std::array kPortNames = {"http"sv, "dns"sv, "admin"sv};
constexpr std::array<std::uint16_t, 9> kPorts = {1, 22, 53, 80, 443, 1023, 1024, 8080, 65535};
constexpr std::array<std::uint8_t, 8> kProtocols = {6, 17, 1, 58, 132, 136, 47, 255};
constexpr std::array<std::uint8_t, 7> kIcmpTypes = {0, 3, 8, 128, 129, 135, 254};

std::string text(std::string_view view) { return std::string(view); }
Cidr cidr(std::string_view view) { return *parse_cidr(view, BareAddress::refuse); }
Cidr random_net(Random& random, Family family) {
  return cidr(family == Family::v4 ? random.pick(kV4Nets) : random.pick(kV6Nets));
}

model::Labels random_labels(Random& random) {
  model::Labels labels;
  for (const auto key : kLabelKeys) {
    if (random.percent(50)) labels[text(key)] = text(random.pick(kLabelValues));
  }
  return labels;
}

std::string selector_term(Random& random) {
  const auto key = random.pick(kLabelKeys);
  const auto value = random.pick(kLabelValues);
  switch (random.below(8)) {
    case 0: return fmt::format("has({})", key);
    case 1: return fmt::format("!has({})", key);
    case 2: return fmt::format("{} != '{}'", key, value);
    case 3: return fmt::format("{} in {{'{}', '{}'}}", key, value, random.pick(kLabelValues));
    case 4: return fmt::format("{} not in {{'{}'}}", key, value);
    case 5: return fmt::format("{} starts with '{}'", key, value.substr(0, 1));
    default: return fmt::format("{} == '{}'", key, value);
  }
}

model::Selector random_selector(Random& random) {
  std::string wanted = selector_term(random);
  if (random.percent(15)) wanted = "all()";
  if (random.percent(30)) wanted = fmt::format("({}) {} {}", wanted, random.percent(50) ? "||" : "&&", selector_term(random));
  return *model::Selector::parse(wanted);
}

std::vector<model::Port> random_ports(Random& random, bool numbers) {
  std::vector<model::Port> ports;
  for (std::size_t i = random.between(1, 3); i > 0; --i) {
    if (!numbers || random.percent(25)) {
      ports.emplace_back(text(random.pick(kPortNames)));
      continue;
    }
    auto first = random.pick(kPorts);
    auto last = random.percent(50) ? first : random.pick(kPorts);
    if (first > last) std::swap(first, last);
    ports.emplace_back(model::PortRange{first, last});
  }
  return ports;
}

bool has_ports(std::uint8_t protocol) { return protocol == 6 || protocol == 17 || protocol == 132; }

void random_entity(Random& random, const model::Rule& rule, Family nets_family, model::EntityRule& entity) {
  const auto nets = [&](std::vector<Cidr>& out, bool negated) {
    for (std::size_t i = random.between(1, 3); i > 0; --i) {
      const auto net = random_net(random, nets_family);
      if (!negated || net.prefix > 0) out.push_back(net);
    }
  };
  if (random.percent(30)) nets(entity.nets, false);
  if (random.percent(12)) nets(entity.not_nets, true);
  if (random.percent(18)) entity.selector = random_selector(random);
  if (random.percent(12)) entity.not_selector = random_selector(random);
  const bool numbers = rule.protocol && has_ports(rule.protocol->number);
  if (rule.protocol && !numbers) return;
  if (random.percent(numbers ? 35 : 8)) entity.ports = random_ports(random, numbers);
  if (random.percent(numbers ? 15 : 4)) entity.not_ports = random_ports(random, numbers);
}

model::Icmp random_icmp(Random& random) {
  model::Icmp icmp;
  icmp.type = random.pick(kIcmpTypes);
  if (random.percent(40)) icmp.code = static_cast<std::uint8_t>(random.below(3));
  return icmp;
}

std::optional<double> random_order(Random& random) {
  constexpr std::array kOrders = {-10.0, 0.0, 0.5, 1.0, 10.0, 1e6, 1e9};
  if (random.percent(20)) return std::nullopt;
  return random.pick(kOrders);
}

void put(Scenario& scenario, const std::string& name, model::Labels labels, model::Spec spec) {
  model::Resource resource;
  resource.metadata.name = name;
  resource.metadata.labels = std::move(labels);
  resource.spec = std::move(spec);
  auto id = resource.id();
  scenario.resources.insert_or_assign(std::move(id), std::move(resource));
}

std::vector<model::Rule> random_rules(Random& random, std::size_t most, bool ingress) {
  std::vector<model::Rule> rules;
  for (std::size_t i = random.below(most + 1); i > 0; --i) rules.push_back(random_rule(random, ingress));
  return rules;
}

void random_host_endpoints(Random& random, Scenario& scenario) {
  constexpr std::array kInterfaces = {"eth0"sv, "eth1"sv, "*"sv, "*"sv, "lo"sv, ""sv};
  for (std::size_t i = random.between(1, 5); i > 0; --i) {
    model::HostEndpoint endpoint;
    endpoint.node = random.percent(65) ? "node1" : "node2";
    endpoint.interface_name = text(random.pick(kInterfaces));
    for (std::size_t j = random.below(4); j > 0 || (endpoint.interface_name.empty() && endpoint.expected_ips.empty());) {
      const auto family = random.percent(50) ? Family::v4 : Family::v6;
      const auto address = random.percent(40) ? random.pick(random.pick(scenario.facts.interfaces).addresses).address
                                              : random_net(random, family).address;
      if (std::ranges::find(endpoint.expected_ips, address) == endpoint.expected_ips.end()) {
        endpoint.expected_ips.push_back(address);
      }
      if (j > 0) --j;
    }
    for (const auto profile : {"prof-a"sv, "prof-b"sv, "projectcalico-default-allow"sv, "gone"sv}) {
      if (random.percent(20)) endpoint.profiles.push_back(text(profile));
    }
    for (const auto name : kPortNames) {
      constexpr std::array<std::uint8_t, 3> kPortProtocols = {6, 17, 132};
      if (random.percent(35)) {
        endpoint.ports.push_back({text(name), {random.pick(kPortProtocols)}, random.pick(kPorts)});
      }
    }
    put(scenario, fmt::format("hep-{}", i), random_labels(random), std::move(endpoint));
  }
}

// One of the kinds that its flags make: for the host's own traffic, also for what is forwarded, untracked or preDNAT.
void random_kind(Random& random, model::GlobalNetworkPolicy& policy) {
  policy.apply_on_forward = random.percent(40);
  if (!policy.apply_on_forward) return;
  policy.do_not_track = random.percent(35);
  policy.pre_dnat = !policy.do_not_track && random.percent(45);
  if (!policy.pre_dnat) return;
  policy.egress.clear();
  std::erase(policy.types, model::PolicyType::Egress);
}

model::GlobalNetworkPolicy random_policy(Random& random, const Shape& shape) {
  constexpr std::array kTiers = {"first"sv, "second"sv, "default"sv, "default"sv, "kube-admin"sv, "kube-baseline"sv, "missing"sv};
  model::GlobalNetworkPolicy policy;
  if (random.percent(70)) policy.tier = text(random.pick(kTiers));
  policy.order = random_order(random);
  if (random.percent(60)) policy.selector = random_selector(random);
  if (random.percent(4)) policy.namespace_selector = random_selector(random);
  if (random.percent(20)) policy.types.push_back(model::PolicyType::Ingress);
  if (random.percent(20)) policy.types.push_back(model::PolicyType::Egress);
  policy.ingress = random_rules(random, shape.rules, true);
  policy.egress = random_rules(random, shape.rules, false);
  random_kind(random, policy);
  return policy;
}

// Some have the name of a policy, and often its tier: those replace or delete it.
void random_staged(Random& random, const Shape& shape, Scenario& scenario) {
  for (std::size_t i = random.between(1, 3); i > 0; --i) {
    model::StagedGlobalNetworkPolicy staged;
    if (random.percent(50)) staged.action = static_cast<model::StagedAction>(random.below(4));
    const auto name = fmt::format("pol-{}", random.between(1, shape.policies + 2));
    std::optional<std::string> tier;
    const auto enforced = scenario.resources.find({model::Kind::GlobalNetworkPolicy, name});
    if (enforced != scenario.resources.end()) tier = std::get<model::GlobalNetworkPolicy>(enforced->second.spec).tier;
    if (staged.action != model::StagedAction::Delete) staged.policy = random_policy(random, shape);
    if (enforced != scenario.resources.end() && random.percent(80)) staged.policy.tier = tier;
    put(scenario, name, {}, std::move(staged));
  }
}

// Ports and addresses of services.
void random_services(Random& random, Scenario& scenario, model::FelixConfiguration& felix) {
  if (random.percent(25)) {
    felix.kube_node_port_ranges.emplace();
    for (std::size_t i = random.below(4); i > 0; --i) {
      const auto first = std::max<std::uint16_t>(random.pick(kPorts), 1);
      felix.kube_node_port_ranges->push_back({first, static_cast<std::uint16_t>(std::min<std::size_t>(first + random.below(3), 65535))});
    }
  }
  if (!random.percent(15)) return;
  model::NodewallConfiguration nodewall;
  nodewall.service_addresses = {random.pick(random.pick(scenario.facts.interfaces).addresses)};
  if (random.percent(70)) nodewall.service_addresses.front().prefix = nodewall.service_addresses.front().address.family == Family::v4 ? 32 : 128;
  put(scenario, "default", {}, std::move(nodewall));
}

void random_policies(Random& random, const Shape& shape, Scenario& scenario) {
  for (const auto name : {"first"sv, "second"sv}) {
    model::Tier tier{.order = random_order(random), .default_action = std::nullopt};
    if (random.percent(60)) tier.default_action = random.percent(50) ? model::TierAction::Pass : model::TierAction::Deny;
    if (random.percent(85)) put(scenario, text(name), {}, tier);
  }
  for (std::size_t i = random.below(shape.policies + 1); i > 0; --i)
    put(scenario, fmt::format("pol-{}", i), {}, random_policy(random, shape));
  if (random.percent(40)) random_staged(random, shape, scenario);
  for (const auto name : {"prof-a"sv, "prof-b"sv}) {
    if (!random.percent(70)) continue;
    model::Profile profile;
    profile.ingress = random_rules(random, 2, true);
    profile.egress = random_rules(random, 2, false);
    profile.labels_to_apply = random_labels(random);
    put(scenario, text(name), {}, std::move(profile));
  }
}

void random_failsafe(Random& random, std::optional<std::vector<model::FailsafePort>>& out) {
  if (random.percent(40)) return;
  out.emplace();
  for (std::size_t i = random.below(4); i > 0; --i) {
    model::FailsafePort port;
    port.protocol.number = random.percent(50) ? 6 : 17;
    port.port = random.pick(kPorts);
    if (random.percent(50)) port.net = random_net(random, random.percent(50) ? Family::v4 : Family::v6);
    out->push_back(port);
  }
}

}  // namespace

model::Rule random_rule(Random& random, bool ingress) {
  constexpr std::array kActions = {model::Action::Allow, model::Action::Allow, model::Action::Allow, model::Action::Deny,
                                   model::Action::Deny,  model::Action::Pass,  model::Action::Log};
  model::Rule rule;
  rule.action = random.pick(kActions);
  const auto family = random.percent(50) ? Family::v4 : Family::v6;
  if (random.percent(15)) rule.ip_version = family;
  const auto fits = [&](std::uint8_t protocol) {
    return !rule.ip_version || protocol != (*rule.ip_version == Family::v4 ? 58 : 1);
  };
  if (random.percent(65)) {
    auto number = random.percent(60) ? std::uint8_t{6} : random.pick(kProtocols);
    if (random.percent(30)) number = 17;
    if (fits(number)) rule.protocol = model::Protocol{.number = number};
  }
  if (random.percent(10)) {
    if (const auto number = random.pick(kProtocols); fits(number)) rule.not_protocol = model::Protocol{.number = number};
  }
  const bool icmp = rule.protocol && (rule.protocol->number == 1 || rule.protocol->number == 58);
  if (icmp && random.percent(60)) rule.icmp = random_icmp(random);
  if (random.percent(icmp ? 40 : 4)) rule.not_icmp = random_icmp(random);
  random_entity(random, rule, family, rule.source);
  random_entity(random, rule, family, rule.destination);
  if (random.percent(2)) rule.destination.namespace_selector = *model::Selector::parse("global()");
  if (random.percent(2)) rule.source.namespace_selector = *model::Selector::parse("has(team)");
  if (ingress && random.percent(1)) {
    rule.source = {};
    rule.source.services = model::ServiceRef{.name = "svc", .namespace_name = "ns"};
  }
  return rule;
}

Shape random_shape(Random& random) {
  if (random.percent(10)) return {.policies = 12, .rules = 20, .sets = 6, .nets = 20};
  if (random.percent(30)) return {.policies = 2, .rules = 2, .sets = 1, .nets = 2};
  return {};
}

Scenario random_scenario(Random& random, const Shape& shape) {
  Scenario scenario;
  scenario.facts = default_facts();
  random_host_endpoints(random, scenario);
  for (std::size_t i = random.below(shape.sets + 1); i > 0; --i) {
    model::GlobalNetworkSet set;
    for (std::size_t j = random.below(shape.nets + 1); j > 0; --j) {
      set.nets.push_back(random_net(random, random.percent(50) ? Family::v4 : Family::v6));
    }
    put(scenario, fmt::format("set-{}", i), random_labels(random), std::move(set));
  }
  random_policies(random, shape, scenario);
  if (random.percent(60)) {
    model::FelixConfiguration felix;
    random_failsafe(random, felix.failsafe_inbound);
    random_failsafe(random, felix.failsafe_outbound);
    if (random.percent(10)) felix.interface_exclude = {"eth1"};
    random_services(random, scenario, felix);
    put(scenario, random.percent(70) ? "default" : "node.node1", {}, std::move(felix));
  }
  return scenario;
}

}  // namespace nodewall::test
