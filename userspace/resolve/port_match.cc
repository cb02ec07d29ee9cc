#include "resolve/port_match.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace nodewall::resolve {
namespace {

using Alternatives = std::vector<PortAlternative>;

Ports numbers_in(const std::vector<model::Port>& list) {
  Ports ports;
  for (const auto& port : list)
    if (const auto* range = std::get_if<model::PortRange>(&port)) ports.push_back(*range);
  return merged(std::move(ports));
}

// The ports that the names of a list stand for, by protocol and set of addresses.
using Tuples = std::map<std::pair<std::uint8_t, SetIndex>, Ports>;

Tuples tuples_in(const std::vector<model::Port>& list, const model::EntityRule& entity, const Protocols& protocols,
                 const Inventory& inventory, SetTable& sets) {
  std::map<std::pair<std::uint8_t, std::uint16_t>, std::vector<Cidr>> addresses;
  for (const auto& port : list) {
    const auto* name = std::get_if<std::string>(&port);
    if (name == nullptr) continue;
    for (auto& found : inventory.named_ports(*name, entity.selector ? &*entity.selector : nullptr)) {
      if (!protocols.test(found.protocol) || !protocols_with_ports().test(found.protocol)) continue;
      // Two names may stand for one port: the addresses of both count.
      auto& all = addresses[{found.protocol, found.port}];
      all.insert(all.end(), found.addresses.begin(), found.addresses.end());
    }
  }
  Tuples tuples;
  for (auto& [key, members] : addresses)
    tuples[{key.first, sets.intern(std::move(members))}].push_back({key.second, key.second});
  for (auto& [key, ports] : tuples) ports = merged(std::move(ports));
  return tuples;
}

Protocols only(std::uint8_t protocol) {
  Protocols protocols;
  protocols.set(protocol);
  return protocols;
}

void add(Alternatives& to, PortAlternative alternative) {
  if (alternative.protocols.none() || (alternative.ports && alternative.ports->empty())) return;
  to.push_back(std::move(alternative));
}

Alternatives among(const Ports& numbers, const Tuples& tuples, const Protocols& protocols) {
  Alternatives result;
  add(result, {protocols & protocols_with_ports(), numbers, {}, {}});
  for (const auto& [key, ports] : tuples) add(result, {only(key.first), ports, {key.second}, {}});
  return result;
}

Alternatives outside(const Ports& numbers, const Tuples& tuples, const Protocols& protocols) {
  Alternatives result;
  const Ports others = complement(numbers);
  std::map<std::uint8_t, Ports> named;  // by protocol
  for (const auto& [key, ports] : tuples) {
    auto& all = named[key.first];
    all.insert(all.end(), ports.begin(), ports.end());
    add(result, {only(key.first), intersection(ports, others), {}, {key.second}});
  }
  Protocols rest = protocols;
  for (auto& [protocol, ports] : named) {
    add(result, {only(protocol), intersection(others, complement(merged(std::move(ports)))), {}, {}});
    rest.reset(protocol);
  }
  if (numbers.empty()) {
    add(result, {rest, {}, {}, {}});
  } else {
    add(result, {rest & protocols_with_ports(), others, {}, {}});
    add(result, {rest & ~protocols_with_ports(), {}, {}, {}});  // has no port, so none of the list
  }
  return result;
}

Alternatives both(const Alternatives& a, const Alternatives& b) {
  Alternatives result;
  for (const auto& x : a) {
    for (const auto& y : b) {
      PortAlternative next = x;
      next.protocols &= y.protocols;
      if (x.ports && y.ports) next.ports = intersection(*x.ports, *y.ports);
      else if (y.ports) next.ports = y.ports;
      next.in.insert(next.in.end(), y.in.begin(), y.in.end());
      next.not_in.insert(next.not_in.end(), y.not_in.begin(), y.not_in.end());
      add(result, std::move(next));
    }
  }
  return result;
}

}  // namespace

const Protocols& protocols_with_ports() {
  static const Protocols protocols = only(6) | only(17) | only(132) | only(136);
  return protocols;
}

std::vector<PortAlternative> port_alternatives(const model::EntityRule& entity, const Protocols& protocols,
                                               const Inventory& inventory, SetTable& sets) {
  Alternatives result = {{protocols, {}, {}, {}}};
  if (!entity.ports.empty()) {
    const auto tuples = tuples_in(entity.ports, entity, protocols, inventory, sets);
    result = among(numbers_in(entity.ports), tuples, protocols);
  }
  if (!entity.not_ports.empty()) {
    const auto tuples = tuples_in(entity.not_ports, entity, protocols, inventory, sets);
    result = both(result, outside(numbers_in(entity.not_ports), tuples, protocols));
  }
  return result;
}

Ports merged(Ports ports) {
  std::ranges::sort(ports);
  Ports result;
  for (const auto& range : ports) {
    // As int: 65535 + 1 is no port.
    if (!result.empty() && int{range.first} <= int{result.back().last} + 1)
      result.back().last = std::max(result.back().last, range.last);
    else
      result.push_back(range);
  }
  return result;
}

Ports complement(const Ports& ports) {
  Ports result;
  int next = 0;
  for (const auto& range : ports) {
    if (next < range.first)
      result.push_back({static_cast<std::uint16_t>(next), static_cast<std::uint16_t>(range.first - 1)});
    next = range.last + 1;
  }
  if (next <= 65535) result.push_back({static_cast<std::uint16_t>(next), 65535});
  return result;
}

Ports intersection(const Ports& a, const Ports& b) {
  Ports result;
  for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
    const auto first = std::max(x->first, y->first);
    const auto last = std::min(x->last, y->last);
    if (first <= last) result.push_back({first, last});
    if (x->last < y->last) ++x;
    else ++y;
  }
  return result;
}

}  // namespace nodewall::resolve
