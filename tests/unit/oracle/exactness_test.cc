// A rule as written against the resolved rules that stand for it: the same packets match. The reference below reads the rule itself,
// statement by statement of docs/semantics.md, and knows nothing of splitting.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "../resolve/node.h"
#include "oracle/oracle.h"

using namespace nodewall;
using namespace nodewall::testing;

namespace {

bool has_ports(std::uint8_t protocol) { return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136; }

struct Reference {
  const Node& node;
  const resolve::PacketQuery& packet;

  [[nodiscard]] bool v4() const { return packet.source.family == Family::v4; }
  [[nodiscard]] bool icmp() const { return packet.protocol == (v4() ? 1 : 58); }

  [[nodiscard]] bool is_member(const model::Selector& wanted, const Address& address) const {
    for (const auto& [id, resource] : node.resources) {
      if (!wanted.matches(resource.metadata.labels)) continue;
      if (const auto* hep = std::get_if<model::HostEndpoint>(&resource.spec))
        if (std::ranges::find(hep->expected_ips, address) != hep->expected_ips.end()) return true;
      if (const auto* set = std::get_if<model::GlobalNetworkSet>(&resource.spec))
        if (contains(set->nets, address)) return true;
    }
    return false;
  }

  static bool contains(const auto& list, const Address& address) {
    return std::ranges::any_of(list, [&](const Cidr& it) { return it.contains(address); });
  }

  [[nodiscard]] bool port_in(const std::vector<model::Port>& list, const model::EntityRule& entity, const Address& address,
                             std::uint16_t number) const {
    if (!has_ports(packet.protocol)) return false;
    for (const auto& port : list) {
      if (const auto* range = std::get_if<model::PortRange>(&port)) {
        if (range->first <= number && number <= range->last) return true;
        continue;
      }
      for (const auto& [id, resource] : node.resources) {
        const auto* hep = std::get_if<model::HostEndpoint>(&resource.spec);
        if (hep == nullptr || (entity.selector && !entity.selector->matches(resource.metadata.labels))) continue;
        if (std::ranges::find(hep->expected_ips, address) == hep->expected_ips.end()) continue;
        for (const auto& named : hep->ports)
          if (named.name == std::get<std::string>(port) && named.protocol.number == packet.protocol && named.port == number) return true;
      }
    }
    return false;
  }

  [[nodiscard]] bool of_family(const std::vector<Cidr>& list) const {
    return list.empty() || std::ranges::any_of(list, [&](const Cidr& it) { return it.address.family == packet.source.family; });
  }

  [[nodiscard]] bool side(const model::EntityRule& entity, const Address& address, std::uint16_t port) const {
    if (!of_family(entity.nets) || !of_family(entity.not_nets)) return false;
    if (!entity.nets.empty() && !contains(entity.nets, address)) return false;
    if (contains(entity.not_nets, address)) return false;
    if (entity.selector && !is_member(*entity.selector, address)) return false;
    if (entity.not_selector && is_member(*entity.not_selector, address)) return false;
    if (!entity.ports.empty() && !port_in(entity.ports, entity, address, port)) return false;
    return entity.not_ports.empty() || !port_in(entity.not_ports, entity, address, port);
  }

  [[nodiscard]] bool is_type(const model::Icmp& wanted) const {
    return icmp() && (!wanted.type || *wanted.type == packet.icmp_type) && (!wanted.code || *wanted.code == packet.icmp_code);
  }

  [[nodiscard]] bool matches(const model::Rule& rule) const {
    if (rule.ip_version && *rule.ip_version != packet.source.family) return false;
    if (rule.protocol && rule.protocol->number != packet.protocol) return false;
    if (rule.protocol && rule.protocol->number == 1 && !v4()) return false;
    if (rule.protocol && rule.protocol->number == 58 && v4()) return false;
    if (rule.not_protocol && rule.not_protocol->number == packet.protocol) return false;
    if (rule.icmp && !is_type(*rule.icmp)) return false;
    if (rule.not_icmp && is_type(*rule.not_icmp)) return false;
    return side(rule.source, packet.source, packet.source_port) && side(rule.destination, packet.destination, packet.destination_port);
  }
};

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  Node node() {
    Node node;
    for (int i = 0; i < 4; ++i) {
      auto& hep = node.hep("h" + std::to_string(i), i == 0 ? "eth0" : "other" + std::to_string(i), {}, {{"a", pick({"0", "1"})}});
      for (int n = number(0, 2); n > 0; --n) hep.expected_ips.push_back(address(chance(3)));
      for (int n = number(0, 3); n > 0; --n) hep.ports.push_back({pick({"x", "y"}), {protocol_number()}, port_number()});
    }
    for (int i = 0; i < 3; ++i) {
      model::GlobalNetworkSet set;
      for (int n = number(0, 3); n > 0; --n) set.nets.push_back(network(chance(3)));
      node.add("s" + std::to_string(i), set, {{"a", pick({"1", "2"})}});
    }
    node.felix("default").failsafe_inbound.emplace();
    return node;
  }

