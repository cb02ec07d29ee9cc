#include "config/decode.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "support.h"

using namespace nodewall;
using namespace nodewall::config;

namespace {

// The text has exactly these faults, in this order: "line:column: words", where the words begin the message or are in it.
void has_faults(std::string_view text, const std::vector<std::pair<std::string, std::string>>& wanted) {
  const auto decoded = decode(text, "f.yaml");
  INFO(described(decoded));
  REQUIRE(decoded.diagnostics.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto printed = to_string(decoded.diagnostics[i]);
    INFO(wanted[i].first << " " << wanted[i].second);
    CHECK(printed.starts_with("f.yaml:" + wanted[i].first + ": "));
    CHECK(printed.find(wanted[i].second) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("the page's manifests are accepted, with status and creationTimestamp: null") {
  const auto policy = only(manifest("allow-all-heps.yaml"));
  CHECK(policy.id() == model::ResourceId{.kind = model::Kind::GlobalNetworkPolicy, .name = "allow-all-heps"});
  const auto& spec = std::get<model::GlobalNetworkPolicy>(policy.spec);
  CHECK(spec.ingress.size() == 1);
  CHECK(spec.egress.size() == 1);
  CHECK(spec.selector->canonical() == "has(kubernetes.io/hostname)");

  const auto kcc = only(manifest("kcc-running.yaml"));
  CHECK(kcc.metadata.creation_timestamp.empty());
  const auto& config = std::get<model::KubeControllersConfiguration>(kcc.spec);
  CHECK(config.node->sync_labels == true);
  CHECK(config.status_environment.at("ENABLED_CONTROLLERS") == "node");
  REQUIRE(config.running_config);
  CHECK(config.running_config->node->host_endpoint->auto_create == false);
}

TEST_CASE("the page's mis-indented configuration is refused with its place and what is wrong") {
  const auto decoded = decode(manifest("kcc-misindented.yaml"), "kcc.yaml");
  CHECK(decoded.resources.empty());
  REQUIRE(decoded.diagnostics.size() == 1);
  CHECK(to_string(decoded.diagnostics[0]) ==
        "kcc.yaml:13:21: mapping values are not allowed here; is the line above (\"syncLabels: Enabled\") meant to have fields? check the "
        "indentation");
  CHECK(decoded.diagnostics[0].object == "KubeControllersConfiguration(default)");
}

TEST_CASE("autoCreate is Enabled or Disabled, not a truth value") {
  const auto with = [](std::string_view value) {
    return object_text("KubeControllersConfiguration", "default",
                       "  controllers:\n    node:\n      hostEndpoint:\n        autoCreate: " + std::string(value) + "\n");
  };
  has_faults(with("true"), {{"9:21", "spec.controllers.node.hostEndpoint.autoCreate: use Enabled or Disabled, not true"}});
  has_faults(with("enabled"), {{"9:21", "use Enabled or Disabled, not \"enabled\""}});
  const auto resource = only(with("Enabled"));
  CHECK(std::get<model::KubeControllersConfiguration>(resource.spec).node->host_endpoint->auto_create == true);
}

TEST_CASE("all faults of a document are reported at once, in order of appearance") {
  has_faults(
      "apiVersion: projectcalico.org/v3\n"
      "kind: HostEndpoint\n"
      "metadata:\n"
      "  name: Eth0\n"
      "  namespace: x\n"
      "  label: {}\n"
      "spec:\n"
      "  nodes: n1\n"
      "  interfaceName: eth0/1\n"
      "  expectedIPs: [10.0.0.1, 10.0.0.300]\n"
      "  profiles: [a, a]\n"
      "  ports:\n"
      "  - name: HTTP\n"
      "    protocol: tcp\n"
      "    port: 80\n",
      {{"4:9", "error with field metadata.name = 'Eth0' (Reason: failed to validate Field: name because of Tag: name"},
       {"5:14", "metadata.namespace: must not be given: this kind is cluster-scoped"},
       {"6:3", "unknown field \"label\"; did you mean \"labels\"?"},
       {"7:1", "error with field spec.node = '' (node must be specified)"},
       {"8:3", "spec.nodes: unknown field \"nodes\"; did you mean \"node\"?"},
       {"9:18", "because of Tag: interface"},
       {"10:27", "spec.expectedIPs[1]: '10.0.0.300' is not an IP address"},
       {"11:17", "error with field spec.profiles[1] = 'a' (given more than once)"},
       {"13:11", "because of Tag: portName"},
       {"14:15", "spec.ports[0].protocol: protocol name invalid"}});
}

TEST_CASE("a fault of one rule hides none of another, and makes no faults of its own") {
  has_faults(object_text("GlobalNetworkPolicy", "p",
                         "  ingress:\n"
                         "  - action: Allow\n"
                         "    protocol: tcp\n"
                         "    destination:\n"
                         "      ports: [80]\n"
                         "  - action: Deny\n"
                         "    destination:\n"
                         "      ports: [80]\n"
                         "  - protocol: TCP\n"),
             {{"8:15", "spec.ingress[0].protocol: protocol name invalid: wants one of TCP"},
              {"13:14", "rules with numeric port or port range must set protocol to TCP or UDP or SCTP"},
              {"14:5", "spec.ingress[2].action: action must be specified"}});
}

TEST_CASE("an unknown field is an error with a hint or the fields there are") {
  has_faults(object_text("GlobalNetworkSet", "s", "  net: [10.0.0.0/8]\n"), {{"6:3", "unknown field \"net\"; did you mean \"nets\"?"}});
  has_faults(object_text("GlobalNetworkSet", "s", "  something: 1\n"), {{"6:3", "unknown field \"something\"; expected one of nets"}});
  has_faults(rule_text("      Protocol: TCP\n"), {{"8:7", "did you mean \"protocol\"?"}});
  has_faults(object_text("FelixConfiguration", "default", "  bpfEnable: true\n"), {{"6:3", "unknown field \"bpfEnable\""}});
  has_faults("apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata:\n  name: t\nspecs: {}\n", {{"5:1", "did you mean \"spec\"?"}});
}

TEST_CASE("fields of Calico that have no effect on hosts are accepted and kept") {
  const auto resource =
      only(object_text("FelixConfiguration", "default",
                       "  bpfEnabled: true\n  logPrefix: \"80\"\n  routeTableRanges:\n  - {min: 1, max: 9}\n  bpfLogLevel: null\n"));
  const auto& felix = std::get<model::FelixConfiguration>(resource.spec);
  CHECK(felix.untyped == std::map<std::string, std::string>{
                             {"bpfEnabled", "true"}, {"logPrefix", "\"80\""}, {"routeTableRanges", R"([{"max":9,"min":1}])"}});
}

TEST_CASE("a staged policy is a policy with an action") {
  const auto resource = only(object_text("StagedGlobalNetworkPolicy", "p",
                                         "  tier: default\n  stagedAction: Learn\n  preDNAT: true\n  applyOnForward: true\n"
                                         "  ingress:\n  - {action: Log}\n"));
  const auto& staged = std::get<model::StagedGlobalNetworkPolicy>(resource.spec);
  CHECK(staged.action == model::StagedAction::Learn);
  CHECK(staged.policy.pre_dnat);
  CHECK(staged.policy.ingress[0].action == model::Action::Log);
  const auto without = only(object_text("StagedGlobalNetworkPolicy", "p", "  order: 1\n"));
  CHECK_FALSE(std::get<model::StagedGlobalNetworkPolicy>(without.spec).action);
  has_faults(object_text("StagedGlobalNetworkPolicy", "p", "  stagedAction: set\n"), {{"6:17", "Set"}});
  has_faults(object_text("StagedGlobalNetworkPolicy", "p", "  stagedAction: Delete\n  order: 1\n"),
             {{"6:17", "has no fields but tier and stagedAction"}});
  has_faults(object_text("StagedGlobalNetworkPolicy", "p", "  preDNAT: true\n"), {{"5:1", "applyOnForward must be true"}});
}

TEST_CASE("node port ranges are numbers and ranges, at most seven, and the log limit a rate") {
  const auto felix = [](const std::string& spec) {
    return std::get<model::FelixConfiguration>(only(object_text("FelixConfiguration", "default", spec)).spec);
  };
  const auto config = felix("  kubeNodePortRanges: [\"30000:32767\", 80, \"443\"]\n  logActionRateLimit: 6/minute\n  logActionRateLimitBurst: 0\n");
  CHECK(config.kube_node_port_ranges == std::vector<model::PortRange>{{30000, 32767}, {80, 80}, {443, 443}});
  CHECK(model::rate_interval(*config.log_action_rate_limit) == std::chrono::seconds(10));
  CHECK(config.log_action_rate_limit_burst == 0);
  CHECK(felix("  kubeNodePortRanges: []\n").kube_node_port_ranges->empty());
  const auto refused = [](const std::string& spec, std::string_view at, std::string_view why) {
    has_faults(object_text("FelixConfiguration", "default", spec), {{std::string(at), std::string(why)}});
  };
  refused("  kubeNodePortRanges: [1, 2, 3, 4, 5, 6, 7, 8]\n", "6:23", "at most 7 ports and ranges");
  refused("  kubeNodePortRanges: [http]\n", "6:24", "wants a port from 1 to 65535 or a range");
  refused("  kubeNodePortRanges: [\"9:1\"]\n", "6:24", "greater than the last");
  for (const auto* rate : {"10", "0/second", "10/week", "10/seconds", "-1/second", "10000/second", "1.5/second", "/second", "10/"})
    refused("  logActionRateLimit: \"" + std::string(rate) + "\"\n", "6:23", "wants 1 to 9999 per second, minute, hour or day");
  refused("  logActionRateLimitBurst: -1\n", "6:28", "wants 0 to 9999");
}

TEST_CASE("a text holds documents, sequences and lists, in YAML or JSON") {
  const std::string one =
      "{\"apiVersion\": \"projectcalico.org/v3\", \"kind\": \"Tier\", \"metadata\": {\"name\": \"a\"}, \"spec\": {\"order\": 1}}";
  const auto names = [](std::string_view text) {
    const auto decoded = decode(text, "f");
    INFO(described(decoded));
    CHECK(decoded.ok());
    std::string out;
    for (const auto& each : decoded.resources) out += to_string(each.resource.id()) + " ";
    return out;
  };
  CHECK(names(one) == "Tier(a) ");
  CHECK(names("[" + one + "," + one + "]") == "Tier(a) Tier(a) ");
  CHECK(names("---\n" + one + "\n---\n# nothing\n---\n" + one + "\n---\n") == "Tier(a) Tier(a) ");
  CHECK(names("- apiVersion: projectcalico.org/v3\n  kind: Tier\n  metadata: {name: b}\n- " + one) == "Tier(b) Tier(a) ");
  CHECK(
      names("apiVersion: projectcalico.org/v3\nkind: HostEndpointList\nmetadata: {resourceVersion: \"3\"}\nitems:\n"
            "- metadata: {name: h}\n  spec: {node: n, interfaceName: eth0}\n"
            "- apiVersion: projectcalico.org/v3\n  kind: HostEndpoint\n  metadata: {name: i}\n  spec: {node: n, interfaceName: eth1}\n") ==
      "HostEndpoint(h) HostEndpoint(i) ");
  CHECK(names("apiVersion: v1\nkind: List\nitems:\n- " + one + "\n") == "Tier(a) ");
  CHECK(names("---\napiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: d}\n...\n") == "Tier(d) ");
  CHECK(names("apiVersion: projectcalico.org/v3\nkind: TierList\nitems: []\n").empty());
  CHECK(names("apiVersion: nodewall.io/v1\nkind: NodewallConfiguration\nmetadata: {name: default}\n") == "NodewallConfiguration(default) ");
}

TEST_CASE("a text without documents has neither resources nor faults") {
  for (const std::string_view text :
       {"", "\n\n", "# only a comment\n", "---\n", "---\n---\n...\n", "%YAML 1.2\n---\n", "\xEF\xBB\xBF", "null\n", "  ", "\r \n", "\r"}) {
    const auto decoded = decode(text, "f");
    INFO(text << described(decoded));
    CHECK(decoded.ok());
    CHECK(decoded.resources.empty());
  }
}

TEST_CASE("what is not a known resource is refused by name") {
  has_faults("kind: Tier\nmetadata: {name: a}\n", {{"1:1", "apiVersion must be specified"}});
  has_faults("apiVersion: projectcalico.org/v3\n", {{"1:1", "kind must be specified"}});
  has_faults("apiVersion: projectcalico.org/v3\nkind: Pod\n",
             {{"2:7", "unknown resource type (Pod) and/or version (projectcalico.org/v3)"}});
  has_faults("apiVersion: crd.projectcalico.org/v1\nkind: Tier\n", {{"2:7", "Tier wants apiVersion projectcalico.org/v3"}});
  has_faults("apiVersion: projectcalico.org/v3\nkind: NodewallConfiguration\n", {{"2:7", "wants apiVersion nodewall.io/v1"}});
  has_faults("apiVersion: projectcalico.org/v3\nkind: PodList\nitems: []\n", {{"1:1", "unknown resource type (PodList)"}});
  has_faults("just text\n", {{"1:1", "wants a resource"}});
  has_faults("- 1\n- [a]\n", {{"1:3", "wants a resource"}, {"2:3", "wants a resource"}});
  has_faults("apiVersion: projectcalico.org/v3\nkind: TierList\nitems: {}\nmore: 1\n",
             {{"4:1", "unknown field \"more\" of a list"}, {"3:8", "wants a list"}});
}

TEST_CASE("one bad document among good ones hides no other") {
  const auto good = [](std::string_view name) { return object_text("GlobalNetworkSet", name, "  nets: [10.0.0.0/8]\n"); };
  const auto text = good("a") + "---\n" + "kind: [\n" + "---\n" + good("b") + "---\n" +
                    object_text("GlobalNetworkSet", "bad", "  nets: [x]\n") + "---\n" + good("c");
  const auto decoded = decode(text, "f.yaml");
  REQUIRE(decoded.resources.size() == 3);
  CHECK(decoded.resources[0].resource.metadata.name == "a");
  CHECK(decoded.resources[1].resource.metadata.name == "b");
  CHECK(decoded.resources[1].at.line == 10);
  CHECK(decoded.resources[2].resource.metadata.name == "c");
  REQUIRE(decoded.diagnostics.size() == 2);
  CHECK(decoded.diagnostics[0].at.line >= 8);
  CHECK(decoded.diagnostics[0].at.line <= 9);
  CHECK(to_string(decoded.diagnostics[1]).starts_with("f.yaml:22:10: spec.nets[0]: 'x' is not a CIDR"));
  CHECK(decoded.diagnostics[1].object == "GlobalNetworkSet(bad)");
}

TEST_CASE("T-A1 a v4-mapped CIDR in a manifest is refused with advice") {
  has_faults(object_text("GlobalNetworkSet", "s", "  nets: [\"::ffff:10.0.0.0/104\"]\n"),
             {{"6:10", "IPv4-mapped IPv6 address; write the IPv4 address"}});
  has_faults(rule_text("      source:\n        nets: [\"::ffff:10.0.0.0/104\"]\n"), {{"9:16", "IPv4-mapped"}});
  has_faults(object_text("HostEndpoint", "h", "  node: n\n  expectedIPs: [\"::ffff:10.0.0.1\"]\n"), {{"7:17", "IPv4-mapped"}});
}

TEST_CASE("T-Y2 ports are read by YAML 1.2 and as Calico does, or refused") {
  const auto ports = [](std::string_view value) {
    return rule_text("      protocol: TCP\n      destination:\n        ports: [" + std::string(value) + "]\n");
  };
  const auto read = [&](std::string_view value) {
    const auto resource = only(ports(value));
    return std::get<model::GlobalNetworkPolicy>(resource.spec).ingress[0].destination.ports.at(0);
  };
  using Range = model::PortRange;
  CHECK(read("80") == model::Port(Range{.first = 80, .last = 80}));
  CHECK(read("\"80\"") == model::Port(Range{.first = 80, .last = 80}));
  CHECK(read("22:30") == model::Port(Range{.first = 22, .last = 30}));
  CHECK(read("\"1:65535\"") == model::Port(Range{.first = 1, .last = 65535}));
  CHECK(read("on") == model::Port(std::string("on")));
  CHECK(read("yes") == model::Port(std::string("yes")));
  CHECK(read("http_8.x-Y") == model::Port(std::string("http_8.x-Y")));
  for (const std::string_view bad :
       {"0",       "65536",        "-1",   "+80",  "0o22",  "0x16",    "022",     "1e3",     "80.0",
        "80.5",    "true",         "22:",  ":30",  "30:22", "0:5",     "1:65536", "1:2:3",   "\"22 \"",
        "\" 22\"", "\"22-30\\n\"", "\"\"", "null", "[80]",  "{a: 80}", ".inf",    "\"022\"", "99999999999999999999"}) {
    INFO(bad);
    const auto decoded = decode(ports(bad), "f.yaml");
    CHECK(decoded.resources.empty());
    REQUIRE(decoded.diagnostics.size() == 1);
    CHECK(decoded.diagnostics[0].at.line == 10);
    CHECK(decoded.diagnostics[0].at.column == 17);
  }
}

TEST_CASE("words that older YAML takes for truth values are text") {
  auto text = object_text("Tier", "on", "  order: 5\n");
  text.insert(text.find("spec:"), "  labels: {a: yes, b: off, c: y, d: 0x1F-x, e: 2026-01-02}\n");
  const auto resource = only(text);
  CHECK(resource.metadata.name == "on");
  CHECK(resource.metadata.labels.at("a") == "yes");
  CHECK(resource.metadata.labels.at("b") == "off");
  CHECK(resource.metadata.labels.at("e") == "2026-01-02");
  has_faults(object_text("GlobalNetworkPolicy", "p", "  applyOnForward: yes\n"),
             {{"6:19", "spec.applyOnForward: wants true or false, got \"yes\""}});
  has_faults(object_text("Tier", "true", "  order: 5\n"), {{"4:9", "metadata.name: wants a string, got true; put it in quotes"}});
  has_faults(object_text("Tier", "t", "  order: \"5\"\n"), {{"6:10", "wants a number, got \"5\""}});
}

TEST_CASE("protocols are exact names or numbers") {
  const auto read = [](std::string_view value) {
    const auto resource = only(rule_text("      protocol: " + std::string(value) + "\n"));
    return *std::get<model::GlobalNetworkPolicy>(resource.spec).ingress[0].protocol;
  };
  CHECK(read("TCP").number == 6);
  CHECK(read("UDPLite").number == 136);
  CHECK(read("255").number == 255);
  CHECK(read("\"47\"").number == 47);
  has_faults(rule_text("      protocol: tcp\n"), {{"8:17", "protocol name invalid"}});
  has_faults(rule_text("      protocol: 0\n"), {{"8:17", "protocol number invalid"}});
  has_faults(rule_text("      protocol: 256\n"), {{"8:17", "protocol number invalid"}});
  has_faults(rule_text("      protocol: 0x6\n"), {{"8:17", "protocol number invalid"}});
  has_faults(rule_text("      action: allow\n"), {{"8:7", "duplicate key \"action\""}});
}

TEST_CASE("a selector's fault is placed at the selector and says which column of it") {
  has_faults(object_text("GlobalNetworkPolicy", "p", "  selector: a = 'b'\n"),
             {{"6:13", "spec.selector: invalid selector: column 3: expected =="}});
}

TEST_CASE("failsafe lists: TCP or UDP in any letter case, a port from 0, an optional network") {
  const auto list = [](std::string_view entry) {
    return object_text("FelixConfiguration", "default", "  failsafeInboundHostPorts:\n  - " + std::string(entry) + "\n");
  };
  const auto read = [&](std::string_view entry) {
    const auto resource = only(list(entry));
    return std::get<model::FelixConfiguration>(resource.spec).failsafe_inbound->at(0);
  };
  CHECK(read("{protocol: tcp, port: 22}") == model::FailsafePort{.protocol = {.number = 6}, .port = 22, .net = {}});
  CHECK(read("{protocol: Udp, port: 0, net: \"\"}") == model::FailsafePort{.protocol = {.number = 17}, .port = 0, .net = {}});
  CHECK(read("{protocol: TCP, port: 65535, net: 10.0.0.0/8}").net == parse_cidr("10.0.0.0/8", BareAddress::refuse).value());
  CHECK(read("{protocol: TCP, port: 1, net: \"::1\"}").net->prefix == 128);
  has_faults(list("{port: 22}"), {{"7:5", "spec.failsafeInboundHostPorts[0].protocol: protocol must be specified"}});
  has_faults(list("{protocol: SCTP, port: 22}"), {{"7:16", "a failsafe port's protocol is TCP or UDP, got \"SCTP\""}});
  has_faults(list("{protocol: 6, port: 22}"), {{"7:16", "TCP or UDP"}});
  has_faults(list("{protocol: TCP}"), {{"7:5", "port must be specified"}});
  has_faults(list("{protocol: TCP, port: 65536}"), {{"7:27", "wants a whole number from 0 to 65535, got 65536"}});
  has_faults(list("{protocol: TCP, port: -1}"), {{"7:27", "wants a whole number from 0 to 65535, got -1"}});
  has_faults(list("{protocol: TCP, port: 22, net: \"::ffff:1.2.3.4/128\"}"), {{"7:36", "IPv4-mapped"}});
  const auto none = only(object_text("FelixConfiguration", "default", "  failsafeInboundHostPorts: []\n"));
  CHECK(std::get<model::FelixConfiguration>(none.spec).failsafe_inbound->empty());
  CHECK_FALSE(std::get<model::FelixConfiguration>(none.spec).failsafe_outbound.has_value());
}

TEST_CASE("validation's faults are placed at the field they name") {
  has_faults(rule_text("      protocol: UDP\n      icmp:\n        type: 8\n        code: 1\n      destination:\n        notNets:\n        "
                       "- 10.0.0.0/8\n        - 0.0.0.0/0\n"),
             {{"9:7", "ICMP fields require protocol to be ICMP or ICMPv6"}, {"15:11", "catch-all CIDR in negation"}});
  auto text = object_text("GlobalNetworkSet", "s", "  nets: []\n");
  text.insert(text.find("spec:"), "  labels:\n    a.b/c.d: ok\n    a.b/c.d.e: not ok\n");
  has_faults(text, {{"7:16", "error with field metadata.labels.a.b/c.d.e = 'not ok'"}});
}

TEST_CASE("CRLF line ends and a byte order mark are accepted") {
  std::string text = object_text("GlobalNetworkSet", "s", "  nets:\n  - 10.0.0.0/8\n");
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.replace(at, 1, "\r\n");
  const auto resource = only("\xEF\xBB\xBF" + text + "---\r\n");
  CHECK(resource.metadata.name == "s");
  CHECK(std::get<model::GlobalNetworkSet>(resource.spec).nets.size() == 1);
  has_faults(text + "---\r\n" + object_text("Tier", "t", "  x: 1\r\n"), {{"14:3", "unknown field \"x\""}});
}

TEST_CASE("an object's faults are counted when they are too many to word") {
  const auto decoded = decode(object_text("GlobalNetworkSet", "s", "  nets:\n" + repeated("  - x\n", 150)), "f.yaml");
  REQUIRE(decoded.diagnostics.size() == 101);
  CHECK(decoded.diagnostics.back().message == "and 50 more faults of this object");
}

TEST_CASE("an alias stands for what its anchor holds") {
  const auto resource = only(
      object_text("GlobalNetworkPolicy", "p", "  ingress:\n  - &r {action: Deny, source: {nets: [10.0.0.0/8]}}\n  - *r\n  egress: [*r]\n"));
  const auto& policy = std::get<model::GlobalNetworkPolicy>(resource.spec);
  REQUIRE(policy.ingress.size() == 2);
  CHECK(policy.ingress[0] == policy.ingress[1]);
  CHECK(policy.egress[0] == policy.ingress[0]);
  CHECK(policy.ingress[0].action == model::Action::Deny);
}

TEST_CASE("texts of several lines are read to their last line break") {
  auto text = object_text("Tier", "t", "  order: 1\n");
  text.insert(text.find("spec:"), "  annotations:\n    a: |\n      x\n      ---\n    b: >-\n      y\n      z\n    c: \"v\\n w\"\n");
  const auto annotations = only(text).metadata.annotations;
  CHECK(annotations.at("a") == "x\n---\n");
  CHECK(annotations.at("b") == "y z");
  CHECK(annotations.at("c") == "v\n w");
  // Two that the library writes as Latin-1 does, beside what they could be taken together with.
  auto escaped = manifest("allow-all-heps.yaml");
  escaped.insert(escaped.find("spec:"), "  annotations: {a: \"\\N\", b: \"\xC3\xA9\\_x\\N\\N\"}\n");
  CHECK(only(escaped).metadata.annotations.at("a") == "\xC2\x85");
  CHECK(only(escaped).metadata.annotations.at("b") == "\xC3\xA9\xC2\xA0x\xC2\x85\xC2\x85");
  const auto last =
      only("apiVersion: projectcalico.org/v3\nkind: Tier\nspec: {}\nmetadata:\n  name: t\n  annotations:\n    a: |\n      x\n");
  CHECK(last.metadata.annotations.at("a") == "x\n");
}
