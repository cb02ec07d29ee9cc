// The engine's state as JSON, for the command line and for a restarted engine: <run_dir>/state.json (status, written whenever it
// changes) and <run_dir>/policy.json (slots and the policy in words, written when the image changes). Both 0600, written whole and
// renamed. Untrusted input on reading: shape and numbers are checked.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "compile/table_image.h"
#include "engine/engine.h"

namespace nodewall::engine {

struct SavedState {
  std::map<std::string, std::uint32_t> interface_counters;  // block of nw_counter by interface name
  EngineStatus status;
  HostNotes notes;
  std::int64_t pid = 0;         // of the engine's process
  std::string pin_dir;
};

// One rule in words. Several resolved rules of one origin (split named ports) are one line.
struct RuleSummary {
  resolve::Origin origin;
  std::string action;           // "Allow", "Deny", "Pass", "Log"
  std::string match;            // "TCP from 10.0.0.0/8 to port 80"; empty: everything
  bool operator==(const RuleSummary&) const = default;
};

struct TierSummary {
  std::string name;
  std::string end;              // "Deny", "Pass"
  bool staged = false;          // only staged policies make it count
  std::vector<RuleSummary> rules;
  bool operator==(const TierSummary&) const = default;
};

struct ChainSummary {
  std::vector<TierSummary> tiers;
  std::vector<RuleSummary> profile_rules;
  bool operator==(const ChainSummary&) const = default;
};

struct EndpointSummary {
  std::string host_endpoint;
  std::vector<std::string> policies;  // "tier/policy", in order
  std::vector<std::string> staged_policies;
  std::vector<std::string> profiles;
  std::map<std::uint32_t, std::size_t> chains;  // NW_CHAIN_* -> SavedPolicy::chains; those that there are
  std::map<std::uint32_t, std::size_t> staged;  // likewise, with the staged policies in them; those that these change
  bool operator==(const EndpointSummary&) const = default;
};

struct SavedPolicy {
  compile::Slots slots;
  std::uint32_t generation = 0;
  std::vector<EndpointSummary> endpoints;
  std::vector<ChainSummary> chains;  // endpoints with equal policy share them
  compile::CostReport cost;
};

SavedPolicy summarize(const resolve::Resolved& resolved, const compile::Slots& slots);
// Parts of it.
struct PolicyOutline {
  std::vector<EndpointSummary> endpoints;
  std::vector<const resolve::ChainPolicy*> chains;  // of the policy that it is made of
};
PolicyOutline outline_of(const resolve::Resolved& resolved);
std::vector<RuleSummary> rule_words(const resolve::Resolved& resolved, const std::vector<resolve::ResolvedRule>& rules);
std::string_view tier_end_word(model::TierAction end);

Result<SavedState> read_state(const std::string& run_dir);
std::string state_text(const SavedState& state);
Status write_state(const std::string& run_dir, std::string_view text);
Result<SavedPolicy> read_policy(const std::string& run_dir);
Status write_policy(const std::string& run_dir, const SavedPolicy& policy);
Status write_policy_text(const std::string& run_dir, std::string_view text);  // of policy_text.h

// The disarm marker: present = the operator took enforcement off.
inline constexpr std::string_view kDisarmMarker = "disarmed";
bool is_disarmed(const std::string& run_dir);
// What a writer of the two files left that ended before it was done. For whoever holds the lock.
void remove_leftovers(const std::string& run_dir);
Status set_disarmed(const std::string& run_dir);
Status clear_disarmed(const std::string& run_dir);

// The engine's lock, held as long as the Fd lives: Errc::busy when another process has it.
Result<Fd> take_lock(const std::string& run_dir);
bool lock_is_held(const std::string& run_dir);  // an engine is alive

// Run directory of this network namespace: NODEWALL_RUN_DIR, else /run/<kernel::instance_name()>. Created 0700 when `create`.
enum class CreateDir : std::uint8_t { no, yes };
Result<std::string> default_run_dir(CreateDir create);
// The same rules for a directory that was named: must be a directory of root or the caller that nobody else can write.
Status check_run_dir(const std::string& run_dir, CreateDir create);

}  // namespace nodewall::engine