  model::Rule rule() {
    auto result = testing::rule(model::Action::Allow);
    if (chance(4)) result.ip_version = chance(2) ? Family::v4 : Family::v6;
    if (chance(2)) result.protocol = model::Protocol{chance(3) ? protocol_number() : std::uint8_t(number(0, 1) ? 6 : 17)};
    if (chance(6)) result.not_protocol = model::Protocol{protocol_number()};
    if (chance(8)) result.icmp = icmp();
    if (chance(6)) result.not_icmp = icmp();
    fill(result.source, 4);
    fill(result.destination, 2);
    return result;
  }

  resolve::PacketQuery packet() {
    resolve::PacketQuery result;
    result.interface = "eth0";
    const bool v6 = chance(3);
    result.source = address(v6);
    result.destination = address(v6);
    result.direction = NW_EGRESS;  // every destination, not only the host's own
    result.protocol = protocol_number();
    if (has_ports(result.protocol)) {
      result.source_port = port_number();
      result.destination_port = port_number();
    }
    // Echo and what else is no error and no neighbour discovery.
    result.icmp_type = v6 ? std::uint8_t(128 + number(0, 1)) : std::uint8_t(number(0, 1) ? 8 : 0);
    result.icmp_code = static_cast<std::uint8_t>(number(0, 1));
    return result;
  }

 private:
  int number(int first, int last) { return std::uniform_int_distribution(first, last)(random_); }
  bool chance(int one_in) { return number(1, one_in) == 1; }
  std::string pick(std::vector<std::string> of) { return of[static_cast<std::size_t>(number(0, static_cast<int>(of.size()) - 1))]; }

  Address address(bool v6) {
    auto result = v6 ? ip("2001:db8::") : ip("10.0.0.0");
    result.bytes[15] = static_cast<std::uint8_t>(number(0, 7));
    return result;
  }
  Cidr network(bool v6) {
    const auto host = address(v6);
    return Cidr{.address = host, .prefix = static_cast<std::uint8_t>((v6 ? 125 : 29) + number(0, 3))};
  }
  std::uint8_t protocol_number() {
    constexpr std::uint8_t kOf[] = {1, 6, 6, 17, 17, 47, 58, 132, 136};
    return kOf[number(0, 8)];
  }
  std::uint16_t port_number() { return chance(6) ? std::uint16_t(number(0, 1) * 65535) : static_cast<std::uint16_t>(number(1, 6)); }

  model::Icmp icmp() {
    model::Icmp result;
    if (chance(4)) return result;
    result.type = static_cast<std::uint8_t>(chance(2) ? number(0, 1) * 8 : 128 + number(0, 1));
    if (chance(2)) result.code = static_cast<std::uint8_t>(number(0, 1));
    return result;
  }
  std::vector<model::Port> ports() {
    std::vector<model::Port> result;
    for (int n = number(1, 3); n > 0; --n) {
      const auto first = static_cast<std::uint16_t>(number(1, 6));
      if (chance(2)) result.push_back(pick({"x", "y"}));
      else result.push_back(model::PortRange{first, chance(5) ? std::uint16_t(65535) : first});
    }
    return result;
  }
  void fill(model::EntityRule& entity, int one_in) {
    if (chance(one_in * 2)) for (int n = number(1, 2); n > 0; --n) entity.nets.push_back(network(chance(4)));
    if (chance(one_in * 2)) for (int n = number(1, 2); n > 0; --n) entity.not_nets.push_back(network(chance(4)));
    if (chance(one_in * 2)) entity.selector = selector(pick({"a == '0'", "a == '1'", "all()", "a == 'none'", "a != '1'"}));
    if (chance(one_in * 2)) entity.not_selector = selector(pick({"a == '0'", "a == '1'", "a == 'none'"}));
    if (chance(one_in)) entity.ports = ports();
    if (chance(one_in)) entity.not_ports = ports();
  }

  std::mt19937 random_;
};

std::uint32_t seed() {
  const char* text = std::getenv("NODEWALL_SEED");
  return text != nullptr ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10)) : std::random_device{}();
}

}  // namespace

TEST_CASE("resolved rules match exactly the packets that the written rule matches") {
  const auto base = seed();
  CAPTURE(base);
  Generator generator(base);
  int matched = 0, missed = 0;
  for (int round = 0; round < 1500; ++round) {
    auto node = generator.node();
    auto& policy = node.add("p", model::GlobalNetworkPolicy{});
    policy.egress = {generator.rule()};
    const auto resolved = node.resolve();
    for (int i = 0; i < 60; ++i) {
      const auto packet = generator.packet();
      const auto judgement = oracle::judge(resolved, packet);
      const bool expected = Reference{node, packet}.matches(policy.egress.front());
      ++(expected ? matched : missed);
      if (judgement.allow == expected) continue;
      CAPTURE(round, i, to_string(packet.source), to_string(packet.destination), int{packet.protocol}, packet.source_port,
              packet.destination_port, int{packet.icmp_type}, expected, resolve::reason_name(judgement.reason));
      FAIL("the written rule and the resolved ones differ");
    }
  }
  // The generator is of use only if both outcomes are common.
  CHECK(matched > 2000);
  CHECK(missed > 2000);
}
