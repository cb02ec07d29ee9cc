#include "engine/event_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "engine/json_reader.h"
#include "resolve/packet.h"

namespace nodewall::engine {
namespace {

using nlohmann::json;

constexpr std::string_view kTimeForm = "dddd-dd-ddTdd:dd:dd.ddddddZ";
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kMostLine = 64 * 1024;
constexpr const char* kDirections[] = {"ingress", "egress"};

bool is_time(std::string_view text) {
  return std::ranges::equal(text, kTimeForm, [](char is, char form) {
    return form == 'd' ? is >= '0' && is <= '9' : is == form;
  });
}

std::string flags_text(std::uint8_t flags) {
  constexpr std::string_view kLetters = "FSRPAU";
  std::string text;
  for (std::size_t bit = 0; bit < kLetters.size(); ++bit) {
    if (flags & 1U << bit) text += kLetters[bit];
  }
  return text;
}

void add_origin(json& to, const resolve::Origin& origin) {
  if (!origin.tier.empty()) to["tier"] = origin.tier;
  if (!origin.policy.empty()) to["policy"] = origin.policy;
  if (origin.rule >= 0) to["rule"] = origin.rule;
}

bool has_ports(std::uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
}

// "tier/policy/rule"; what a rule does not have is "-", and the end of a tier is "tier/-/end".
std::string rule_text(JsonReader& in, const json& from) {
  const auto part = [&](const char* key) { return from.contains(key) ? in.text(from, key) : std::string("-"); };
  const auto number = from.contains("rule") ? fmt::format("{}", in.number(from, "rule", INT32_MAX)) : "end";
  return part("tier") + "/" + part("policy") + "/" + number;
}

std::string rules_text(JsonReader& in, const json& from) {
  const bool decided = from.contains("tier") || from.contains("policy");
  auto text = decided ? rule_text(in, from) : std::string();
  if (!from.contains("logRules")) return text;
  for (const auto& rule : in.array(from, "logRules")) {
    text += text.empty() ? "log " : ", log ";
    if (rule.is_object()) text += rule_text(in, rule);
    else in.reject();
  }
  return text;
}

std::string end_text(JsonReader& in, const json& from, const char* address, const char* port) {
  auto text = in.text(from, address);
  if (!from.contains(port)) return text;
  if (text.find(':') != std::string::npos) text = "[" + text + "]";
  return text + fmt::format(":{}", in.number(from, port, UINT16_MAX));
}

std::string packet_text(JsonReader& in, const json& from) {
  auto text = in.text(from, "protocol") + " " + end_text(in, from, "src", "sport") + " > " +
              end_text(in, from, "dst", "dport");
  if (from.contains("type")) text += fmt::format(" type {}", in.number(from, "type", UINT8_MAX));
  if (from.contains("code")) text += fmt::format(" code {}", in.number(from, "code", UINT8_MAX));
  if (from.contains("flags")) text += " " + in.text(from, "flags");
  if (in.flag(from, "forwarded")) text += " forwarded";
  return text;
}

std::string counts_text(JsonReader& in, const json& from) {
  auto text = fmt::format("not told until now: {} by the rate limit, {} unread",
                          in.number(from, "suppressed", UINT64_MAX), in.number(from, "lost", UINT64_MAX));
  if (const auto damaged = in.number(from, "damaged", UINT64_MAX)) text += fmt::format(", {} damaged", damaged);
  return text;
}

}  // namespace

std::string time_text(std::int64_t time_ns) {
  time_ns = std::max<std::int64_t>(time_ns, 0);
  const std::time_t seconds = time_ns / kSecond;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, time_ns % kSecond / 1000);
}

json to_json(const PacketEvent& event) {
  json to = {{"time", time_text(event.time_ns)},
             {"interface", event.interface},
             {"hostEndpoint", event.host_endpoint},
             {"direction", kDirections[event.direction & 1]},
             {"chain", resolve::chain_name(event.chain)},
             {"verdict", event.allow ? "allow" : "deny"},
             {"reason", resolve::reason_name(event.reason)},
             {"src", to_string(event.source)},
             {"dst", to_string(event.destination)},
             {"protocol", model::to_string(model::Protocol{.number = event.protocol})},
             {"length", event.length},
             {"forwarded", event.forwarded},
             {"generation", event.generation}};
  if (has_ports(event.protocol)) {
    to["sport"] = event.source_port;
    to["dport"] = event.destination_port;
  }
  if (event.protocol == 6) to["flags"] = flags_text(event.tcp_flags);
  if (event.protocol == (event.source.family == Family::v4 ? 1 : 58)) {
    to["type"] = event.icmp_type;
    to["code"] = event.icmp_code;
  }
  if (event.origin) add_origin(to, *event.origin);
  if (event.log_rules.empty()) return to;
  auto& rules = to["logRules"] = json::array();
  for (const auto& origin : event.log_rules) add_origin(rules.emplace_back(json::object()), origin);
  return to;
}

json to_json(const EventCounts& counts, std::int64_t time_ns) {
  return {{"time", time_text(time_ns)},
          {"suppressed", counts.suppressed},
          {"lost", counts.lost},
          {"damaged", counts.damaged}};
}

// DEL is ASCII, and no JSON library escapes it.
std::string json_line(const json& value) {
  const auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    if (c == 0x7f) line += "\\u007f";
    else line += c;
  }
  return line;
}

Result<EventLine> read_event_line(std::string_view line) {
  JsonReader in;
  EventLine read;
  if (line.size() <= kMostLine) read.value = json::parse(line, nullptr, false);
  const auto& from = read.value;
  read.time = in.text(from, "time");
  if (!in.ok() || !is_time(read.time)) return fail(Errc::config, "not a packet event");
  read.counts = !from.contains("interface");
  if (read.counts) {
    read.packet = counts_text(in, from);
  } else {
    read.interface = in.text(from, "interface");
    read.direction = in.text(from, "direction");
    read.verdict = in.text(from, "verdict");
    read.reason = in.text(from, "reason");
    read.packet = packet_text(in, from);
    read.rule = rules_text(in, from);
  }
  if (!in.ok()) return fail(Errc::config, "not a packet event");
  return read;
}

}  // namespace nodewall::engine
