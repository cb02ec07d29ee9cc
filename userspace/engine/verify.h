// Verify: proof that the tables in the kernel say what the policy says.
//
// For each chain of each endpoint slot (as it is enforced, what it logs, what staged policies would make of it: maps/policy.h), the tables
// as they were read back must answer as the oracle does for every header. A header counts only by its classes, on both sides: by the tables' own (found by walking every region of every table) and by the predicates
// of rules that it satisfies. So the header space is cut at the boundaries of both, headers of one class on both sides are one, and
// one representative of every combination (source x destination x protocol and ports) is asked of both sides. A wrong entry makes
// a class of its own. Classes that this chain's diagrams and rules treat alike are proven to be alike (compile::ClassBlocks), and so
// are pairs of addresses that leave the same part of the diagrams and the same rules; those are asked about once.
// What decides before policy is in small maps, which must hold what the policy says: failsafe ports and networks for every peer, local
// addresses, settings, interfaces.
//
// Pure, but for read_tables(). More combinations than the limit are sampled, and the report says so: possible > combinations.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/table_image.h"
#include "kernel/datapath.h"
#include "oracle/oracle.h"
#include "resolve/endpoint_policy.h"
#include "resolve/facts.h"
#include "resolve/packet.h"

namespace nodewall::engine {

// What the kernel holds.
struct Tables {
  std::vector<nw_line> image;
  kernel::SmallMaps small;
  std::map<std::uint32_t, nw_interface> interfaces;  // by ifindex
};
Result<Tables> read_tables(const kernel::Datapath& datapath);

// What it shall hold.
struct Expectation {
  const resolve::Resolved& resolved;
  const resolve::NodeFacts& facts;
  const compile::Slots& slots;
  const std::map<std::string, std::uint32_t>& interface_counters;
};

struct Difference {
  std::string table;         // "policy", "failsafe", "local addresses", "cached addresses", "settings", "interfaces", "cached interfaces"
  std::string interface;     // empty: of none
  std::string host_endpoint;
  std::optional<std::uint32_t> direction;
  std::string chain;         // "ingress", "log of forward-egress", "staged pre-dnat"; empty: of none
  std::optional<resolve::PacketQuery> packet;  // the header, or a peer and port of a failsafe port
  std::string expected;      // what the policy says, in words
  std::string found;         // what the tables say
};

struct VerifyLimits {
  std::uint64_t asked = 50'000'000;
  std::uint64_t samples = 1'000'000;           // of a chain that has more
  std::uint64_t rule_work = std::uint64_t{1} << 34;    // words of rule bits; a chain that needs more is sampled too
  std::uint64_t block_steps = std::uint64_t{1} << 29;
  std::uint64_t oracle_work = std::uint64_t{1} << 27;  // rules and networks that the oracle is made to look at, a chain
};

struct VerifyReport {
  std::uint64_t combinations = 0;   // covered
  std::uint64_t asked = 0;          // of these, a header went through the tables and the rules
  std::uint64_t possible = 0;       // that there are; the same when the proof is complete
  std::uint64_t oracle_checks = 0;  // combinations for which oracle::judge_chain was asked too
  std::size_t chains = 0;           // variants of chains of endpoints; equal ones are gone through once
  std::size_t address_regions = 0;  // in which the tables were looked up
  std::size_t small_entries = 0;    // entries of small maps, and failsafe peers
  std::vector<Difference> differences;  // the first kMostDifferences
  std::uint64_t difference_count = 0;

  void differ(Difference difference);
  [[nodiscard]] bool equal() const { return difference_count == 0; }
  [[nodiscard]] bool complete() const { return combinations == possible; }
};
inline constexpr std::size_t kMostDifferences = 20;

// Errc::limit: the policy is too large to be gone through. Errc::internal: two readings of the rules differ, a defect of Nodewall.
Result<VerifyReport> verify(const Expectation& expectation, const Tables& tables, const VerifyLimits& limits = {});

// The parts.
Status verify_policy(const Expectation& expectation, std::span<const nw_line> image, const VerifyLimits& limits, VerifyReport& report);
void verify_small_maps(const Expectation& expectation, const Tables& tables, VerifyReport& report);

std::string verdict_text(const oracle::ChainVerdict& verdict);  // "allow: policy default/allow-web/0"

}  // namespace nodewall::engine
