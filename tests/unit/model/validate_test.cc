#include "model/validate.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support.h"

using namespace nodewall;
using namespace nodewall::model;

TEST_CASE("T-X10: names are DNS subdomains, with narrower forms for some kinds") {
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

TEST_CASE("T-X10: a host endpoint needs a node and an interface, which is a name and no path, or an address") {
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
  has_one_fault(with([](auto& t) { t.interface_pattern = "eth["; }), at + "interfacePattern", "not a regular expression: at character 4");
  // Compiled and matched by recursion, either would take the process down or for ever.
  is_valid(with([](auto& t) { t.interface_pattern = "((a+)+)+$"; }));
  has_one_fault(with([](auto& t) { t.interface_pattern = std::string(257, 'a'); }), at + "interfacePattern", "at most 256");
  has_one_fault(with([](auto& t) { t.interface_pattern = std::string(100, '(') + std::string(100, ')'); }), at + "interfacePattern",
                "more than 16 groups");
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
  has_one_fault(with([](Felix& f) { f.interface_exclude = {"/veth[/"}; }), "spec.interfaceExclude", "not a regular expression: at character 5");
  has_one_fault(with([](Felix& f) { f.interface_exclude = {"/(a)\\1/"}; }), "spec.interfaceExclude", "not a regular expression: at character 4");
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
