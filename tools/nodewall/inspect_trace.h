// `nodewall trace`: what becomes of a packet, asked of the oracle, of the compiled image and of the real program.
#pragma once

#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/state_file.h"
#include "engine/tracer.h"

namespace nodewall::cli {

struct TraceSource {
  std::string datastore;  // empty: as everywhere
  std::string node;
  std::string facts_file;  // empty: the live interfaces
};

// What was not asked for is the daemon's: its node, and its datastore unless NODEWALL_DATASTORE names another.
void fill_from_daemon(TraceSource& source, const engine::SavedState& state);

// What the datastore says about the node, and the node. The automatic host endpoints that a daemon would make are made in memory.
struct NodePolicy {
  resolve::Resolved resolved;
  resolve::NodeFacts facts;
};
Result<NodePolicy> resolve_node(const TraceSource& source, std::vector<std::string>& warnings);

// Tracer over the datastore as it is. What is wrong with the datastore is added to `warnings`.
Result<engine::Tracer> open_tracer(const TraceSource& source, std::vector<std::string>& warnings);

struct TraceAnswer {
  bool agreed = true;
  nlohmann::json answer;   // the verdict; {"error": ...}; where they differ, one verdict for each engine
  bool failed = false;     // an error
  Errc code = Errc::config;  // of the error
};
// 0; 1 when the engines differ; that of the error.
int exit_code_of(const TraceAnswer& answer);

// `engine`: oracle, image, program or all.
TraceAnswer trace_packet(engine::Tracer& tracer, const std::string& engine,
                         const nlohmann::json& packet);

// JSON lines in, JSON lines out, order kept; what was answered is flushed when no further line is waiting. 0, or 1 when a line was bad
// or the engines differed.
int trace_batch(engine::Tracer& tracer, const std::string& engine, std::istream& in,
                std::ostream& out);

std::string trace_text(const TraceAnswer& answer);

}  // namespace nodewall::cli
