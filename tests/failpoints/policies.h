// The two policies of a Site, and the packets that tell them apart.
#pragma once

#include <cstdint>

#include "model/resources.h"

namespace failpoints {

// open: nothing is enforced; closed: what `before` governs is closed altogether.
enum class Which { before, after, open, closed };
inline Which other(Which which) { return which == Which::before ? Which::after : Which::before; }

struct Probe {
  const char* name;
  const char* interface;  // the digit of host0 or host1
  std::uint16_t port;
  bool before, after;
};

inline constexpr std::uint16_t kMarker = 68;   // a failsafe port of both
inline constexpr std::uint16_t kFlow = 6001;   // the host's end of a flow that only conntrack lets in
inline constexpr std::uint16_t kFar = 7;       // its far end, and the port that the host may speak to
inline constexpr std::uint16_t kFarDenied = 9999;

inline constexpr Probe kProbes[] = {
    {"host0 5000, allowed by both", "0", 5000, true, true},
    {"host0 6500, allowed before", "0", 6500, true, false},
    {"host0 6000, allowed after", "0", 6000, false, true},
    {"host0 7000, denied by both", "0", 7000, false, false},
    {"host0 68, failsafe of both", "0", kMarker, true, true},
    {"host0 8001, failsafe before", "0", 8001, true, false},
    {"host0 8002, failsafe after", "0", 8002, false, true},
    {"host1 5000, open before, allowed after", "1", 5000, true, true},
    {"host1 7000, open before, allowed after", "1", 7000, true, true},
    {"host1 6000, open before", "1", 6000, true, false},
};
inline constexpr const char* kReply = "host0, an answer to what the host began";
inline constexpr const char* kOut = "host0, out to an allowed port";
inline constexpr const char* kOutDenied = "host0, out to a denied port";
inline constexpr const char* kLast = "host1, failsafe or open";

// `before` or `after`, with a table of flows of this size.
nodewall::model::ResourceSet policy(Which which, std::uint32_t conntrack_size);

}  // namespace failpoints
