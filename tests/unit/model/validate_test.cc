#include "model/validate.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace nodewall;
using namespace nodewall::model;

namespace {

Resource object(std::string name, Spec spec) {
  Resource resource;
  resource.metadata.name = std::move(name);
  resource.spec = std::move(spec);
  return resource;
}

HostEndpoint endpoint() {
  HostEndpoint out;
  out.node = "n1";
  out.interface_name = "eth0";
  return out;
}

std::string described(const std::vector<Fault>& faults) {
  std::string text;
  for (const auto& fault : faults) text += fault.field + " = '" + fault.value + "' (" + fault.reason + ")\n";
  return text;
}

// The object has exactly one fault: of this field, and with these words in its reason.
void has_one_fault(const Resource& resource, std::string_view field, std::string_view words) {
  const auto faults = validate(resource);
  INFO(described(faults));
  REQUIRE(faults.size() == 1);
  CHECK(faults.front().field == field);
  CHECK(faults.front().reason.find(words) != std::string::npos);
}

void is_valid(const Resource& resource) {
  const auto faults = validate(resource);
  INFO(described(faults));
  CHECK(faults.empty());
}

Resource policy_with(const std::function<void(GlobalNetworkPolicy&)>& change) {
  GlobalNetworkPolicy policy;
  change(policy);
  return object("p", std::move(policy));
}

Rule rule(std::string_view protocol = {}) {
  Rule out;
  if (!protocol.empty()) out.protocol = protocol_by_name(protocol);
  return out;
}

Resource ingress_rule(const std::function<void(Rule&)>& change, std::string_view protocol = {}) {
  return policy_with([&](GlobalNetworkPolicy& policy) {
    policy.ingress.push_back(rule(protocol));
    change(policy.ingress.back());
  });
}

Resource egress_rule(const std::function<void(Rule&)>& change) {
  return policy_with([&](GlobalNetworkPolicy& policy) {
    policy.egress.push_back(rule());
    change(policy.egress.back());
  });
}

Cidr net(std::string_view text) {
  return parse_cidr(text, BareAddress::is_host).value();
}
Selector selector(std::string_view text) {
  return Selector::parse(text).value();
}

}  // namespace

TEST_CASE("names are DNS subdomains, with narrower forms for some kinds") {
  for (const std::string_view name : {"a", "n1-auto-hep", "ip-172-16-101-147.us-west-2.compute.internal", "0"})
    is_valid(object(std::string(name), endpoint()));
  for (const std::string_view name : {"A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a/b", "a b"})
    has_one_fault(object(std::string(name), endpoint()), "metadata.name", "because of Tag: name");
  has_one_fault(object("", endpoint()), "metadata.name", "name must be specified");
  is_valid(object(std::string(253, 'a'), endpoint()));
  has_one_fault(object(std::string(254, 'a'), endpoint()), "metadata.name", "Tag: name");

  for (const std::string_view name : {"a", "a.b", "knp.default.a.b.c", "ossg.default.a.b"})
    is_valid(object(std::string(name), GlobalNetworkPolicy{}));
  for (const std::string_view name : {"a.b.c", "a.", "knp.default.", "A"})
    has_one_fault(object(std::string(name), GlobalNetworkPolicy{}), "metadata.name", "Tag: name");

  is_valid(object(std::string(63, 't'), Tier{}));
  has_one_fault(object(std::string(64, 't'), Tier{}), "metadata.name", "Tag: name");
  has_one_fault(object("a.b", Tier{}), "metadata.name", "Tag: name");

  is_valid(object("default", KubeControllersConfiguration{}));
  has_one_fault(object("other", KubeControllersConfiguration{}), "metadata.name", "only an object named 'default'");
  has_one_fault(object("other", NodewallConfiguration{}), "metadata.name", "only an object named 'default'");
  for (const std::string_view name : {"default", "node.n1", "node.a.b", "some-scope"})
    is_valid(object(std::string(name), FelixConfiguration{}));
  has_one_fault(object("node.", FelixConfiguration{}), "metadata.name", "Tag: name");
}

