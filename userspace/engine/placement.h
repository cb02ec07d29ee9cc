// Placement: which slot each host endpoint gets in the next image, which hook judges at ingress, and what the interface entries shall
// be. Pure; the engine carries it out.
//
// The image goes live in one step, the interface entries one after the other. So the slot that an interface's entry points to must mean
// that interface's old policy in the old image and its new policy in the next one; the entries are rewritten behind it, between slots that
// mean the same. Where all interfaces of a slot get one endpoint, the slot is that endpoint's, or judges as it does (an alias). Interfaces
// of one slot that shall part are given slots of their own first, in an image of the old policy.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "compile/table_image.h"
#include "maps/endpoint.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::engine {

using InterfaceEntries = std::map<std::uint32_t, nw_interface>;  // by ifindex
using Aliases = std::map<std::uint32_t, std::string>;            // by slot: the host endpoint that it judges as

struct Placement {
  compile::Slots slots;
  Aliases aliases;
};

// `keeps_policy`: the host endpoint judges alike in both images. A slot whose interfaces part is nobody's, unless its owner keeps it and its
// policy: what still points there is dropped.
Placement place_endpoints(const compile::Slots& previous, const resolve::Resolved& resolved, const InterfaceEntries& live,
                          const std::function<bool(const std::string&)>& keeps_policy);

// The entries with slots of their own for interfaces that shall part, and what these slots judge as. No aliases: nothing parts.
struct Parting {
  InterfaceEntries entries;
  Aliases aliases;
};
Parting part_interfaces(const compile::Slots& previous, const resolve::Resolved& resolved, const InterfaceEntries& live,
                        const std::function<bool(const std::string&)>& keeps_policy);

// The policy with its aliases, for compile(): each is an endpoint more, whose diagrams are the other's.
struct WithAliases {
  resolve::Resolved resolved;
  compile::Slots slots;
};
WithAliases with_aliases(const resolve::Resolved& resolved, const compile::Slots& slots, const Aliases& aliases);

// What the entries shall be just before the new image goes live: as they are, with the chains of both images, and
// without the interfaces that nobody governs any more.
InterfaceEntries entries_before_flip(const InterfaceEntries& live, const InterfaceEntries& wanted);

// The first rule that names the interface decides; none: Auto.
model::IngressHook ingress_hook(const resolve::Settings& settings, std::string_view interface);

}  // namespace nodewall::engine
