// Reference: what a frame is, read byte by byte as the RFCs and docs/security.md have it, without a line of the programs' text.
//
// It answers for a host without flows and fragments that has the addresses and the standard policy of Lab. The order of the stages is that of
// docs/architecture.md: link, network, addresses, transport, policy.
#pragma once

#include <cstdint>
#include <span>

#include "lab.h"

namespace prog {

Outcome reference(std::span<const std::uint8_t> frame, Hook hook);

}  // namespace prog