TEST_CASE("labels and annotations have the forms of Kubernetes") {
  auto resource = object("a", endpoint());
  resource.metadata.labels = {{"kubernetes.io/hostname", "n1"}, {"A_b.c", ""}, {"x", "Va-l_u.e9"}};
  is_valid(resource);
  for (const std::string_view key : {"", "-a", "a/b/c", "UPPER.example/x", "a b"}) {
    resource.metadata.labels = {{std::string(key), "v"}};
    has_one_fault(resource, std::string("metadata.labels") + (key.empty() ? "" : ".") + std::string(key), "Tag: labelKey");
  }
  for (const std::string& value : {std::string("a b"), std::string("-a"), std::string(64, 'v')}) {
    resource.metadata.labels = {{"k", value}};
    has_one_fault(resource, "metadata.labels.k", "Tag: labelValue");
  }
  resource.metadata.labels.clear();
  resource.metadata.annotations = {{"a", std::string(256 * 1024 - 1, 'x')}};
  is_valid(resource);
  resource.metadata.annotations = {{"a", std::string(256 * 1024, 'x')}};
  has_one_fault(resource, "metadata.annotations", "262144 bytes");
}

TEST_CASE("a GlobalNetworkSet may not carry a namespace label") {
  auto resource = object("a", GlobalNetworkSet{.nets = {net("10.1.2.3/8"), net("1.2.3.4")}});
  is_valid(resource);
  resource.metadata.labels = {{"projectcalico.org/namespace", "x"}};
  has_one_fault(resource, "metadata.labels.projectcalico.org/namespace", "not allowed");
}

TEST_CASE("a host endpoint needs a node and an interface or an address") {
  auto spec = endpoint();
  spec.node.clear();
  has_one_fault(object("a", spec), "spec.node", "node must be specified");
  spec.node = "Node1";
  has_one_fault(object("a", spec), "spec.node", "Tag: name");
  spec = endpoint();
  spec.interface_name.clear();
  has_one_fault(object("a", spec), "spec.interfaceName", "at least one of interfaceName or expectedIPs must be specified");
  spec.expected_ips = {parse_address("10.0.0.1").value()};
  is_valid(object("a", spec));
  for (const std::string_view name : {"*", "eth0", "eth0.100", "br-lan", "A_b", "123456789012345"}) {
    spec.interface_name = name;
    is_valid(object("a", spec));
  }
  for (const std::string_view name : {"eth*", "**", "a/b", "a b", "1234567890123456", "eth0:1"}) {
    spec.interface_name = name;
    has_one_fault(object("a", spec), "spec.interfaceName", "because of Tag: interface");
  }
}

TEST_CASE("addresses and profiles of a host endpoint are sets of well formed values") {
  auto spec = endpoint();
  spec.expected_ips = {parse_address("10.0.0.1").value(), parse_address("::1").value(), parse_address("10.0.0.1").value()};
  has_one_fault(object("a", spec), "spec.expectedIPs[2]", "more than once");
  spec = endpoint();
  spec.profiles = {"p", "kns.default", "p"};
  has_one_fault(object("a", spec), "spec.profiles[2]", "more than once");
  spec.profiles = {"p", "P"};
  has_one_fault(object("a", spec), "spec.profiles[1]", "Tag: name");
}

TEST_CASE("named ports of a host endpoint have a short name, a protocol with ports and a port") {
  auto spec = endpoint();
  const auto with = [&](std::string name, std::string_view protocol, std::uint16_t port) {
    spec.ports = {{.name = std::move(name), .protocol = protocol_by_name(protocol).value(), .port = port}};
    return object("a", spec);
  };
  is_valid(with("http", "TCP", 80));
  is_valid(with("a23456789012345", "SCTP", 65535));
  for (const std::string_view name : {"", "a234567890123456", "80", "a--b", "-a", "a-", "Http", "a_b"})
    has_one_fault(with(std::string(name), "UDP", 1), "spec.ports[0].name", "Tag: portName");
  has_one_fault(with("x", "ICMP", 1), "spec.ports[0].protocol", "TCP, UDP or SCTP");
  has_one_fault(with("x", "TCP", 0), "spec.ports[0].port", "1 to 65535");
}

