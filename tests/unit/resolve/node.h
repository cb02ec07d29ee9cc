// A node to resolve for, in few words: eth0 10.0.0.2/24 and 2001:db8::2/64, eth1 192.168.1.2/24, cali1, lo.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resolve/endpoint_policy.h"
#include "resolve/packet.h"

namespace nodewall::testing {

inline Address ip(std::string_view text) { return parse_address(text).value(); }
inline Cidr net(std::string_view text) { return parse_cidr(text, BareAddress::is_host).value(); }
inline std::vector<Cidr> nets(const std::vector<std::string_view>& texts) {
  std::vector<Cidr> result;
  for (const auto text : texts) result.push_back(net(text));
  return result;
}
inline model::Selector selector(std::string_view text) { return model::Selector::parse(text).value(); }
inline model::Protocol protocol(std::string_view name) { return model::protocol_by_name(name).value(); }
inline model::Port port(std::uint16_t number) { return model::PortRange{number, number}; }
inline model::Port port(std::uint16_t first, std::uint16_t last) { return model::PortRange{first, last}; }
inline model::Port port(const char* name) { return std::string(name); }

inline model::Rule rule(model::Action action) {
  model::Rule result;
  result.action = action;
  return result;
}
inline model::Rule rule(model::Action action, std::string_view protocol_name, std::vector<model::Port> ports) {
  auto result = rule(action);
  result.protocol = protocol(protocol_name);
  result.destination.ports = std::move(ports);
  return result;
}

struct Node {
  model::ResourceSet resources;
  resolve::NodeFacts facts;

  Node() {
    facts.node = "node1";
    facts.interfaces = {interface("eth0", 2, {"10.0.0.2/24", "2001:db8::2/64"}), interface("eth1", 3, {"192.168.1.2/24"}),
                        interface("cali1", 4, {}), interface("lo", 1, {"127.0.0.1/8", "::1/128"})};
    facts.interfaces.back().is_loopback = true;
  }

  static resolve::InterfaceFacts interface(std::string name, std::uint32_t ifindex, const std::vector<std::string_view>& addresses) {
    resolve::InterfaceFacts result;
    result.name = std::move(name);
    result.ifindex = ifindex;
    result.addresses = nets(addresses);
    return result;
  }

  template <typename Spec>
  Spec& add(const std::string& name, Spec spec, model::Labels labels = {}) {
    model::Resource resource;
    resource.metadata.name = name;
    resource.metadata.labels = std::move(labels);
    resource.spec = std::move(spec);
    auto& stored = resources[resource.id()];
    stored = std::move(resource);
    return std::get<Spec>(stored.spec);
  }

  model::HostEndpoint& hep(const std::string& name, const std::string& interface_name, std::vector<std::string> profiles = {},
                           model::Labels labels = {}) {
    model::HostEndpoint spec;
    spec.node = "node1";
    spec.interface_name = interface_name;
    spec.profiles = std::move(profiles);
    return add(name, std::move(spec), std::move(labels));
  }

  model::GlobalNetworkPolicy& policy(const std::string& name, std::vector<model::Rule> ingress, std::optional<double> order = {}) {
    model::GlobalNetworkPolicy spec;
    spec.order = order;
    spec.ingress = std::move(ingress);
    return add(name, std::move(spec));
  }

  model::Tier& tier(const std::string& name, std::optional<double> order, model::TierAction action = model::TierAction::Deny) {
    return add(name, model::Tier{.order = order, .default_action = action});
  }

  model::FelixConfiguration& felix(const std::string& name) { return add(name, model::FelixConfiguration{}); }

  [[nodiscard]] resolve::Resolved resolve() const { return resolve::resolve(resources, facts); }
};

// Who governs the interface; empty: nobody.
inline std::string governor(const resolve::Resolved& resolved, std::string_view interface) {
  for (const auto& it : resolved.assignments)
    if (it.interface == interface) return resolved.endpoints.at(it.endpoint).host_endpoint;
  return "";
}

// The first condition of that type about the object of that name.
inline std::optional<resolve::Condition> condition(const resolve::Resolved& resolved, std::string_view type, std::string_view object) {
  for (const auto& it : resolved.conditions)
    if (it.type == type && it.object.name == object) return it;
  return std::nullopt;
}
inline bool has_condition(const resolve::Resolved& resolved, std::string_view type, std::string_view object) {
  return condition(resolved, type, object).has_value();
}

// A TCP SYN that arrives at eth0 from 10.0.0.1.
inline resolve::PacketQuery tcp(std::uint16_t port, std::string_view source = "10.0.0.1") {
  resolve::PacketQuery packet;
  packet.interface = "eth0";
  packet.source = ip(source);
  packet.destination = packet.source.family == Family::v4 ? ip("10.0.0.2") : ip("2001:db8::2");
  packet.protocol = 6;
  packet.source_port = 40000;
  packet.destination_port = port;
  return packet;
}

inline resolve::PacketQuery leaving(resolve::PacketQuery packet) {
  std::swap(packet.source, packet.destination);
  packet.direction = NW_EGRESS;
  return packet;
}

}  // namespace nodewall::testing
