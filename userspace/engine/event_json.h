// Packet events as lines of JSON: what <run_dir>/events.jsonl holds. A line is ASCII: nothing that a terminal obeys is in it.
//
//   {"time":"2026-03-01T12:00:00.123456Z","interface":"eth0","hostEndpoint":"node1-eth0","direction":"ingress","chain":"ingress",
//    "verdict":"deny","reason":"tier_default","src":"10.0.0.1","dst":"10.0.0.2","protocol":"TCP","sport":31245,"dport":80,"flags":"S",
//    "length":74,"forwarded":false,"generation":4,"tier":"default","logRules":[{"tier":"default","policy":"log-all","rule":0}]}
//   {"time":"2026-03-01T12:00:01.000000Z","suppressed":17,"lost":0,"damaged":0}
//
// A packet's fields are those of packet_json.h. ICMP has "type" and "code" instead of ports, "flags" are TCP's. tier, policy and rule are
// of the rule that decided, and "logRules" are there only when the policy of that generation was still enforced. The second form counts
// events that were not told.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/packet_event.h"

namespace nodewall::engine {

nlohmann::json to_json(const PacketEvent& event);
nlohmann::json to_json(const EventCounts& counts, std::int64_t time_ns);
std::string json_line(const nlohmann::json& value);  // without a line break
std::string time_text(std::int64_t time_ns);         // as above; earlier sorts before later

// A line, read by whoever shows it. The texts are as the line has them, not made printable.
struct EventLine {
  std::string time;
  bool counts = false;              // the second form: of the texts only `packet` is there
  std::string interface, direction, verdict, reason;
  std::string packet;               // "TCP 10.0.0.1:31245 > 10.0.0.2:80 S"
  std::string rule;                 // "default/allow-web/0"; what logged it when it was another rule: "default/-/end, log default/log-all/0"
  nlohmann::json value;
};
Result<EventLine> read_event_line(std::string_view line);  // Errc::config for what is no such line

}  // namespace nodewall::engine
