// Kernel values: what the small maps shall hold, from what is resolved. One place for everyone who writes, compares or tries them.
#pragma once

#include <map>
#include <vector>

#include "kernel/datapath.h"
#include "resolve/endpoint_policy.h"
#include "resolve/facts.h"

namespace nodewall::engine {

nw_settings to_kernel(const resolve::Settings& settings);
std::vector<kernel::FailsafeEntry> failsafe_entries(const resolve::Settings& settings);
// NW_LOCAL_* by address.
std::map<Address, std::uint32_t> local_entries(const resolve::Resolved& resolved);
// NW_INTERFACE_* of an interface that the endpoint governs.
std::uint32_t interface_flags(const resolve::InterfaceFacts& interface, const resolve::EndpointPolicy& endpoint);

}  // namespace nodewall::engine