TEST_CASE("host stages of a policy: what preDNAT and doNotTrack need and refuse") {
  using P = GlobalNetworkPolicy;
  is_valid(policy_with([](P& p) { p.pre_dnat = p.apply_on_forward = true; }));
  is_valid(policy_with([](P& p) {
    p.do_not_track = p.apply_on_forward = true;
    p.egress.push_back(rule());
  }));
  has_one_fault(policy_with([](P& p) { p.pre_dnat = p.do_not_track = p.apply_on_forward = true; }), "spec.preDNAT",
                "preDNAT and doNotTrack cannot both be true");
  has_one_fault(policy_with([](P& p) {
                  p.pre_dnat = p.apply_on_forward = true;
                  p.egress.push_back(rule());
                }),
                "spec.egress", "preDNAT policy cannot have any egress rules");
  has_one_fault(policy_with([](P& p) {
                  p.pre_dnat = p.apply_on_forward = true;
                  p.types = {PolicyType::Egress};
                }),
                "spec.types", "preDNAT policy cannot have 'Egress' type");
  for (const bool pre_dnat : {true, false})
    has_one_fault(policy_with([&](P& p) { (pre_dnat ? p.pre_dnat : p.do_not_track) = true; }), "spec.applyOnForward",
                  "applyOnForward must be true if either preDNAT or doNotTrack is true");
}

TEST_CASE("fields of a policy") {
  using P = GlobalNetworkPolicy;
  has_one_fault(policy_with([](P& p) {
                  p.types = {PolicyType::Ingress, PolicyType::Ingress};
                }),
                "spec.types", "'Ingress' type specified more than once");
  has_one_fault(policy_with([](P& p) { p.tier = "a.b"; }), "spec.tier", "Tag: name");
  has_one_fault(policy_with([](P& p) { p.order = std::numeric_limits<double>::infinity(); }), "spec.order", "finite");
  is_valid(policy_with([](P& p) { p.order = -1.5; }));
  for (const auto member : {&P::selector, &P::namespace_selector, &P::service_account_selector}) {
    const auto faults = validate(policy_with([&](P& p) { p.*member = selector("global()"); }));
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].reason == "global() can only be used in an EntityRule namespaceSelector");
  }
  const auto filler = std::string(1024 - 10, ' ');
  is_valid(policy_with([&](P& p) { p.selector = selector("a == " + filler + "'bcd'"); }));
  has_one_fault(policy_with([&](P& p) { p.selector = selector("a == " + filler + "'bcde'"); }), "spec.selector", "1024");
  is_valid(policy_with([](P& p) { p.performance_hints = {"AssumeNeededOnEveryNode"}; }));
  has_one_fault(policy_with([](P& p) { p.performance_hints = {"Fast"}; }), "spec.performanceHints[0]", "AssumeNeededOnEveryNode");
}

