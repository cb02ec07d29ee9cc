// The engine's state as JSON in <run_dir>/state.json (0600, written whole and renamed): the command line reads it beside the pinned
// maps, and a restarted engine keeps its slots. Untrusted input on reading: shape and numbers are checked.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "compile/table_image.h"
#include "engine/engine.h"

namespace nodewall::engine {

struct SavedState {
  compile::Slots slots;
  std::map<std::string, std::uint32_t> interface_counters;  // block of nw_counter by interface name
  EngineStatus status;
  std::string datastore;        // filled by the daemon
  std::string program_version;  // of the daemon that wrote it
  std::int64_t pid = 0;
};

Result<SavedState> read_state(const std::string& run_dir);
Status write_state(const std::string& run_dir, const SavedState& state);

// The disarm marker: present = the operator took enforcement off.
bool is_disarmed(const std::string& run_dir);
Status set_disarmed(const std::string& run_dir);
Status clear_disarmed(const std::string& run_dir);

// Run directory of this network namespace: /run/<kernel::instance_name()>. Created 0700 when `create`.
enum class CreateDir : std::uint8_t { no, yes };
Result<std::string> default_run_dir(CreateDir create);

}  // namespace nodewall::engine
