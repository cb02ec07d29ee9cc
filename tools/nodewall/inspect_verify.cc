#include "inspect_verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "engine/verify.h"
#include "inspect_trace.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kAttempts = 5;
constexpr auto kPause = std::chrono::milliseconds(400);  // longer than a daemon collects changes

json packet_json(const resolve::PacketQuery& packet) {
  json value = {{"src", to_string(packet.source)}, {"dst", to_string(packet.destination)}, {"protocol", packet.protocol}};
  const bool is_icmp = packet.protocol == (packet.source.family == Family::v4 ? 1 : 58);
  if (is_icmp) {
    value["type"] = packet.icmp_type;
    value["code"] = packet.icmp_code;
  } else if (packet.protocol == 6 || packet.protocol == 17 || packet.protocol == 132 || packet.protocol == 136) {
    value["sport"] = packet.source_port;
    value["dport"] = packet.destination_port;
  }
  return value;
}

json difference_json(const engine::Difference& difference) {
  json value = {{"table", difference.table}, {"expected", difference.expected}, {"found", difference.found}};
  if (!difference.interface.empty()) value["interface"] = difference.interface;
  if (!difference.host_endpoint.empty()) value["hostEndpoint"] = difference.host_endpoint;
  if (difference.direction) value["direction"] = *difference.direction == NW_INGRESS ? "ingress" : "egress";
  if (!difference.chain.empty()) value["chain"] = difference.chain;
  if (difference.packet) value["packet"] = packet_json(*difference.packet);
  return value;
}

json report_json(const engine::VerifyReport& report) {
  json differences = json::array();
  for (const auto& difference : report.differences) differences.push_back(difference_json(difference));
  return {{"equal", report.equal()},
          {"complete", report.complete()},
          {"combinations", report.combinations},
          {"possible", report.possible},
          {"asked", report.asked},
          {"oracleChecks", report.oracle_checks},
          {"endpointChains", report.chains},
          {"addressRegions", report.address_regions},
          {"smallEntries", report.small_entries},
          {"differenceCount", report.difference_count},
          {"differences", std::move(differences)}};
}

// One look. Nothing: the policy changed while it was looked at.
struct Look {
  engine::VerifyReport report;
  std::uint32_t generation = 0;
  std::string last_error;
};

Result<std::optional<Look>> look(const VerifySource& source, std::vector<std::string>& warnings) {
  auto view = view_node(source.place);
  if (!view) return fail(view.error());
  if (!view->armed) return fail(Errc::busy, "disarmed: nothing is enforced that could be verified");
  if (!view->pinned) return fail(Errc::not_found, "nothing is enforced here: no " + view->pin_dir);
  if (!view->state || !view->policy) return fail(Errc::not_found, "no state of an engine in " + view->run_dir);
  TraceSource from{.datastore = source.datastore, .node = source.node, .facts_file = {}};
  fill_from_daemon(from, *view->state);
  warnings.clear();
  auto wanted = resolve_node(from, warnings);
  if (!wanted) return fail(wanted.error());
  auto datapath = kernel::Datapath::open({.pin_dir = view->pin_dir, .inspect = true});
  if (!datapath) return fail(datapath.error());
  const auto generation = datapath->generation();
  const auto tables = engine::read_tables(*datapath);
  if (!tables) return fail(tables.error());
  auto report = engine::verify({.resolved = wanted->resolved,
                                .facts = wanted->facts,
                                .slots = view->policy->slots,
                                .interface_counters = view->state->interface_counters},
                               *tables);
  if (!report) return fail(report.error());
  const auto after = view_node(source.place);
  std::vector<std::string> ignored;
  const auto wanted_after = resolve_node(from, ignored);
  const bool same_policy = after && after->policy && wanted_after && after->policy->slots == view->policy->slots &&
                           wanted_after->resolved == wanted->resolved && wanted_after->facts == wanted->facts;
  const bool same_generation = datapath->generation() == generation && view->policy->generation == generation;
  // A generation that is not the state file's is damage when it stays so; the look says what differs, and is repeated.
  if (!same_policy || (!same_generation && report->equal())) return std::optional<Look>();
  return Look{std::move(*report), generation, view->state->status.last_error};
}

}  // namespace

Result<json> verify_json(const VerifySource& source, std::vector<std::string>& warnings) {
  if (::geteuid() != 0) return fail(Errc::permission, "verify reads the tables in the kernel: it wants root");
  bool differed = false;
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    if (attempt > 1) std::this_thread::sleep_for(kPause);
    const auto begin = Clock::now();
    auto found = look(source, warnings);
    if (!found) return fail(found.error());
    if (!*found) {
      warn("the policy changed while it was verified: again");
      continue;
    }
    if (!(*found)->report.equal() && !differed) {
      differed = true;
      continue;
    }
    auto value = report_json((*found)->report);
    value["generation"] = (*found)->generation;
    value["attempts"] = attempt;
    value["milliseconds"] = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
    if (!(*found)->last_error.empty()) value["lastError"] = (*found)->last_error;
    return value;
  }
  return fail(Errc::busy, fmt::format("the policy changed during each of {} attempts", kAttempts));
}

namespace {

std::string word(const json& value, const char* key) { return escaped(value.value(key, "")); }

std::string difference_text(const json& difference) {
  std::string text = "  " + word(difference, "table") + ":";
  if (difference.contains("interface")) text += " interface " + word(difference, "interface");
  if (difference.contains("hostEndpoint")) text += " host endpoint " + word(difference, "hostEndpoint");
  if (difference.contains("chain")) text += " " + word(difference, "chain");
  else if (difference.contains("direction")) text += " " + word(difference, "direction");
  if (difference.contains("packet")) {
    const auto& packet = difference["packet"];
    text += fmt::format("\n    packet      {} -> {} protocol {}", word(packet, "src"), word(packet, "dst"), packet.value("protocol", 0));
    if (packet.contains("dport")) text += fmt::format(" port {} -> {}", packet.value("sport", 0), packet.value("dport", 0));
    if (packet.contains("type")) text += fmt::format(" type {} code {}", packet.value("type", 0), packet.value("code", 0));
  }
  return text + "\n    policy says " + word(difference, "expected") + "\n    tables say  " + word(difference, "found") + "\n";
}

}  // namespace

std::string verify_text(const json& report) {
  const auto number = [&](const char* key) { return report.value(key, std::uint64_t{0}); };
  const bool equal = report.value("equal", false);
  std::string text;
  if (!equal) text = fmt::format("DIFFERENT: {} differences, generation {}\n", number("differenceCount"), number("generation"));
  else if (report.value("complete", false))
    text = fmt::format("equal: the tables of generation {} answer as the policy says, for every header\n", number("generation"));
  else text = fmt::format("no difference in a SAMPLE: the policy of generation {} is too large for every combination\n", number("generation"));
  for (const auto& difference : report["differences"]) text += difference_text(difference);
  const auto listed = report["differences"].size();
  if (number("differenceCount") > listed) text += fmt::format("  and {} more\n", number("differenceCount") - listed);
  if (report.contains("lastError")) text += "  the last change was not applied: " + word(report, "lastError") + "\n";
  text += fmt::format("  {} of {} combinations of classes; {} headers asked of the tables and the rules, {} of them of the oracle itself\n",
                      number("combinations"), number("possible"), number("asked"), number("oracleChecks"));
  text += fmt::format("  {} chains of endpoints, {} address regions, {} entries of small maps, {} ms\n", number("endpointChains"),
                      number("addressRegions"), number("smallEntries"), number("milliseconds"));
  return text;
}

}  // namespace nodewall::cli