TEST_CASE("ICMP criteria need an ICMP protocol and a type") {
  has_one_fault(ingress_rule([](Rule& r) { r.icmp = Icmp{.type = 8, .code = {}}; }), "spec.ingress[0].icmp",
                "ICMP fields require protocol to be ICMP or ICMPv6");
  has_one_fault(ingress_rule([](Rule& r) { r.icmp = Icmp{.type = 8, .code = {}}; }, "TCP"), "spec.ingress[0].icmp",
                "ICMP fields require protocol to be ICMP or ICMPv6");
  is_valid(ingress_rule([](Rule& r) { r.icmp = Icmp{.type = 8, .code = 0}; }, "ICMP"));
  is_valid(ingress_rule([](Rule& r) { r.icmp = Icmp{.type = 128, .code = {}}; }, "ICMPv6"));
  is_valid(ingress_rule([](Rule& r) { r.not_icmp = Icmp{.type = 8, .code = 0}; }));
  has_one_fault(ingress_rule([](Rule& r) { r.icmp = Icmp{.type = {}, .code = 0}; }, "ICMP"), "spec.ingress[0].icmp.code",
                "ICMP code specified without an ICMP type");
  has_one_fault(ingress_rule([](Rule& r) { r.not_icmp = Icmp{.type = {}, .code = 0}; }), "spec.ingress[0].notICMP.code",
                "ICMP code specified without an ICMP type");
  has_one_fault(ingress_rule([](Rule& r) { r.icmp = Icmp{.type = 255, .code = {}}; }, "ICMP"), "spec.ingress[0].icmp.type", "0 to 254");
}

TEST_CASE("a protocol of one family goes with that family") {
  has_one_fault(ingress_rule([](Rule& r) { r.ip_version = Family::v6; }, "ICMP"), "spec.ingress[0].protocol",
                "protocol ICMP requires ipVersion 4");
  has_one_fault(ingress_rule([](Rule& r) { r.ip_version = Family::v4; }, "ICMPv6"), "spec.ingress[0].protocol",
                "protocol ICMPv6 requires ipVersion 6");
  has_one_fault(ingress_rule([](Rule& r) {
                  r.ip_version = Family::v6;
                  r.not_protocol = protocol_by_name("ICMP");
                }),
                "spec.ingress[0].notProtocol", "protocol ICMP requires ipVersion 4");
  is_valid(ingress_rule([](Rule& r) { r.ip_version = Family::v4; }, "ICMP"));
}

TEST_CASE("ports need a protocol that has ports") {
  const Port number = PortRange{.first = 80, .last = 80};
  const Port named = std::string("http");
  for (const std::string_view protocol : {"TCP", "UDP", "SCTP"})
    is_valid(ingress_rule([&](Rule& r) { r.destination.ports = {number, named}; }, protocol));
  is_valid(ingress_rule([&](Rule& r) { r.destination.ports = {named}; }));
  has_one_fault(ingress_rule([&](Rule& r) {
                  r.destination.ports = {named, number};
                }),
                "spec.ingress[0].destination.ports", "rules with numeric port or port range must set protocol to TCP or UDP or SCTP");
  has_one_fault(ingress_rule([&](Rule& r) { r.source.not_ports = {number}; }), "spec.ingress[0].source.notPorts",
                "rules with numeric port");
  has_one_fault(ingress_rule([&](Rule& r) { r.destination.ports = {named}; }, "ICMP"), "spec.ingress[0].destination.ports",
                "rules that specify ports must set protocol to TCP or UDP or SCTP");
  has_one_fault(ingress_rule([&](Rule& r) { r.destination.ports = {PortRange{.first = 9, .last = 8}}; }, "TCP"),
                "spec.ingress[0].destination.ports[0]", "1 to 65535");
  has_one_fault(ingress_rule([](Rule& r) { r.protocol = Protocol{.number = 0, .as_name = false}; }), "spec.ingress[0].protocol",
                "protocol number invalid");
}

