// What selectors of policies and rules look at: host endpoints of every node and network sets, with the labels that count, and the
// address set or named ports that a selector stands for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/resources.h"
#include "resolve/address_sets.h"

namespace nodewall::resolve {

struct KnownEndpoint {
  const model::HostEndpoint* spec = nullptr;
  std::string name;
  model::Labels labels;  // its own, and those that its profiles apply where it has none of that name
};

// One (protocol, port) that a port name stands for, and where.
struct NamedPort {
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;
  std::vector<Cidr> addresses;
};

class Inventory {
 public:
  // Keeps pointers into `resources`.
  explicit Inventory(const model::ResourceSet& resources);

  [[nodiscard]] const std::vector<KnownEndpoint>& endpoints() const { return endpoints_; }  // by name
  // Addresses of the host endpoints and network sets that the selector matches; one computation a selector.
  SetIndex addresses(const model::Selector& selector, SetTable& sets);
  // `selector` null: all host endpoints.
  [[nodiscard]] std::vector<NamedPort> named_ports(std::string_view name, const model::Selector* selector) const;

 private:
  struct KnownSet {
    const model::GlobalNetworkSet* spec = nullptr;
    const model::Labels* labels = nullptr;
  };

  std::vector<KnownEndpoint> endpoints_;
  std::vector<KnownSet> network_sets_;
  std::map<std::string, SetIndex> by_selector_;  // by canonical text
};

}  // namespace nodewall::resolve
