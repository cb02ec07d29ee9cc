#include "config/encode.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "model/validate.h"
#include "support.h"

using namespace nodewall;
using namespace nodewall::config;
namespace m = nodewall::model;

namespace {

// Makes valid resources of every kind out of a seed.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  m::Resource resource(m::Kind kind) {
    m::Resource out;
    out.metadata.name = one_of({"a", "n1-auto-hep", "x9"});
    if (chance()) out.metadata.labels = labels();
    if (chance()) out.metadata.annotations = {{"note", text()}, {"example.com/b", text()}};
    if (chance()) out.metadata.resource_version = std::to_string(below(1'000'000));
    if (chance()) out.metadata.creation_timestamp = "2026-01-02T03:04:05Z";
    if (chance()) out.metadata.uid = one_of({"5f9a1b2c", "0", "1e3", "null"});
    switch (kind) {
      case m::Kind::HostEndpoint:
        out.spec = endpoint();
        break;
      case m::Kind::GlobalNetworkPolicy:
        out.spec = policy();
        break;
      case m::Kind::GlobalNetworkSet:
        out.spec = m::GlobalNetworkSet{.nets = nets(chance(), false)};
        break;
      case m::Kind::Profile:
        out.spec = profile();
        break;
      case m::Kind::Tier:
        out.spec = tier();
        break;
      case m::Kind::KubeControllersConfiguration:
        out.spec = controllers();
        break;
      case m::Kind::FelixConfiguration:
        out.spec = felix();
        break;
      case m::Kind::Node:
        out.spec = node();
        break;
      case m::Kind::NodewallConfiguration:
        out.spec = nodewall();
        break;
      case m::Kind::StagedGlobalNetworkPolicy:
        out.spec = staged();
        break;
    }
    if (kind == m::Kind::KubeControllersConfiguration || kind == m::Kind::NodewallConfiguration) out.metadata.name = "default";
    return out;
  }

 private:
  std::size_t below(std::size_t most) { return random_() % most; }
  bool chance() { return below(2) == 0; }
  std::string one_of(std::vector<std::string> choices) { return choices[below(choices.size())]; }

  std::string text() {
    return one_of({"",
                   "plain",
                   "yes",
                   "~",
                   "80",
                   "1e3",
                   "22:30",
                   "1000:2000",
                   "2026-01-02",
                   "a: b",
                   "a #b",
                   "#b",
                   "- a",
                   "'q'",
                   "\"d\"",
                   "it's",
                   " lead",
                   "trail ",
                   "a\nb\n",
                   "tab\there",
                   "back\\slash",
                   "\x01\x7f",
                   "\xC2\x85",
                   "\xE2\x80\xA8",
                   "\xEF\xBB\xBF",
                   "\xF0\x9F\x98\x80\n",
                   "{a}",
                   "[b",
                   "*x",
                   "&x",
                   "!x",
                   "%x",
                   "@x",
                   "`x",
                   "key:",
                   "::1",
                   "fe80::",
                   ":x",
                   "?x",
                   "-x",
                   "---",
                   "...",
                   "<<",
                   "=",
                   "0x1f",
                   "0o7",
                   "+.inf",
                   ".5",
                   "null"});
  }
  m::Labels labels() { return {{"role", one_of({"db", "", "true", "1", "1.5", "0x1F", "off"})}, {"kubernetes.io/hostname", "n1"}}; }
  Cidr net(bool v4, bool masked) {
    Cidr cidr;
    if (v4) {
      cidr = {.address = Address::v4(static_cast<std::uint32_t>(random_())), .prefix = static_cast<std::uint8_t>(below(33))};
    } else {
      for (auto& byte : cidr.address.bytes) byte = chance() ? static_cast<std::uint8_t>(random_()) : 0;
      cidr.address.bytes[0] = 0x20;
      cidr.prefix = static_cast<std::uint8_t>(below(129));
    }
    return masked ? cidr.masked() : cidr;
  }
  std::vector<Cidr> nets(bool v4, bool masked) {
    std::vector<Cidr> out;
    for (std::size_t i = below(4); i > 0; --i) out.push_back(net(v4, masked));
    return out;
  }
  Address address() { return net(chance(), false).address; }
  std::optional<m::Selector> selector() {
    if (chance()) return std::nullopt;
    return m::Selector::parse(one_of({"has(a)", "a=='b'", "a in {'x',\"y\"} || !has(c)", "all()", "a == 'it\"s: #x'"})).value();
  }
  std::optional<m::Duration> duration() {
    if (chance()) return std::nullopt;
    return m::Duration(static_cast<std::int64_t>(random_() >> (1 + below(62))));
  }
  std::optional<bool> maybe() { return chance() ? std::optional(chance()) : std::nullopt; }
  std::vector<m::Port> ports() {
    std::vector<m::Port> out;
    for (std::size_t i = below(4); i > 0; --i) {
      const auto first = static_cast<std::uint16_t>(1 + below(65535));
      if (chance())
        out.emplace_back(m::PortRange{.first = first, .last = static_cast<std::uint16_t>(first + below(65536U - first))});
      else
        out.emplace_back(one_of({"http", "a.b_C-d", "on", "1x"}));
    }
    return out;
  }
  m::EntityRule entity(bool v4, bool with_ports) {
    m::EntityRule out;
    out.nets = nets(v4, true);
    for (const auto& each : nets(v4, true))
      if (each.prefix > 0) out.not_nets.push_back(each);
    out.selector = selector();
    out.not_selector = selector();
    if (chance()) out.namespace_selector = m::Selector::parse("global()").value();
    if (chance()) out.service_accounts = m::ServiceAccounts{.names = {"sa"}, .selector = "has(x)"};
    if (with_ports) out.ports = ports();
    if (with_ports) out.not_ports = ports();
    return out;
  }
  m::Rule rule(bool is_ingress) {
    m::Rule out;
    out.action = static_cast<m::Action>(below(4));
    const bool v4 = chance();
    const auto protocol = below(4);
    if (protocol == 0) out.protocol = m::protocol_by_name(one_of({"TCP", "UDP", "SCTP"}));
    if (protocol == 1) out.protocol = m::Protocol{.number = static_cast<std::uint8_t>(v4 ? 1 : 58), .as_name = chance()};
    if (protocol == 1) out.icmp = m::Icmp{.type = static_cast<std::uint8_t>(below(255)), .code = 0};
    if (protocol == 2) out.not_protocol = m::Protocol{.number = 47, .as_name = false};
    if (protocol == 3) out.not_icmp = m::Icmp{.type = 3, .code = {}};
    if (chance()) out.ip_version = v4 ? Family::v4 : Family::v6;
    out.source = entity(v4, protocol == 0);
    if (chance()) out.destination = entity(v4, protocol == 0);
    if (!is_ingress && chance()) {
      out.destination = {};
      out.destination.services = m::ServiceRef{.name = "s", .namespace_name = "n"};
    }
    if (out.action == m::Action::Allow && protocol > 1 && chance())
      out.http = m::HttpMatch{.methods = {"GET"}, .paths = {{.exact = "/a", .prefix = {}}, {.exact = {}, .prefix = "/b"}}};
    if (chance()) out.annotations = {{"why", text()}};
    return out;
  }
  std::vector<m::Rule> rules(bool is_ingress) {
    std::vector<m::Rule> out;
    for (std::size_t i = below(4); i > 0; --i) out.push_back(rule(is_ingress));
    return out;
  }
  std::optional<double> order() {
    if (chance()) return std::nullopt;
    const double choices[] = {0, -1, 10.5, 1e6, 1e20, 0.1, -2.5e-7, 1.7976931348623157e308};
    return choices[below(std::size(choices))];
  }

  m::HostEndpoint endpoint() {
    m::HostEndpoint out;
    out.node = one_of({"n1", "1e3", "0x1f", "a.b"});
    out.interface_name = one_of({"*", "eth0", "1e3", "br-0", "-"});
    if (chance()) out.expected_ips = {address(), Address::v4(0x0a000001)};
    if (chance()) out.profiles = {"projectcalico-default-allow", "null"};
    if (chance())
      out.ports = {{.name = "http", .protocol = *m::protocol_by_name("TCP"), .port = static_cast<std::uint16_t>(1 + below(65535))}};
    return out;
  }
  m::GlobalNetworkPolicy policy() {
    m::GlobalNetworkPolicy out;
    if (chance()) out.tier = one_of({"default", "on", "1e3"});
    out.order = order();
    out.selector = selector();
    out.namespace_selector = selector();
    out.service_account_selector = selector();
    if (chance()) out.types = {m::PolicyType::Egress, m::PolicyType::Ingress};
    out.ingress = rules(true);
    out.egress = rules(false);
    out.do_not_track = out.apply_on_forward = chance();
    if (chance()) out.performance_hints = {"AssumeNeededOnEveryNode"};
    return out;
  }
  m::Profile profile() { return {.ingress = rules(true), .egress = rules(false), .labels_to_apply = chance() ? labels() : m::Labels{}}; }
  m::Tier tier() { return {.order = order(), .default_action = chance() ? std::optional(m::TierAction::Pass) : std::nullopt}; }
  m::KubeControllersConfiguration controllers() {
    m::KubeControllersConfiguration out;
    if (chance()) out = m::default_kube_controllers_configuration();
    out.health_checks = maybe();
    out.etcd_v3_compaction_period = duration();
    if (chance()) out.prometheus_metrics_port = static_cast<std::int64_t>(below(65536));
    if (chance()) out.workload_endpoint = m::SimpleController{.reconciler_period = duration()};
    if (chance()) out.service_account.reset();
    if (out.node) {
      out.node->sync_labels = maybe();
      out.node->leak_grace_period = duration();
      out.node->host_endpoint->auto_create = maybe();
      if (chance())
        out.node->host_endpoint->templates = {{.generate_name = "g",
                                               .interface_cidrs = nets(chance(), false),
                                               .interface_pattern = "^eth[0-9]+$",
                                               .node_selector = selector(),
                                               .labels = labels(),
                                               .annotations = {{"a", text()}}}};
      if (chance()) out.node->host_endpoint.reset();
    }
    if (chance()) out.status_environment = {{"DATASTORE_TYPE", "kubernetes"}, {"X", text()}};
    if (chance()) out.running_config = std::make_shared<m::KubeControllersConfiguration>(m::default_kube_controllers_configuration());
    return out;
  }
  m::StagedGlobalNetworkPolicy staged() {
    m::StagedGlobalNetworkPolicy out;
    if (chance()) out.action = static_cast<m::StagedAction>(below(4));
    if (out.action != m::StagedAction::Delete) out.policy = policy();
    else if (chance()) out.policy.tier = "t";
    return out;
  }
  m::FelixConfiguration felix() {
    m::FelixConfiguration out;
    if (chance()) out.interface_prefix = {"cali", "tap"};
    if (chance()) out.interface_exclude = chance() ? std::vector<std::string>{} : std::vector<std::string>{"kube-ipvs0", "/^veth/"};
    out.interface_refresh_interval = duration();
    out.ipv6_support = maybe();
    if (chance()) out.failsafe_inbound = m::default_failsafe_inbound();
    if (chance()) out.failsafe_outbound.emplace();
    if (out.failsafe_inbound && chance()) out.failsafe_inbound->front().net = net(chance(), false);
    if (chance()) out.bpf_map_size_conntrack = 1 + static_cast<std::int64_t>(below(1'000'000));
    if (chance()) out.bpf_conntrack_timeouts.emplace().tcp_syn_sent = m::Timeout{.value = duration()};
    if (chance()) out.log_severity_screen = "Info";
    if (chance()) out.kube_node_port_ranges = {{30000, 32767}, {80, 80}};
    if (chance()) out.log_action_rate_limit = one_of({"10/second", "1/day"});
    if (chance()) out.log_action_rate_limit_burst = static_cast<std::int64_t>(below(10'000));
    if (chance()) out.untyped = {{"bpfEnabled", "true"}, {"routeTableRanges", R"([{"max":250,"min":1}])"}, {"logPrefix", "\"80\""}};
    return out;
  }
  m::Node node() {
    m::Node out;
    if (chance()) out.bgp_ipv4 = to_string(net(true, false));
    if (chance()) out.bgp_ipv6 = to_string(net(false, false));
    if (chance()) out.vxlan_tunnel_v6 = "fd00::";
    if (chance()) out.wireguard_v4 = "10.0.0.1";
    if (chance()) out.bgp_as_number = one_of({"64512", "1.10", "65000.1"});
    if (chance()) out.addresses = {{.address = to_string(address()), .type = "InternalIP"}, {.address = "1e3", .type = ""}};
    if (chance()) out.interfaces = {{.name = "eth0", .addresses = {address()}}};
    return out;
  }
  m::NodewallConfiguration nodewall() {
    m::NodewallConfiguration out;
    if (chance()) out.established_flows = m::EstablishedFlows::Keep;
    if (chance())
      out.ingress_hooks = {{.interface = "eth*", .hook = m::IngressHook::Xdp}, {.interface = "*", .hook = m::IngressHook::Auto}};
    if (chance()) out.service_addresses = nets(chance(), false);
    return out;
  }

  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("objects with every field are printed as they were written") {
  auto text = manifest("every-field.yaml");
  const auto decoded = decode(text, "every-field.yaml");
  INFO(described(decoded));
  REQUIRE(decoded.ok());
  REQUIRE(decoded.resources.size() == std::size(m::kAllKinds));
  std::string printed;
  for (const auto& each : decoded.resources) printed += (printed.empty() ? "" : "---\n") + to_yaml(encode(each.resource));
  text.erase(0, text.find("apiVersion"));
  CHECK(printed == text);
}

TEST_CASE("what is encoded decodes to the same object, as YAML and as JSON") {
  for (std::uint64_t seed = 0; seed < 300; ++seed)
    for (const auto kind : m::kAllKinds) {
      const auto resource = Maker(seed * 16 + static_cast<std::uint64_t>(kind)).resource(kind);
      const auto json = encode(resource);
      const auto yaml = to_yaml(json);
      INFO(yaml);
      REQUIRE(m::validate(resource).empty());
      REQUIRE(only(yaml) == resource);
      REQUIRE(only(json.dump(1)) == resource);
      REQUIRE(encode(only(yaml)) == json);
    }
}

TEST_CASE("absent and empty are kept apart where they differ") {
  const auto felix = only(object_text("FelixConfiguration", "default", "  failsafeInboundHostPorts: []\n"));
  CHECK(encode(felix)["spec"].dump() == R"({"failsafeInboundHostPorts":[]})");
  const auto kcc = only(object_text("KubeControllersConfiguration", "default", "  controllers:\n    node: {}\n    policy: null\n"));
  CHECK(encode(kcc)["spec"].dump() == R"({"controllers":{"node":{}}})");
  CHECK(encode(only(object_text("Tier", "t", "  order: null\n")))["spec"].dump() == "{}");
}

TEST_CASE("ports, protocols and orders are printed in calicoctl's forms") {
  const auto resource = only(rule_text("      protocol: \"6\"\n      destination:\n        ports: [\"80\", \"90:90\", \"1:2\", x]\n") +
                             "  order: 1000000.0\n");
  const auto spec = encode(resource)["spec"];
  CHECK(spec["ingress"][0]["protocol"] == 6);
  CHECK(spec["ingress"][0]["destination"]["ports"].dump() == R"([80,90,"1:2","x"])");
  CHECK(spec["order"].dump() == "1000000");
  CHECK(spec["ingress"][0]["source"].dump() == "{}");
}

TEST_CASE("a selector is printed as it was written") {
  CHECK(encode(only(object_text("GlobalNetworkPolicy", "p", "  selector: a=='b'\n")))["spec"]["selector"] == "a=='b'");
}

TEST_CASE("YAML text: quotes only where another reader would see something else") {
  const std::vector<std::pair<std::string, std::string>> cases = {{"plain", "plain"},
                                                                  {"10.0.0.0/8", "10.0.0.0/8"},
                                                                  {"2001:db8::1", "2001:db8::1"},
                                                                  {"5m0s", "5m0s"},
                                                                  {"", "\"\""},
                                                                  {"*", "'*'"},
                                                                  {"true", "\"true\""},
                                                                  {"yes", "\"yes\""},
                                                                  {"80", "\"80\""},
                                                                  {"1e3", "\"1e3\""},
                                                                  {"22:30", "\"22:30\""},
                                                                  {"1000:2000", "1000:2000"},
                                                                  {"a: b", "'a: b'"},
                                                                  {"it's", "it's"},
                                                                  {"'x'", "'''x'''"},
                                                                  {"a\nb", "\"a\\nb\""},
                                                                  {"\x1b", "\"\\x1B\""},
                                                                  {"null", "\"null\""},
                                                                  {"x:", "'x:'"},
                                                                  {"\xff", "\"\xEF\xBF\xBD\""},
                                                                  {"\xC2\x85", "\"\\x85\""},
                                                                  {"say \"hi\"\n", "\"say \\\"hi\\\"\\n\""},
                                                                  {"-", "'-'"},
                                                                  {"-x", "-x"}};
  for (const auto& [value, wanted] : cases) {
    INFO(value);
    CHECK(to_yaml(nlohmann::json(value)) == wanted + "\n");
  }
}

TEST_CASE("YAML text: lists at their key's column, empty ones inline") {
  const auto json = nlohmann::json::parse(R"({"b":[1,[2,3],{"x":1,"y":[]}],"a":{"c":null,"d":{}}})");
  CHECK(to_yaml(json) == "a:\n  c: null\n  d: {}\nb:\n- 1\n- - 2\n  - 3\n- x: 1\n  \"y\": []\n");
}