TEST_CASE("the CIDRs of a rule are networks of one family") {
  has_one_fault(ingress_rule([](Rule& r) {
                  r.source.nets = {net("10.0.0.0/8")};
                  r.destination.not_nets = {net("2001:db8::/32")};
                }),
                "spec.ingress[0]", "rule contains both IPv4 and IPv6 CIDRs");
  has_one_fault(ingress_rule([](Rule& r) {
                  r.ip_version = Family::v6;
                  r.source.nets = {net("10.0.0.0/8")};
                }),
                "spec.ingress[0].ipVersion", "rule IP version doesn't match CIDR version");
  is_valid(ingress_rule([](Rule& r) {
    r.ip_version = Family::v4;
    r.source.nets = {net("0.0.0.0/0")};
  }));
  has_one_fault(ingress_rule([](Rule& r) {
                  r.source.nets = {net("10.0.0.0/8"), net("10.0.0.1/8")};
                }),
                "spec.ingress[0].source.nets[1]", "use 10.0.0.0/8");
  for (const std::string_view all : {"0.0.0.0/0", "::/0"})
    has_one_fault(ingress_rule([&](Rule& r) { r.destination.not_nets = {net(all)}; }), "spec.ingress[0].destination.notNets[0]",
                  "catch-all CIDR in negation creates logical contradiction (matches no traffic)");
}

TEST_CASE("global() stands alone and only in a rule's namespaceSelector") {
  is_valid(ingress_rule([](Rule& r) { r.source.namespace_selector = selector("global()"); }));
  has_one_fault(ingress_rule([](Rule& r) { r.source.namespace_selector = selector("global() || has(a)"); }),
                "spec.ingress[0].source.namespaceSelector", "alone");
  has_one_fault(ingress_rule([](Rule& r) { r.source.selector = selector("global()"); }), "spec.ingress[0].source.selector",
                "global() can only be used in an EntityRule namespaceSelector");
  has_one_fault(ingress_rule([](Rule& r) { r.destination.not_selector = selector("!global()"); }),
                "spec.ingress[0].destination.notSelector", "global() can only be used in an EntityRule namespaceSelector");
}

TEST_CASE("an HTTP match is for Allow rules of TCP") {
  const HttpMatch http{.methods = {"GET"}, .paths = {{.exact = "/a", .prefix = {}}}};
  is_valid(ingress_rule([&](Rule& r) { r.http = http; }));
  is_valid(ingress_rule([&](Rule& r) { r.http = http; }, "TCP"));
  has_one_fault(ingress_rule([&](Rule& r) {
                  r.http = http;
                  r.action = Action::Deny;
                }),
                "spec.ingress[0].http", "HTTP match is only valid on Allow rules");
  has_one_fault(ingress_rule([&](Rule& r) { r.http = http; }, "UDP"), "spec.ingress[0].http",
                "rules with HTTP match must have protocol TCP or unset");
  has_one_fault(ingress_rule([&](Rule& r) {
                  r.http = http;
                  r.http->paths.push_back({.exact = "/a", .prefix = "/b"});
                }),
                "spec.ingress[0].http.paths[1]", "one of exact and prefix");
  has_one_fault(ingress_rule([&](Rule& r) {
                  r.http = http;
                  r.http->paths[0].exact = std::string(1025, '/');
                }),
                "spec.ingress[0].http.paths[0]", "1024");
  has_one_fault(ingress_rule([&](Rule& r) {
                  r.http = http;
                  r.http->methods.assign(21, "GET");
                }),
                "spec.ingress[0].http.methods", "at most 20");
}

