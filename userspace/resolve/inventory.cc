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

// With more changes the whole is as fast.
constexpr std::size_t kMostChanges = 1024;

// From what the selector stood for to what it stands for; false: that has to be made anew.
bool follow(NormalForm& normal, const WrittenLists& before, const WrittenLists& after) {
  const auto changes = member_changes(before, after, kMostChanges);
  return changes && std::ranges::all_of(changes->fresh, [&](const Cidr& net) { return normal.add(net); }) &&
         std::ranges::all_of(changes->gone, [&](const Cidr& net) { return normal.remove(net); });
}

}  // namespace

Inventory::Inventory(const model::ResourceSet& resources, InventoryMemory& memory, std::uint64_t round) : memory_(memory), round_(round) {
  for (const auto& [id, resource] : resources) {
    if (const auto* endpoint = std::get_if<model::HostEndpoint>(&resource.spec))
      endpoints_.push_back({endpoint, id.name, labels_of(resource, *endpoint, resources)});
    else if (const auto* set = std::get_if<model::GlobalNetworkSet>(&resource.spec))
      network_sets_.push_back({set, &resource.metadata.labels});
  }
  remember_endpoints();
}

void Inventory::remember_endpoints() {
  const auto same = [](const KnownEndpoint& now, const InventoryMemory::Endpoint& before) {
    return now.name == before.name && *now.spec == before.spec && now.labels == before.labels;
  };
  same_endpoints_ = std::ranges::equal(endpoints_, memory_.endpoints, same);
  if (same_endpoints_) return;
  memory_.endpoints.clear();
  for (const auto& endpoint : endpoints_) memory_.endpoints.push_back({endpoint.name, *endpoint.spec, endpoint.labels});
}

WrittenLists Inventory::lists_of(const model::Selector& selector) const {
  WrittenLists lists;
  for (const auto& set : network_sets_)
    if (selector.matches(*set.labels)) lists.push_back(set.spec->nets);
  std::vector<Cidr> hosts;
  for (const auto& endpoint : endpoints_) {
    if (endpoint.spec->expected_ips.empty() || !selector.matches(endpoint.labels)) continue;
    for (const auto& address : endpoint.spec->expected_ips) hosts.push_back(host_cidr(address));
  }
  lists.emplace_back(std::move(hosts));
  return lists;
}

void Inventory::look(Selected& selected) {
  auto lists = lists_of(selected.selector);
  if (!selected.normal || !follow(*selected.normal, selected.lists, lists)) selected.normal.emplace(all_members(lists));
  selected.lists = std::move(lists);
  selected.set = memory_.sets.find_or_add(selected.normal->members(), selected.normal->hash());
  selected.round = round_;
}

SetIndex Inventory::addresses(const model::Selector& selector, SetTable& sets) {
  auto& selected = memory_.selectors[selector.canonical()];
  if (!selected) selected = std::make_shared<Selected>(Selected{.selector = selector, .lists = {}, .normal = {}, .set = {}});
  return addresses(selected, sets);
}

SetIndex Inventory::addresses(const std::shared_ptr<Selected>& selected, SetTable& sets) {
  if (selected->round != round_) look(*selected);
  return sets.intern(selected->set, selected);
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
