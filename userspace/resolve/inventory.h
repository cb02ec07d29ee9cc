// What selectors of policies and rules look at: host endpoints of every node and network sets, with the labels that count, and the
// address set or named ports that a selector stands for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/resources.h"
#include "resolve/address_sets.h"
#include "resolve/normal_form.h"
#include "resolve/written_lists.h"

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

// What a selector stood for when it was looked at last. Shared: remembered rules look at it again.
struct Selected {
  model::Selector selector;
  WrittenLists lists;                // of the network sets and host endpoints that it matched
  std::optional<NormalForm> normal;  // of their members
  std::shared_ptr<KnownSet> set;
  std::uint64_t round = 0;           // of that look
};

// What is remembered from one round of resolving to the next.
struct InventoryMemory {
  SetPool sets;
  std::map<std::string, std::shared_ptr<Selected>> selectors;  // by canonical text
  struct Endpoint {
    std::string name;
    model::HostEndpoint spec;
    model::Labels labels;
  };
  std::vector<Endpoint> endpoints;
};

class Inventory {
 public:
  // Keeps pointers into `resources`. Round: another one each time.
  Inventory(const model::ResourceSet& resources, InventoryMemory& memory, std::uint64_t round);

  [[nodiscard]] const std::vector<KnownEndpoint>& endpoints() const { return endpoints_; }  // by name
  // The host endpoints are those of the round before.
  [[nodiscard]] bool same_endpoints() const { return same_endpoints_; }
  // Addresses of the host endpoints and network sets that the selector matches; one computation a selector.
  SetIndex addresses(const model::Selector& selector, SetTable& sets);
  SetIndex addresses(const std::shared_ptr<Selected>& selected, SetTable& sets);
  // `selector` null: all host endpoints.
  [[nodiscard]] std::vector<NamedPort> named_ports(std::string_view name, const model::Selector* selector) const;

 private:
  struct KnownSpec {
    const model::GlobalNetworkSet* spec = nullptr;
    const model::Labels* labels = nullptr;
  };

  void remember_endpoints();
  void look(Selected& selected);
  [[nodiscard]] WrittenLists lists_of(const model::Selector& selector) const;

  InventoryMemory& memory_;
  const std::uint64_t round_;
  std::vector<KnownEndpoint> endpoints_;
  std::vector<KnownSpec> network_sets_;
  bool same_endpoints_ = true;
};

}  // namespace nodewall::resolve
