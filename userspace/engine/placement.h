// Placement: which slot each host endpoint gets in the next image, which hook judges at ingress, and what the interface entries shall
// be. Pure; the engine carries it out.
//
// The image goes live in one step, the interface entries one after the other. So a slot number must mean, in the next image, what
// every entry that still points to it may mean: an endpoint that takes over all interfaces of one that goes inherits its slot (one
// step changes both), and a slot that entries still point to is not given to anybody else.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "compile/table_image.h"
#include "maps/endpoint.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::engine {

using InterfaceEntries = std::map<std::uint32_t, nw_interface>;  // by ifindex

compile::Slots place_endpoints(const compile::Slots& previous, const resolve::Resolved& resolved,
                               const InterfaceEntries& live);

// What the entries shall be just before the new image goes live: without the interfaces that nobody governs any more, and already
// pointing to their new endpoint where both images have it and only the old endpoint goes; with the chains of both images.
InterfaceEntries entries_before_flip(const InterfaceEntries& live, const InterfaceEntries& wanted,
                                     const compile::Slots& previous, const compile::Slots& next);

// The first rule that names the interface decides; none: Auto.
model::IngressHook ingress_hook(const resolve::Settings& settings, std::string_view interface);

}  // namespace nodewall::engine
