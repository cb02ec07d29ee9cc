#include "model/validate.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support.h"

using namespace nodewall;
using namespace nodewall::model;

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
  is_valid(policy_with([](GlobalNetworkPolicy& p) { p.ingress = std::vector(1024, rule()); }));
  has_one_fault(policy_with([](GlobalNetworkPolicy& p) { p.egress = std::vector(1025, rule()); }), "spec.egress", "at most 1024");
  is_valid(ingress_rule([](Rule& r) { r.source.nets.assign(256, net("10.0.0.0/8")); }));
  has_one_fault(ingress_rule([](Rule& r) { r.source.nets.assign(257, net("10.0.0.0/8")); }), "spec.ingress[0].source.nets", "at most 256");
  has_one_fault(ingress_rule([](Rule& r) { r.source.ports.assign(51, PortRange{.first = 1, .last = 1}); }, "TCP"),
                "spec.ingress[0].source.ports", "at most 50");
}
