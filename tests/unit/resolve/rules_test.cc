// Rules, as they are resolved: families, protocols, ICMP, ports by name, address sets.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>

#include "node.h"

using namespace nodewall;
using namespace nodewall::testing;
using model::Action;
using model::PortRange;
using resolve::ResolvedRule;

namespace {

// The one policy's ingress rules on eth0.
std::vector<ResolvedRule> ingress_of(const resolve::Resolved& resolved) {
  const auto& tiers = resolved.endpoints.at(0).chains[NW_CHAIN_INGRESS].tiers;
  if (tiers.empty()) return {};
  return {tiers.at(0).rules.begin(), tiers.at(0).rules.end()};
}

std::vector<ResolvedRule> resolve_one(Node& node, model::Rule rule) {
  node.policy("p", {std::move(rule)});
  return ingress_of(node.resolve());
}

Node with_eth0() {
  Node node;
  node.hep("eth0", "eth0");
  return node;
}

std::bitset<256> only(std::size_t protocol) { return std::bitset<256>().set(protocol); }

}  // namespace

TEST_CASE("a rule without criteria matches every protocol of both families") {
  auto node = with_eth0();
  const auto rules = resolve_one(node, rule(Action::Deny));
  REQUIRE(rules.size() == 1);
  CHECK((rules[0].v4 && rules[0].v6 && rules[0].protocols.all()));
  CHECK(rules[0].origin == resolve::Origin{"default", "p", 0});
  CHECK(rules[0].source == resolve::Side{});
}

TEST_CASE("families follow ipVersion, nets and the ICMP protocols") {
  const auto families = [](auto change) {
    auto node = with_eth0();
    auto written = rule(Action::Allow);
    change(written);
    const auto rules = resolve_one(node, written);
    REQUIRE(rules.size() == 1);
    return std::pair(rules[0].v4, rules[0].v6);
  };
  const std::pair v4(true, false), v6(false, true), both(true, true);
  CHECK(families([](auto& it) { it.ip_version = Family::v6; }) == v6);
  CHECK(families([](auto& it) { it.protocol = protocol("ICMP"); }) == v4);
  CHECK(families([](auto& it) { it.protocol = protocol("ICMPv6"); }) == v6);
  CHECK(families([](auto& it) { it.not_protocol = protocol("ICMP"); }) == both);
  CHECK(families([](auto& it) { it.source.nets = nets({"10.0.0.0/8"}); }) == v4);
  CHECK(families([](auto& it) { it.destination.not_nets = nets({"2001:db8::/32"}); }) == v6);
  CHECK(families([](auto& it) { it.source.nets = nets({"10.0.0.0/8", "2001:db8::/32"}); }) == both);
}

TEST_CASE("a rule that no packet can match is left out and said") {
  auto node = with_eth0();
  auto written = rule(Action::Allow);
  written.ip_version = Family::v6;
  written.source.nets = nets({"10.0.0.0/8"});
  CHECK(resolve_one(node, written).empty());
  CHECK(has_condition(node.resolve(), "RuleMatchesNothing", "p"));
}

TEST_CASE("an ICMP criterion stands only in rules of one family and that family's ICMP") {
  auto node = with_eth0();
  auto written = rule(Action::Deny);
  written.not_icmp = model::Icmp{.type = std::uint8_t{8}, .code = {}};
  const auto rules = resolve_one(node, written);
  REQUIRE(rules.size() == 4);
  for (const auto& it : rules) {
    CHECK(it.v4 != it.v6);
    const std::size_t icmp = it.v4 ? 1 : 58;
    if (it.not_icmp) CHECK(it.protocols == only(icmp));
    else CHECK(it.protocols == ~only(icmp));
    CHECK(it.origin.rule == 0);
  }
  written.not_icmp.reset();
  written.protocol = protocol("ICMPv6");
  written.icmp = model::Icmp{.type = std::uint8_t{128}, .code = std::uint8_t{0}};
  const auto one = resolve_one(node, written);
  REQUIRE(one.size() == 1);
  CHECK((one[0].protocols == only(58) && one[0].v6 && !one[0].v4 && one[0].icmp == written.icmp));
}

