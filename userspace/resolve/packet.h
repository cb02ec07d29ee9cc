// PacketQuery: one packet as a person writes it in a vector or to `trace`; and the Judgement that every engine answers with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip.h"
#include "maps/verdict.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::resolve {

struct PacketQuery {
  std::string interface;
  std::uint32_t direction = NW_INGRESS;
  Address source;
  Address destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;       // host order; protocols with ports only
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  std::uint8_t tcp_flags = 0x02;       // FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
  bool forwarded = false;              // egress: the packet came in by another interface (at ingress the destination says it)
};

// What the staged policies would do.
struct StagedJudgement {
  bool allow = false;
  Origin origin;  // of the staged rule that would decide; empty: something that is enforced now would
  bool operator==(const StagedJudgement&) const = default;
};

struct Judgement {
  bool allow = false;
  std::uint32_t reason = NW_REASON_NONE;
  Origin origin;  // empty for reasons that no policy gave
  bool logged = false;  // a Log rule comes before what decided, in a chain that was asked
  std::optional<StagedJudgement> staged = std::nullopt;  // nothing: no chain that was asked has staged policies
  bool operator==(const Judgement&) const = default;
};

std::string_view reason_name(std::uint32_t reason);  // of NW_REASONS; "unknown" otherwise

}  // namespace nodewall::resolve