TEST_CASE("services stand alone, with a name and a namespace, where the peer is") {
  const ServiceRef service{.name = "s", .namespace_name = "n"};
  is_valid(egress_rule([&](Rule& r) { r.destination.services = service; }));
  is_valid(ingress_rule([&](Rule& r) { r.source.services = service; }));
  has_one_fault(ingress_rule([&](Rule& r) { r.destination.services = service; }), "spec.ingress[0].destination.services",
                "not allowed in ingress rule destination");
  has_one_fault(egress_rule([&](Rule& r) { r.source.services = service; }), "spec.egress[0].source.services",
                "not allowed in egress rule source");
  has_one_fault(egress_rule([&](Rule& r) { r.destination.services = {.name = "", .namespace_name = "n"}; }),
                "spec.egress[0].destination.services.name", "services must specify a service name");
  has_one_fault(egress_rule([&](Rule& r) { r.destination.services = {.name = "s", .namespace_name = ""}; }),
                "spec.egress[0].destination.services.namespace", "namespace");
  has_one_fault(egress_rule([&](Rule& r) {
                  r.destination.services = service;
                  r.destination.ports = {std::string("http")};
                }),
                "spec.egress[0].destination.services", "ports and notPorts cannot be specified with services");
  const std::vector<std::pair<std::string, std::function<void(EntityRule&)>>> beside = {
      {"Selector", [](EntityRule& e) { e.selector = selector("has(a)"); }},
      {"NotSelector", [](EntityRule& e) { e.not_selector = selector("has(a)"); }},
      {"NamespaceSelector", [](EntityRule& e) { e.namespace_selector = selector("has(a)"); }},
      {"Nets", [](EntityRule& e) { e.nets = {net("10.0.0.0/8")}; }},
      {"NotNets", [](EntityRule& e) { e.not_nets = {net("10.0.0.0/8")}; }},
      {"ServiceAccounts", [](EntityRule& e) { e.service_accounts = ServiceAccounts{.names = {"a"}, .selector = {}}; }},
  };
  for (const auto& [what, change] : beside)
    has_one_fault(egress_rule([&](Rule& r) {
                    r.destination.services = service;
                    change(r.destination);
                  }),
                  "spec.egress[0].destination.services", "cannot specify " + what + " and Services on the same rule");
}

TEST_CASE("service accounts have names and a selector that can be read") {
  has_one_fault(ingress_rule([](Rule& r) {
                  r.source.service_accounts = ServiceAccounts{.names = {"ok", "Bad"}, .selector = {}};
                }),
                "spec.ingress[0].source.serviceAccounts.names[1]", "service account");
  has_one_fault(ingress_rule([](Rule& r) { r.source.service_accounts = ServiceAccounts{.names = {}, .selector = "a = b"}; }),
                "spec.ingress[0].source.serviceAccounts.selector", "expected ==");
}

TEST_CASE("lists of rules, nets and ports are bounded") {
  is_valid(policy_with([](GlobalNetworkPolicy& p) { p.ingress.assign(1024, rule()); }));
  has_one_fault(policy_with([](GlobalNetworkPolicy& p) { p.egress.assign(1025, rule()); }), "spec.egress", "at most 1024");
  is_valid(ingress_rule([](Rule& r) { r.source.nets.assign(256, net("10.0.0.0/8")); }));
  has_one_fault(ingress_rule([](Rule& r) { r.source.nets.assign(257, net("10.0.0.0/8")); }), "spec.ingress[0].source.nets", "at most 256");
  has_one_fault(ingress_rule([](Rule& r) { r.source.ports.assign(51, PortRange{.first = 1, .last = 1}); }, "TCP"),
                "spec.ingress[0].source.ports", "at most 50");
}

TEST_CASE("a profile's rules and labels are checked as a policy's") {
  Profile profile;
  profile.egress.push_back(rule("TCP"));
  profile.egress[0].icmp = Icmp{.type = 1, .code = {}};
  has_one_fault(object("p", profile), "spec.egress[0].icmp", "ICMP fields require protocol");
  profile = {};
  profile.labels_to_apply = {{"a b", "c"}};
  has_one_fault(object("p", profile), "spec.labelsToApply.a b", "Tag: labelKey");
}

TEST_CASE("order and default action of built-in tiers are fixed") {
  for (const auto& tier : built_in_tiers()) is_valid(tier);
  has_one_fault(object("default", Tier{.order = 5, .default_action = TierAction::Deny}), "spec.order",
                "default tier order must be 1000000");
  has_one_fault(object("default", Tier{.order = 1e6, .default_action = TierAction::Pass}), "spec.defaultAction",
                "The 'default' tier must have default action 'Deny'");
  has_one_fault(object("kube-admin", Tier{.order = 1000, .default_action = {}}), "spec.defaultAction",
                "The 'kube-admin' tier must have default action 'Pass'");
  has_one_fault(object("kube-baseline", Tier{.order = {}, .default_action = TierAction::Pass}), "spec.order",
                "kube-baseline tier order must be 10000000");
  is_valid(object("mine", Tier{}));
  is_valid(object("mine", Tier{.order = 5, .default_action = TierAction::Pass}));
}

