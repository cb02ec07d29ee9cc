// `ports` and `notPorts` of one side of a rule as alternatives: the side matches if one of them does.
//
// A name stands for (address, protocol, port) tuples. `ports` is split into one alternative for the numbers and one for each set
// of addresses; `notPorts` excludes tuples, so each port that a name stands for gets an alternative of its own, which excludes the
// addresses that have it, and all other ports share one.
#pragma once

#include <bitset>
#include <optional>
#include <vector>

#include "resolve/address_sets.h"
#include "resolve/inventory.h"

namespace nodewall::resolve {

using Protocols = std::bitset<256>;
using Ports = std::vector<model::PortRange>;  // sorted, disjoint

const Protocols& protocols_with_ports();  // TCP, UDP, SCTP, UDPLite

struct PortAlternative {
  Protocols protocols;         // among those with ports, when `ports` is there
  std::optional<Ports> ports;  // absent: any, or none
  std::vector<SetIndex> in;
  std::vector<SetIndex> not_in;
};

// Nothing matches: an empty list. `protocols` are those that the rule allows otherwise.
std::vector<PortAlternative> port_alternatives(const model::EntityRule& entity, const Protocols& protocols,
                                               const Inventory& inventory, SetTable& sets);

Ports merged(Ports ports);  // sorted, disjoint
Ports complement(const Ports& ports);  // of merged ports, in 0..65535
Ports intersection(const Ports& a, const Ports& b);

}  // namespace nodewall::resolve
