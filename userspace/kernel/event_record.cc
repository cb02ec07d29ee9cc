#include "kernel/event_record.h"

#include <cstring>

#include "maps/policy.h"

namespace nodewall::kernel {

std::optional<nw_event> event_record(std::span<const std::uint8_t> bytes) {
  nw_event event{};
  if (bytes.size() != sizeof event) return std::nullopt;
  std::memcpy(&event, bytes.data(), sizeof event);
  const bool known = event.direction < NW_DIRECTIONS && event.verdict <= NW_ALLOW && event.reason != NW_REASON_NONE &&
                     event.reason < NW_REASON_SLOTS && event.chain < NW_CHAINS;
  return known ? std::optional(event) : std::nullopt;
}

}  // namespace nodewall::kernel
