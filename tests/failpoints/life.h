// What crash_test.cc and error_test.cc share: an engine's way from start to a policy in force.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "failpoint.h"
#include "site.h"

namespace failpoints {

// Starts an engine, applies and ticks. Before each change packets are asked, and answered as by one of `possible`; none: not asked. The
// fault, or nothing.
std::string live(Site& site, Which which, const std::set<Which>& possible = {});

// A life in a process of its own, which ends at the call with this number, or before.
enum class Outcome { crashed, finished, failed };
Outcome crashing_life(Site& site, std::size_t call, const std::function<bool(Site&)>& life);

// Both directions of the host's own flow are seen, and it is a confirmed one.
void open_flow(Site& site);

std::size_t open_descriptors();

// The call that a test begins with: NODEWALL_CALL, to come back to the one that failed.
std::size_t first_call();

}  // namespace failpoints