TEST_CASE("templates of automatic host endpoints") {
  KubeControllersConfiguration config = default_kube_controllers_configuration();
  is_valid(object("default", config));
  auto& templates = config.node->host_endpoint->templates;
  const AutoHostEndpointTemplate good{.generate_name = "g",
                                      .interface_cidrs = {net("10.0.0.0/8")},
                                      .interface_pattern = "eth.*",
                                      .node_selector = selector("has(a)"),
                                      .labels = {{"a", "b"}},
                                      .annotations = {}};
  const std::string at = "spec.controllers.node.hostEndpoint.templates[0].";
  const auto with = [&](const std::function<void(AutoHostEndpointTemplate&)>& change) {
    templates = {good};
    change(templates[0]);
    return object("default", config);
  };
  is_valid(with([](auto&) {}));
  has_one_fault(with([](auto& t) { t.generate_name = ""; }), at + "generateName", "must be specified");
  has_one_fault(with([](auto& t) { t.generate_name = "A"; }), at + "generateName", "Tag: name");
  has_one_fault(with([](auto& t) {
                  t.interface_cidrs = {};
                  t.interface_pattern = {};
                }),
                at + "interfaceCIDRs", "at least one of interfaceCIDRs and interfacePattern");
  has_one_fault(with([](auto& t) { t.interface_pattern = "eth["; }), at + "interfacePattern", "not a regular expression");
  has_one_fault(with([](auto& t) { t.interface_pattern = std::string(257, 'a'); }), at + "interfacePattern", "at most 256");
  has_one_fault(with([](auto& t) { t.interface_pattern = std::string(100, '(') + std::string(100, ')'); }), at + "interfacePattern",
                "at most 32 groups");
  has_one_fault(with([](auto& t) { t.interface_pattern = "(((a{9999}){9999}){9999}){9999}"; }), at + "interfacePattern",
                "not a regular expression");
  has_one_fault(with([](auto& t) { t.labels = {{"k", "a b"}}; }), at + "labels.k", "Tag: labelValue");
  templates = {good, good};
  has_one_fault(object("default", config), "spec.controllers.node.hostEndpoint.templates[1].generateName", "unique");
}

TEST_CASE("choices and ports of KubeControllersConfiguration") {
  using Kcc = KubeControllersConfiguration;
  const auto with = [](const std::function<void(Kcc&)>& change) {
    auto config = default_kube_controllers_configuration();
    change(config);
    return object("default", config);
  };
  for (const char* level : {"None", "Debug", "Info", "Warning", "Error", "Fatal", "Panic"})
    is_valid(with([&](Kcc& c) { c.log_severity_screen = level; }));
  has_one_fault(with([](Kcc& c) { c.log_severity_screen = "info"; }), "spec.logSeverityScreen", "wants one of None, Debug");
  has_one_fault(with([](Kcc& c) { c.prometheus_metrics_port = 65536; }), "spec.prometheusMetricsPort", "65535");
  has_one_fault(with([](Kcc& c) { c.debug_profile_port = -1; }), "spec.debugProfilePort", "65535");
  has_one_fault(with([](Kcc& c) { c.load_balancer_assign_ips = "Some"; }), "spec.controllers.loadBalancer.assignIPs", "AllServices");
  has_one_fault(with([](Kcc& c) { c.policy_name_migrator = "on"; }), "spec.controllers.migration.policyNameMigrator", "Enabled");
}