TEST_CASE("port lists are merged, notPorts are their complement") {
  auto node = with_eth0();
  auto written = rule(Action::Allow, "TCP", {port(80), port(443), port(81, 90), port(85), port(92)});
  written.source.not_ports = {port(1, 1023), port(65535)};
  const auto rules = resolve_one(node, written);
  REQUIRE(rules.size() == 1);
  CHECK(rules[0].destination.ports == std::vector<PortRange>{{80, 90}, {92, 92}, {443, 443}});
  CHECK(rules[0].source.ports == std::vector<PortRange>{{0, 0}, {1024, 65534}});
  CHECK(rules[0].protocols == only(6));
}

TEST_CASE("a named port becomes the addresses and ports of the endpoints that the selector matches") {
  auto node = with_eth0();
  const auto serve = [&](const std::string& name, const char* address, std::uint16_t number, const char* role) {
    auto& hep = node.hep(name, "x-" + name, {}, {{"role", role}});
    hep.node = "node2";
    hep.expected_ips = {ip(address)};
    hep.ports = {{"web", protocol("TCP"), number}, {"web", protocol("UDP"), number}};
  };
  serve("s1", "10.0.1.1", 8080, "web");
  serve("s2", "10.0.1.2", 9090, "web");
  serve("s3", "10.0.1.3", 7070, "other");
  auto written = rule(Action::Allow, "TCP", {port(80), port("web")});
  written.destination.selector = selector("role == 'web'");
  node.policy("p", {written});
  const auto resolved = node.resolve();
  const auto rules = ingress_of(resolved);
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].destination.ports == std::vector<PortRange>{{80, 80}});
  CHECK(rules[0].destination.in.size() == 1);
  std::vector<std::pair<std::uint16_t, std::string>> found;
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(rules[i].protocols == only(6));
    CHECK(rules[i].destination.in.size() == 2);
    for (const auto set : rules[i].destination.in)
      if (resolved.sets[set].members.size() == 1)
        found.emplace_back(rules[i].destination.ports->at(0).first, to_string(resolved.sets[set].members[0]));
  }
  std::ranges::sort(found);
  CHECK(found == std::vector<std::pair<std::uint16_t, std::string>>{{8080, "10.0.1.1/32"}, {9090, "10.0.1.2/32"}});
}

TEST_CASE("a port name that no endpoint has matches nothing and is said; among notPorts it excludes nothing") {
  auto node = with_eth0();
  CHECK(resolve_one(node, rule(Action::Deny, "TCP", {port("nowhere")})).empty());
  const auto said = condition(node.resolve(), "RuleMatchesNothing", "p");
  REQUIRE(said);
  CHECK(said->severity == resolve::Condition::Severity::error);
  auto written = rule(Action::Deny, "TCP", {});
  written.destination.not_ports = {port("nowhere")};
  const auto rules = resolve_one(node, written);
  REQUIRE(rules.size() == 1);
  CHECK_FALSE(rules[0].destination.ports.has_value());
}

TEST_CASE("what refers to a cluster matches nothing and is said: an error if the rule denies") {
  const auto check = [](auto change) {
    for (const auto action : {Action::Allow, Action::Deny}) {
      auto node = with_eth0();
      auto written = rule(action);
      change(written.source);
      CHECK(resolve_one(node, written).empty());
      const auto said = condition(node.resolve(), "RuleMatchesNothing", "p");
      REQUIRE(said);
      CHECK((said->severity == resolve::Condition::Severity::error) == (action == Action::Deny));
    }
  };
  check([](auto& it) { it.services = model::ServiceRef{"s", "n"}; });
  check([](auto& it) { it.service_accounts = model::ServiceAccounts{}; });
  check([](auto& it) { it.namespace_selector = selector("all()"); });
}

