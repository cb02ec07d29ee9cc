#include "inspect_trace.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <istream>
#include <ostream>

#include "base/printable.h"
#include "controller/auto_host_endpoints.h"
#include "controller/node_object.h"
#include "engine/interface_monitor.h"
#include "engine/node_name.h"
#include "engine/packet_json.h"
#include "session.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

using engine::TraceEngine;
using nlohmann::json;

constexpr std::size_t kMostFactsBytes = 64 << 20;
constexpr int kReconcileRounds = 5;
constexpr TraceEngine kAllEngines[] = {TraceEngine::oracle, TraceEngine::image,
                                       TraceEngine::program};

Result<resolve::NodeFacts> load_facts(const TraceSource& source) {
  const auto node = engine::node_name(source.node);
  if (source.facts_file.empty()) {
    auto monitor = engine::InterfaceMonitor::open();
    if (!monitor) return fail(monitor.error());
    return resolve::NodeFacts{node, monitor->interfaces()};
  }
  std::ifstream file(source.facts_file, std::ios::binary);
  if (!file) return fail(Errc::not_found, "cannot open " + source.facts_file);
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMostFactsBytes) return fail(Errc::limit, source.facts_file + " is too large");
  }
  const auto parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return fail(Errc::config, source.facts_file + " is not JSON");
  auto facts = engine::facts_from_json(parsed, source.node);
  if (!facts) return fail(std::move(facts.error()).in(source.facts_file));
  if (facts->node.empty()) facts->node = node;
  return facts;
}

// What the daemon would generate, in memory.
void generate(model::ResourceSet& resources, const resolve::NodeFacts& facts) {
  for (int round = 0; round < kReconcileRounds; ++round) {
    auto changes = controller::reconcile(resources, {});
    if (auto node = controller::node_object(resources, facts, {})) {
      changes.write.push_back(std::move(*node));
    }
    if (changes.empty()) return;
    for (auto& resource : changes.write) resources.insert_or_assign(resource.id(), resource);
    for (const auto& id : changes.remove) resources.erase(id);
  }
}

TraceAnswer error_answer(const Error& error) {
  return {.agreed = true, .answer = {{"error", error.message()}}, .failed = true, .code = error.code};
}
TraceAnswer error_answer(std::string message) {
  return error_answer(fail(Errc::config, std::move(message)).error());
}

}  // namespace

void fill_from_daemon(TraceSource& source, const engine::SavedState& state) {
  if (source.datastore.empty() && std::getenv("NODEWALL_DATASTORE") == nullptr) source.datastore = state.notes.datastore;
  if (source.node.empty()) source.node = state.status.node;
}

Result<NodePolicy> resolve_node(const TraceSource& source, std::vector<std::string>& warnings) {
  auto datastore = open_datastore(source.datastore);
  if (!datastore) return fail(datastore.error());
  auto snapshot = datastore->read();
  if (!snapshot) return fail(std::move(snapshot.error()).in("datastore"));
  for (const auto& diagnostic : snapshot->diagnostics) {
    warnings.push_back(config::to_string(diagnostic));
  }
  auto facts = load_facts(source);
  if (!facts) return fail(facts.error());
  generate(snapshot->resources, *facts);
  auto resolved = resolve::resolve(snapshot->resources, *facts);
  return NodePolicy{.resolved = std::move(resolved), .facts = std::move(*facts)};
}

Result<engine::Tracer> open_tracer(const TraceSource& source, std::vector<std::string>& warnings) {
  auto node = resolve_node(source, warnings);
  if (!node) return fail(node.error());
  return engine::Tracer::make(std::move(node->resolved), node->facts);
}

TraceAnswer trace_packet(engine::Tracer& tracer, const std::string& engine, const json& packet) {
  const auto query = engine::packet_from_json(packet);
  if (!query) return error_answer(query.error());
  TraceAnswer answer;
  json by_engine = json::object();
  for (const auto one : kAllEngines) {
    if (engine != "all" && engine != engine::name(one)) continue;
    const auto judgement = tracer.judge(one, *query);
    if (!judgement) return error_answer(judgement.error());
    auto verdict = engine::to_json(*judgement);
    if (!by_engine.empty() && verdict != *by_engine.begin()) answer.agreed = false;
    by_engine[std::string(engine::name(one))] = std::move(verdict);
  }
  if (by_engine.empty()) return error_answer("there is no engine " + engine);
  answer.answer = answer.agreed ? *by_engine.begin() : by_engine;
  return answer;
}

int exit_code_of(const TraceAnswer& answer) {
  if (answer.failed) return exit_code(answer.code);
  return answer.agreed ? 0 : 1;
}

int trace_batch(engine::Tracer& tracer, const std::string& engine, std::istream& in,
                std::ostream& out) {
  int exit_code = 0;
  std::string line;
  while (std::getline(in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto packet = json::parse(line, nullptr, false);
    const auto answer =
        packet.is_discarded() ? error_answer("not JSON") : trace_packet(tracer, engine, packet);
    if (answer.failed || !answer.agreed) exit_code = 1;
    out << json_text(answer.answer, -1) << '\n';
    if (in.rdbuf()->in_avail() <= 0) out.flush();
  }
  out.flush();
  return exit_code;
}

namespace {

std::string verdict_text(const json& verdict) {
  auto text = fmt::format("{}: {}", verdict.value("verdict", ""), verdict.value("reason", ""));
  if (verdict.contains("tier")) text += " tier " + printable(verdict.value("tier", ""));
  if (verdict.contains("policy")) {
    text += verdict.contains("tier") ? " policy " : " profile ";
    text += printable(verdict.value("policy", ""));
  }
  if (verdict.contains("rule")) text += fmt::format(" rule {}", verdict.value("rule", 0));
  return text;
}

}  // namespace

std::string trace_text(const TraceAnswer& answer) {
  if (answer.failed) return printable(answer.answer.value("error", "")) + "\n";
  if (answer.agreed) return verdict_text(answer.answer) + "\n";
  std::string text = "THE ENGINES DIFFER: please report this\n";
  for (const auto& [name, verdict] : answer.answer.items()) {
    text += fmt::format("  {}: {}\n", name, verdict_text(verdict));
  }
  return text;
}

}  // namespace nodewall::cli
