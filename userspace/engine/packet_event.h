// PacketEvent: a packet that a Log rule matched, in words. Made from the program's record (maps/events.h) and the policy that is
// enforced; what follows from the policy is there only when the packet was judged by the policy that still is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "compile/table_image.h"
#include "maps/events.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::engine {

struct PacketEvent {
  std::int64_t time_ns = 0;            // since 1970, UTC
  std::string interface;               // "#7" when no interface of that number is governed any more
  std::string host_endpoint;
  std::uint32_t direction = NW_INGRESS;
  Address source, destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;       // host order; protocols with ports only
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0, icmp_code = 0;
  std::uint8_t tcp_flags = 0;          // FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
  std::uint32_t length = 0;            // bytes of the frame
  bool allow = false;
  std::uint32_t reason = NW_REASON_NONE;
  bool forwarded = false;
  std::uint32_t chain = NW_CHAIN_INGRESS;  // whose Log rule it was
  std::uint32_t generation = 0;
  std::optional<resolve::Origin> origin;   // of the rule that decided
  std::vector<resolve::Origin> log_rules;  // of that chain, in order
  bool operator==(const PacketEvent&) const = default;
};

// Both clocks at one moment.
struct Moment {
  std::int64_t wall_ns = 0;       // since 1970
  std::uint64_t monotonic_ns = 0;
};
Moment moment_now();
// A time of the past on the monotonic clock, on the wall's. One that is yet to come is now.
std::int64_t wall_time(const Moment& now, std::uint64_t monotonic_ns);

// What the numbers of one generation mean. Rule counters are filled in when they are first asked for.
struct EventNames {
  std::uint32_t generation = 0;   // 0: nothing is known
  std::unordered_map<std::uint32_t, resolve::Origin> rules;  // by counter slot
};

struct EventContext {
  const resolve::Resolved* applied = nullptr;  // of names.generation
  const EventNames* names = nullptr;
  std::string interface = {}, host_endpoint = {};
  Moment now;
};

// `raw` was checked by kernel::event_record.
PacketEvent packet_event(const nw_event& raw, const EventContext& context);

}  // namespace nodewall::engine
