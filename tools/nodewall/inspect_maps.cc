// The part of inspection that reads pinned maps: counters, policy, conntrack, failsafe ports.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

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

double seconds_since(std::uint64_t then, std::uint64_t now) {
  return then > now ? 0.0 : static_cast<double>((now - then) / 1000000) / 1000.0;
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
          {"ageSeconds", seconds_since(row.entry.created_ns, now)},
          {"idleSeconds", seconds_since(row.entry.seen_ns, now)},
          {"generation", row.entry.generation},
          {"ifindex", row.entry.ifindex}};
}

std::string text_of(const json& from, const char* key) { return from.value(key, std::string()); }

std::string number_of(const json& from, const char* key) {
  return fmt::format("{}", from.value(key, std::uint64_t{0}));
}

// Packets that rules decided, by rule counter slot; empty when the maps cannot be read.
std::vector<nw_count> rule_counts(const NodeView& view) {
  auto datapath = open_pinned(view);
  if (!datapath) return {};
  auto counts = datapath->rule_counters();
  return counts ? std::move(*counts) : std::vector<nw_count>();
}

class PolicyView {
 public:
  PolicyView(const engine::SavedPolicy& policy, std::vector<nw_count> counts)
      : policy_(policy), counts_(std::move(counts)) {}

  json endpoint(const engine::EndpointSummary& endpoint) const {
    return {{"hostEndpoint", endpoint.host_endpoint},
            {"policies", endpoint.policies},
            {"profiles", endpoint.profiles},
            {"ingress", direction(endpoint.ingress, NW_INGRESS)},
            {"egress", direction(endpoint.egress, NW_EGRESS)}};
  }

 private:
  json direction(std::size_t index, std::uint32_t number) const {
    if (index >= policy_.directions.size()) return json::object();
    const auto& summary = policy_.directions[index];
    json tiers = json::array();
    for (const auto& tier : summary.tiers) {
      json entry = {{"name", tier.name}, {"end", tier.end}, {"rules", rules(tier.rules, number)}};
      count(entry, {tier.name, "", -1}, number);
      tiers.push_back(std::move(entry));
    }
    return {{"tiers", std::move(tiers)}, {"profileRules", rules(summary.profile_rules, number)}};
  }

  json rules(const std::vector<engine::RuleSummary>& list, std::uint32_t number) const {
    json lines = json::array();
    for (const auto& rule : list) {
      json line = {{"policy", rule.origin.policy},
                   {"rule", rule.origin.rule},
                   {"action", rule.action},
                   {"match", rule.match}};
      count(line, rule.origin, number);
      lines.push_back(std::move(line));
    }
    return lines;
  }

  void count(json& into, const resolve::Origin& origin, std::uint32_t number) const {
    const auto slot = policy_.slots.rules.find({number, origin});
    if (slot == policy_.slots.rules.end() || slot->second >= counts_.size()) return;
    into["packets"] = counts_[slot->second].packets;
    into["bytes"] = counts_[slot->second].bytes;
  }

  const engine::SavedPolicy& policy_;
  std::vector<nw_count> counts_;
};

}  // namespace

Result<json> counters_json(const NodeView& view) {
  const auto datapath = open_pinned(view);
  if (!datapath) return fail(datapath.error());
  json list = json::array();
  if (view.state) {
    for (const auto& interface : view.state->status.interfaces) {
      if (interface.host_endpoint.empty()) continue;
      const auto counts = datapath->counters(interface.counter);
      if (!counts) return fail(counts.error().in("interface " + interface.name));
      for (std::size_t i = 0; i < counts->size(); ++i) {
        const auto reason = static_cast<std::uint32_t>(i % NW_REASON_SLOTS);
        if ((*counts)[i].packets == 0) continue;
        list.push_back({{"interface", interface.name},
                        {"direction", kDirections[i / NW_REASON_SLOTS % NW_DIRECTIONS]},
                        {"reason", resolve::reason_name(reason)},
                        {"verdict", verdict_of(reason)},
                        {"packets", (*counts)[i].packets},
                        {"bytes", (*counts)[i].bytes}});
      }
    }
  }
  json conntrack = json::object();
  const auto counts = datapath->conntrack_counters();
  if (!counts) return fail(counts.error());
  constexpr const char* kNames[] = {"full", "created", "confirmed", "rejudged", "revoked"};
  for (std::size_t i = 0; i < std::size(kNames) && i < counts->size(); ++i) {
    conntrack[kNames[i]] = (*counts)[i];
  }
  return json{{"interfaces", std::move(list)}, {"conntrack", std::move(conntrack)}};
}

std::string counters_text(const json& counters) {
  std::vector<TableRow> rows;
  for (const auto& row : counters["interfaces"]) {
    rows.push_back({text_of(row, "interface"), text_of(row, "direction"), text_of(row, "verdict"),
                    text_of(row, "reason"), number_of(row, "packets"), number_of(row, "bytes")});
  }
  auto text = text_table({"INTERFACE", "DIRECTION", "VERDICT", "REASON", "PACKETS", "BYTES"}, rows);
  rows.clear();
  for (const auto& [name, value] : counters["conntrack"].items()) {
    rows.push_back({name, fmt::format("{}", value.get<std::uint64_t>())});
  }
  return text + "\n" + text_table({"CONNTRACK", "COUNT"}, rows);
}

Result<json> policy_json(const NodeView& view) {
  if (!view.policy) return fail(Errc::not_found, "no policy was ever enforced here: no " + view.run_dir + "/policy.json");
  const PolicyView policy(*view.policy, rule_counts(view));
  json endpoints = json::array();
  for (const auto& endpoint : view.policy->endpoints) endpoints.push_back(policy.endpoint(endpoint));
  const auto& cost = view.policy->cost;
  return json{{"generation", view.policy->generation},
              {"endpoints", std::move(endpoints)},
              {"image",
               {{"bytes", cost.bytes},
                {"rules", cost.rules},
                {"addressClasses", cost.address_classes},
                {"l4Classes", cost.l4_classes},
                {"deepestDiagram", cost.deepest_diagram}}}};
}

namespace {

void add_rules(const json& rules, const std::string& tier, std::vector<TableRow>& rows) {
  for (const auto& rule : rules) {
    rows.push_back({tier, text_of(rule, "policy"), fmt::format("{}", rule["rule"].get<int>()),
                    text_of(rule, "action"), text_of(rule, "match"), number_of(rule, "packets"),
                    number_of(rule, "bytes")});
  }
}

std::string direction_text(const json& direction) {
  std::vector<TableRow> rows;
  if (direction.empty()) return "";
  for (const auto& tier : direction["tiers"]) {
    add_rules(tier["rules"], text_of(tier, "name"), rows);
    rows.push_back({text_of(tier, "name"), "", "end", text_of(tier, "end"), "",
                    number_of(tier, "packets"), number_of(tier, "bytes")});
  }
  add_rules(direction["profileRules"], "(profiles)", rows);
  return text_table({"TIER", "POLICY", "RULE", "ACTION", "MATCH", "PACKETS", "BYTES"}, rows);
}

}  // namespace

std::string policy_text(const json& policy) {
  std::string text = fmt::format("Generation {}, {} rules in {} bytes\n", number_of(policy, "generation"),
                                 number_of(policy["image"], "rules"),
                                 number_of(policy["image"], "bytes"));
  for (const auto& endpoint : policy["endpoints"]) {
    for (const auto* direction : kDirections) {
      text += fmt::format("\nHost endpoint {}, {}:\n", text_of(endpoint, "hostEndpoint"), direction);
      text += direction_text(endpoint[direction]);
    }
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