TEST_CASE("namespaceSelector global() limits nothing, and by itself it is every known address") {
  auto node = with_eth0();
  node.add("set", model::GlobalNetworkSet{nets({"10.5.0.0/16"})});
  auto written = rule(Action::Allow);
  written.source.namespace_selector = selector("global()");
  node.policy("p", {written});
  const auto resolved = node.resolve();
  const auto rules = ingress_of(resolved);
  REQUIRE(rules.size() == 1);
  REQUIRE(rules[0].source.in.size() == 1);
  CHECK(resolved.sets[rules[0].source.in[0]].members == nets({"10.5.0.0/16"}));
}

TEST_CASE("a selector counts the labels that profiles apply, and the endpoint's own label wins") {
  Node node;
  model::Profile profile;
  profile.labels_to_apply = {{"zone", "dmz"}, {"role", "profile"}};
  node.add("prof", profile);
  node.hep("eth0", "eth0", {"prof"}, {{"role", "own"}}).expected_ips = {ip("10.0.0.2")};
  node.policy("p", {rule(Action::Allow)}).selector = selector("zone == 'dmz' && role == 'own'");
  auto resolved = node.resolve();
  CHECK(resolved.endpoints[0].policies == std::vector<std::string>{"default/p"});
  auto from = rule(Action::Allow);
  from.source.selector = selector("zone == 'dmz'");
  node.policy("p", {from});
  resolved = node.resolve();
  CHECK(resolved.sets.at(ingress_of(resolved).at(0).source.in.at(0)).members == nets({"10.0.0.2/32"}));
}

TEST_CASE("sets are masked, sorted, unique, without covered members, and equal ones are one") {
  auto node = with_eth0();
  node.add("set", model::GlobalNetworkSet{nets({"10.0.0.0/8", "::/0"})}, {{"s", "1"}});
  auto a = rule(Action::Allow), b = rule(Action::Allow), c = rule(Action::Allow);
  a.source.nets = nets({"192.168.5.6/16", "10.1.0.0/16", "10.0.0.0/8", "10.9.9.9/32", "::/0", "2001:db8::/32", "10.0.0.0/8"});
  b.source.selector = selector("s == '1'");
  c.source.nets = nets({"::/0", "10.0.0.0/8"});
  node.policy("p", {a, b, c});
  const auto resolved = node.resolve();
  const auto rules = ingress_of(resolved);
  REQUIRE(rules.size() == 3);
  CHECK(resolved.sets[rules[0].source.in[0]].members == nets({"::/0", "10.0.0.0/8", "192.168.0.0/16"}));
  CHECK(rules[1].source.in == rules[2].source.in);
  CHECK(resolved.sets.size() == 2);
}

TEST_CASE("a hundred thousand rules with nets of their own and a set of a million networks resolve in seconds at worst") {
  auto node = with_eth0();
  std::vector<model::Rule> rules;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    auto written = rule(Action::Allow, "TCP", {port(static_cast<std::uint16_t>(1 + i % 60'000))});
    written.source.nets = {Cidr{.address = Address::v4(0x0a000000 + i * 16), .prefix = 28}};
    rules.push_back(std::move(written));
  }
  auto blocked = rule(Action::Deny);
  blocked.source.selector = selector("all()");
  rules.push_back(blocked);
  node.policy("p", std::move(rules));
  model::GlobalNetworkSet set;
  for (std::uint32_t i = 0; i < 1'000'000; ++i)
    set.nets.push_back(Cidr{.address = Address::v4(i * 2654435761U | 1), .prefix = 32});
  node.add("set", std::move(set));
  const auto begin = std::chrono::steady_clock::now();
  const auto resolved = node.resolve();
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(resolved.sets.size() == 100'001);
  // Something quadratic takes minutes; the margin is for a busy machine and for sanitizers.
  CHECK(took < std::chrono::seconds(20));
  WARN("resolved in " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms");
}