TEST_CASE("fields of FelixConfiguration that touch hosts") {
  using Felix = FelixConfiguration;
  const auto with = [](const std::function<void(Felix&)>& change) {
    Felix config;
    change(config);
    return object("default", config);
  };
  is_valid(with([](Felix& f) {
    f.interface_prefix = {"cali", "tap"};
    f.interface_exclude = {"kube-ipvs0", "/^veth[0-9]+/"};
  }));
  has_one_fault(with([](Felix& f) { f.interface_prefix = {"cali*"}; }), "spec.interfacePrefix", "Tag: interface");
  has_one_fault(with([](Felix& f) { f.interface_exclude = {"/veth[/"}; }), "spec.interfaceExclude", "not a regular expression");
  has_one_fault(with([](Felix& f) { f.failsafe_inbound = {{.protocol = protocol_by_name("SCTP").value(), .port = 1, .net = {}}}; }),
                "spec.failsafeInboundHostPorts[0].protocol", "TCP or UDP");
  has_one_fault(with([](Felix& f) { f.failsafe_outbound = {FailsafePort{}}; }), "spec.failsafeOutboundHostPorts[0].protocol", "TCP or UDP");
  is_valid(with([](Felix& f) {
    f.failsafe_inbound.emplace();
    f.failsafe_outbound = {{.protocol = protocol_by_name("UDP").value(), .port = 0, .net = {}}};
  }));
  has_one_fault(with([](Felix& f) { f.bpf_map_size_conntrack = 0; }), "spec.bpfMapSizeConntrack", "wants 1 to");
  has_one_fault(with([](Felix& f) { f.log_severity_screen = "Loud"; }), "spec.logSeverityScreen", "Info");
}

TEST_CASE("addresses of a node have their family") {
  Node node;
  node.bgp_ipv4 = "10.0.0.5/24";
  node.bgp_ipv6 = "2001:db8::5/64";
  node.vxlan_tunnel_v4 = "192.168.7.0";
  node.addresses = {{.address = "host.example", .type = "Hostname"}};
  node.interfaces = {{.name = "eth0", .addresses = {}}};
  is_valid(object("n1", node));
  node.bgp_ipv4 = "2001:db8::5/64";
  has_one_fault(object("n1", node), "spec.bgp.ipv4Address", "wants an IPv4 address");
  node.bgp_ipv4.clear();
  node.wireguard_v6 = "10.0.0.1";
  has_one_fault(object("n1", node), "spec.wireguard.interfaceIPv6Address", "wants an IPv6 address");
  node.wireguard_v6.clear();
  node.interfaces[0].name = "";
  has_one_fault(object("n1", node), "spec.interfaces[0].name", "Tag: interface");
}

TEST_CASE("ingress hooks name an interface or the beginning of one") {
  for (const std::string_view name : {"eth0", "eth*", "*"})
    is_valid(object("default", NodewallConfiguration{.established_flows = {},
                                                     .ingress_hooks = {{.interface = std::string(name), .hook = IngressHook::Xdp}}}));
  for (const std::string_view name : {"", "e*h", "a b", "**"})
    has_one_fault(object("default", NodewallConfiguration{.established_flows = {},
                                                          .ingress_hooks = {{.interface = std::string(name), .hook = IngressHook::Tc}}}),
                  "spec.ingressHooks[0].interface", "trailing '*'");
}

TEST_CASE("all faults of an object are found at once") {
  auto resource = policy_with([](GlobalNetworkPolicy& p) {
    p.pre_dnat = true;
    p.ingress = {rule(), rule("TCP")};
    p.ingress[0].icmp = Icmp{};
    p.ingress[1].source.nets = {net("10.0.0.1/8")};
    p.egress = {rule()};
  });
  resource.metadata.name = "Bad";
  resource.metadata.labels = {{"k", "a b"}};
  std::vector<std::string> fields;
  for (const auto& fault : validate(resource)) fields.push_back(fault.field);
  std::ranges::sort(fields);
  CHECK(fields == std::vector<std::string>{"metadata.labels.k", "metadata.name", "spec.applyOnForward", "spec.egress",
                                           "spec.ingress[0].icmp", "spec.ingress[1].source.nets[0]"});
}
