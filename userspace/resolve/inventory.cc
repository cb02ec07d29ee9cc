#include "resolve/inventory.h"

#include <algorithm>
#include <utility>

namespace nodewall::resolve {
namespace {

model::Labels labels_of(const model::Resource& resource, const model::HostEndpoint& spec,
                        const model::ResourceSet& resources) {
  model::Labels labels = resource.metadata.labels;
  for (const auto& name : spec.profiles) {
    const auto found = resources.find({model::Kind::Profile, name});
    if (found == resources.end()) continue;
    // insert() keeps what is there: the endpoint's own label wins, then the first profile's.
    const auto& apply = std::get<model::Profile>(found->second.spec).labels_to_apply;
    labels.insert(apply.begin(), apply.end());
  }
  return labels;
}

}  // namespace

Inventory::Inventory(const model::ResourceSet& resources) {
  for (const auto& [id, resource] : resources) {
    if (const auto* endpoint = std::get_if<model::HostEndpoint>(&resource.spec))
      endpoints_.push_back({endpoint, id.name, labels_of(resource, *endpoint, resources)});
    else if (const auto* set = std::get_if<model::GlobalNetworkSet>(&resource.spec))
      network_sets_.push_back({set, &resource.metadata.labels});
  }
}

SetIndex Inventory::addresses(const model::Selector& selector, SetTable& sets) {
  const auto known = by_selector_.find(selector.canonical());
  if (known != by_selector_.end()) return known->second;
  std::vector<Cidr> members;
  for (const auto& set : network_sets_)
    if (selector.matches(*set.labels)) members.insert(members.end(), set.spec->nets.begin(), set.spec->nets.end());
  for (const auto& endpoint : endpoints_) {
    if (endpoint.spec->expected_ips.empty() || !selector.matches(endpoint.labels)) continue;
    for (const auto& address : endpoint.spec->expected_ips) members.push_back(host_cidr(address));
  }
  const auto index = sets.intern(std::move(members));
  by_selector_.emplace(selector.canonical(), index);
  return index;
}

std::vector<NamedPort> Inventory::named_ports(std::string_view name, const model::Selector* selector) const {
  std::map<std::pair<std::uint8_t, std::uint16_t>, std::vector<Cidr>> found;
  for (const auto& endpoint : endpoints_) {
    for (const auto& port : endpoint.spec->ports) {
      if (port.name != name || endpoint.spec->expected_ips.empty()) continue;
      if (selector != nullptr && !selector->matches(endpoint.labels)) continue;
      auto& addresses = found[{port.protocol.number, port.port}];
      for (const auto& address : endpoint.spec->expected_ips) addresses.push_back(host_cidr(address));
    }
  }
  std::vector<NamedPort> ports;
  for (auto& [key, addresses] : found) ports.push_back({key.first, key.second, std::move(addresses)});
  return ports;
}

}  // namespace nodewall::resolve
