#include "controller/node_object.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "model/pattern.h"
#include "model/validate.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::controller {
namespace {

constexpr std::string_view kHostnameLabel = "kubernetes.io/hostname";

bool starts_with(const Address& address, std::string_view network) {
  const auto cidr = parse_cidr(network, BareAddress::refuse);
  return cidr && cidr->contains(address);
}

// Addresses that say nothing about where the host can be reached.
bool is_local_only(const Address& address) {
  for (const std::string_view network : {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/127",
                                         "fe80::/10", "ff00::/8"}) {
    if (starts_with(address, network)) return true;
  }
  return false;
}

// A router answers the first address of its IPv6 networks; every router on the link does.
bool is_subnet_router(const Cidr& own, const resolve::InterfaceFacts& interface) {
  if (own.address.family != Family::v6 || own.prefix != 128) return false;
  return std::ranges::any_of(interface.addresses, [&](const Cidr& other) {
    return other.address.family == Family::v6 && other.prefix < 127 && other.masked().address == own.address &&
           other.address != own.address;
  });
}

std::vector<model::NodeInterface> own_interfaces(const resolve::NodeFacts& facts, const resolve::Settings& settings) {
  std::vector<model::NodeInterface> interfaces;
  const model::NameList excluded(settings.interface_exclude);
  for (const auto& one : facts.interfaces) {
    if (one.is_loopback || one.name == "lo" || resolve::is_workload_interface(settings, one.name) ||
        excluded.contains(one.name))
      continue;
    model::NodeInterface interface{.name = one.name, .addresses = {}};
    for (const auto& cidr : one.addresses) {
      if (!is_local_only(cidr.address) && !is_subnet_router(cidr, one)) interface.addresses.push_back(cidr.address);
    }
    std::ranges::sort(interface.addresses);
    const auto repeated = std::ranges::unique(interface.addresses);
    interface.addresses.erase(repeated.begin(), repeated.end());
    interfaces.push_back(std::move(interface));
  }
  std::ranges::sort(interfaces, {}, &model::NodeInterface::name);
  return interfaces;
}

std::vector<model::NodeAddress> internal_addresses(const std::vector<model::NodeInterface>& interfaces) {
  std::vector<model::NodeAddress> addresses;
  std::set<Address> seen;
  for (const auto family : {Family::v4, Family::v6}) {
    for (const auto& interface : interfaces) {
      for (const auto& address : interface.addresses) {
        if (address.family == family && seen.insert(address).second)
          addresses.push_back({.address = to_string(address), .type = "InternalIP"});
      }
    }
  }
  return addresses;
}

// Our labels, and before them those that people gave the object; what was ours and is no longer wanted goes.
void set_labels(model::Metadata& metadata, const std::string& node, const model::Labels& labels) {
  model::Labels own = labels;
  if (model::is_label_value(node)) own.emplace(kHostnameLabel, node);
  std::string& remembered = metadata.annotations[std::string(kOwnLabelsAnnotation)];
  std::istringstream before(remembered);
  for (std::string key; std::getline(before, key, ',');)
    if (!own.contains(key)) metadata.labels.erase(key);
  remembered.clear();
  for (const auto& [key, value] : own) {
    metadata.labels[key] = value;
    remembered += (remembered.empty() ? "" : ",") + key;
  }
}

}  // namespace

std::optional<model::Resource> node_object(const model::ResourceSet& resources, const resolve::NodeFacts& facts,
                                           const model::Labels& labels) {
  const auto found = resources.find({model::Kind::Node, facts.node});
  const bool exists = found != resources.end();
  if (exists && !found->second.metadata.annotations.contains(kOwnLabelsAnnotation)) return std::nullopt;
  std::vector<resolve::Condition> ignored;
  const auto settings = resolve::resolve_settings(resources, facts.node, ignored);
  model::Resource wanted;
  if (exists) wanted.metadata = found->second.metadata;
  wanted.metadata.name = facts.node;
  set_labels(wanted.metadata, facts.node, labels);
  model::Node node;
  if (exists) {
    // What people add beside addresses (BGP, tunnels) stays.
    if (const auto* known = std::get_if<model::Node>(&found->second.spec)) node = *known;
  }
  node.interfaces = own_interfaces(facts, settings);
  node.addresses = internal_addresses(node.interfaces);
  wanted.spec = std::move(node);
  if (exists && wanted == found->second) return std::nullopt;
  wanted.metadata.resource_version.clear();
  return wanted;
}

std::vector<model::ResourceId> left_nodes(const model::ResourceSet& resources, const std::string& node) {
  std::vector<model::ResourceId> left;
  for (const auto& [id, resource] : resources) {
    if (id.kind == model::Kind::Node && id.name != node && resource.metadata.annotations.contains(kOwnLabelsAnnotation))
      left.push_back(id);
  }
  return left;
}

}  // namespace nodewall::controller
