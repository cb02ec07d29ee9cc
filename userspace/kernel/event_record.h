// A record of nw_events, checked: what a ring buffer holds is foreign bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "maps/events.h"

namespace nodewall::kernel {

// Nothing for a record of another size, or whose direction, verdict, reason or chain there is not.
std::optional<nw_event> event_record(std::span<const std::uint8_t> bytes);

}  // namespace nodewall::kernel
