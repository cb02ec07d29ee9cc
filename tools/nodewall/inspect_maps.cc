// The part of inspection that reads pinned maps: counters, conntrack, failsafe ports.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "inspect_json.h"
#include "inspect_node.h"
#include "inspect_table.h"
#include "model/rule.h"
#include "resolve/packet.h"

namespace nodewall::cli {
namespace {

using nlohmann::json;

constexpr const char* kDirections[] = {"ingress", "egress"};

struct ReasonName {
  std::uint32_t number;
  const char* verdict;
};

const char* verdict_of(std::uint32_t reason) {
  static constexpr ReasonName kReasons[] = {
#define NW_REASON_ROW(number, symbol, name, verdict, meaning) {number, verdict},
      NW_REASONS(NW_REASON_ROW)
#undef NW_REASON_ROW
  };
  for (const auto& entry : kReasons) {
    if (entry.number == reason) return entry.verdict;
  }
  return "";
}

Address address_of(const nw_addr& from) {
  Address address;
  std::copy_n(from.bytes, 16, address.bytes.begin());
  const bool v4 = address.high() == 0 && address.low() >> 32 == 0xffff;
  address.family = v4 ? Family::v4 : Family::v6;
  return address;
}

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000ULL +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// Of a tick of maps/conntrack.h: as exact as these are.
double seconds_since(std::uint32_t then, std::uint64_t now) {
  const auto ticks = static_cast<std::int32_t>(nw_ct_tick(now) - then);
  const auto ms = (static_cast<std::uint64_t>(std::max(ticks, 0)) << NW_CT_TICK_SHIFT) / 1000000;
  return static_cast<double>(ms) / 1000.0;
}

json flags_json(const kernel::ConntrackRow& row) {
  json names = json::array();
  const auto flags = row.entry.flags;
  const auto add = [&](std::uint32_t bit, const char* name) {
    if (flags & bit) names.push_back(name);
  };
  if (row.confirmed) names.push_back("confirmed");
  add(NW_CT_REPLIED, "replied");
  add(NW_CT_FIN_ORIGINAL, "fin");
  add(NW_CT_FIN_REPLY, "fin-reply");
  add(NW_CT_RST, "rst");
  add(NW_CT_FAILSAFE, "failsafe");
  add(NW_CT_ADOPTED, "adopted");
  add(NW_CT_FORWARDED, "forwarded");
  add(NW_CT_REVOKED, "revoked");
  return names;
}

json flow_json(const kernel::ConntrackRow& row, std::uint64_t now) {
  const bool a_first = row.entry.flags & NW_CT_A_IS_SOURCE;
  const auto& source = a_first ? row.key.a : row.key.b;
  const auto& destination = a_first ? row.key.b : row.key.a;
  const auto source_port = a_first ? row.key.port_a_be : row.key.port_b_be;
  const auto destination_port = a_first ? row.key.port_b_be : row.key.port_a_be;
  return {{"protocol", model::to_string(model::Protocol{.number = row.key.protocol})},
          {"source", to_string(address_of(source))},
          {"sourcePort", ntohs(source_port)},
          {"destination", to_string(address_of(destination))},
          {"destinationPort", ntohs(destination_port)},
          {"begunBy", row.entry.flags & NW_CT_FROM_HOST ? "host" : "outside"},
          {"flags", flags_json(row)},
          {"ageSeconds", seconds_since(row.entry.created, now)},
          {"idleSeconds", seconds_since(row.entry.seen, now)},
          {"generation", row.entry.generation},
          {"ifindex", row.entry.ifindex}};
}

// Of one interface: the reasons into `reasons`, what the staged policies would do otherwise into `staged`.
void add_counts(const std::string& interface, const std::vector<nw_count>& counts, json& reasons, json& staged) {
  for (std::uint32_t direction = 0; direction < NW_DIRECTIONS; ++direction) {
    const auto* of = counts.data() + nw_counter_index(0, direction, 0);
    for (std::uint32_t reason = 0; reason < NW_REASON_SLOTS; ++reason) {
      if (of[reason].packets == 0 || reason == NW_COUNT_STAGED_DENY || reason == NW_COUNT_STAGED_ALLOW) continue;
      reasons.push_back({{"interface", interface},
                         {"direction", kDirections[direction]},
                         {"reason", resolve::reason_name(reason)},
                         {"verdict", verdict_of(reason)},
                         {"packets", of[reason].packets},
                         {"bytes", of[reason].bytes}});
    }
    const auto deny = of[NW_COUNT_STAGED_DENY].packets, allow = of[NW_COUNT_STAGED_ALLOW].packets;
    if (deny == 0 && allow == 0) continue;
    staged.push_back({{"interface", interface},
                      {"direction", kDirections[direction]},
                      {"staged_deny", deny},
                      {"staged_allow", allow}});
  }
}

}  // namespace

Result<json> counters_json(const NodeView& view) {
  const auto datapath = open_pinned(view);
  if (!datapath) return fail(datapath.error());
  json reasons = json::array(), staged = json::array(), conntrack = json::object();
  for (const auto& interface : view.state ? view.state->status.interfaces : std::vector<engine::InterfaceStatus>()) {
    if (interface.host_endpoint.empty()) continue;
    const auto counts = datapath->counters(interface.counter);
    if (!counts) return fail(counts.error().in("interface " + interface.name));
    add_counts(interface.name, *counts, reasons, staged);
  }
  const auto counts = datapath->conntrack_counters();
  if (!counts) return fail(counts.error());
  constexpr const char* kNames[] = {"full", "created", "confirmed", "rejudged", "revoked", "evicted"};
  for (std::size_t i = 0; i < std::size(kNames) && i < counts->size(); ++i) {
    conntrack[kNames[i]] = (*counts)[i];
  }
  const auto events = datapath->event_state();
  if (!events) return fail(events.error());
  return json{{"interfaces", std::move(reasons)},
              {"staged", std::move(staged)},
              {"conntrack", std::move(conntrack)},
              {"events", {{"suppressed", events->suppressed}, {"lost", events->lost}}}};
}

std::string counters_text(const json& counters) {
  std::vector<TableRow> rows;
  for (const auto& row : counters["interfaces"]) {
    rows.push_back({text_of(row, "interface"), text_of(row, "direction"), text_of(row, "verdict"),
                    text_of(row, "reason"), number_of(row, "packets"), number_of(row, "bytes")});
  }
  auto text = text_table({"INTERFACE", "DIRECTION", "VERDICT", "REASON", "PACKETS", "BYTES"}, rows);
  rows.clear();
  for (const auto& row : counters["staged"]) {
    rows.push_back({text_of(row, "interface"), text_of(row, "direction"), number_of(row, "staged_deny"),
                    number_of(row, "staged_allow")});
  }
  if (!rows.empty()) text += "\n" + text_table({"INTERFACE", "DIRECTION", "STAGED_DENY", "STAGED_ALLOW"}, rows);
  for (const auto& [title, part] : {std::pair{"CONNTRACK", "conntrack"}, {"EVENTS", "events"}}) {
    rows.clear();
    for (const auto& [name, value] : counters[part].items()) {
      rows.push_back({name, fmt::format("{}", value.get<std::uint64_t>())});
    }
    text += "\n" + text_table({title, "COUNT"}, rows);
  }
  return text;
}

Result<json> conntrack_json(const NodeView& view) {
  const auto datapath = open_pinned(view);
  if (!datapath) return fail(datapath.error());
  json flows = json::array();
  const auto now = now_ns();
  const auto done = datapath->for_each_conntrack(
      [&](const kernel::ConntrackRow& row) { flows.push_back(flow_json(row, now)); });
  if (!done) return fail(done.error());
  return flows;
}

std::string conntrack_text(const json& flows) {
  std::vector<TableRow> rows;
  const auto end = [](const json& flow, const char* address, const char* port) {
    const auto text = text_of(flow, address);
    return (text.find(':') == std::string::npos ? text : "[" + text + "]") + ":" + number_of(flow, port);
  };
  for (const auto& flow : flows) {
    std::string flags;
    for (const auto& flag : flow["flags"]) flags += (flags.empty() ? "" : ",") + flag.get<std::string>();
    rows.push_back({text_of(flow, "protocol"), end(flow, "source", "sourcePort"),
                    end(flow, "destination", "destinationPort"), text_of(flow, "begunBy"), flags,
                    fmt::format("{:.0f}", flow["ageSeconds"].get<double>()),
                    fmt::format("{:.0f}", flow["idleSeconds"].get<double>())});
  }
  return text_table({"PROTOCOL", "SOURCE", "DESTINATION", "BEGUN", "FLAGS", "AGE", "IDLE"}, rows);
}

Result<json> failsafe_json(const NodeView& view) {
  const auto datapath = open_pinned(view);
  if (!datapath) return fail(datapath.error());
  auto entries = datapath->failsafe();
  if (!entries) return fail(entries.error());
  std::ranges::sort(*entries);
  json ports = json::array();
  for (const auto& entry : *entries) {
    ports.push_back({{"direction", kDirections[entry.direction & 1]},
                     {"protocol", entry.is_udp ? "UDP" : "TCP"},
                     {"port", entry.port},
                     {"net", entry.net ? to_string(*entry.net) : ""}});
  }
  return ports;
}

std::string failsafe_text(const json& ports) {
  std::vector<TableRow> rows;
  for (const auto& port : ports) {
    const auto net = text_of(port, "net");
    rows.push_back({text_of(port, "direction"), text_of(port, "protocol"), number_of(port, "port"),
                    net.empty() ? "any" : net});
  }
  return text_table({"DIRECTION", "PROTOCOL", "PORT", "PEER"}, rows);
}

}  // namespace nodewall::cli
