// `nodewall disarm` and `nodewall arm`: the operator's switch. A marker in the run directory says which; the daemon follows it, and
// without a daemon the pins are taken off here.
#pragma once

#include <string>

#include "inspect_node.h"

namespace nodewall::cli {

// What was done, in a sentence.
Result<std::string> disarm(const NodePlace& place);
Result<std::string> arm(const NodePlace& place);

}  // namespace nodewall::cli
