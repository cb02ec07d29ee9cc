// What the inspecting commands (status, show) know of this node: the state files and the pinned maps. Works with the daemon dead.
// Every command makes one JSON value; the text is rendered from that value.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"
#include "engine/state_file.h"
#include "kernel/datapath.h"

namespace nodewall::cli {

struct NodePlace {
  std::string run_dir;  // empty: NODEWALL_RUN_DIR, else the namespace's own
  std::string bpffs;    // empty: NODEWALL_BPFFS, else found
};

struct NodeView {
  std::string run_dir;
  std::string pin_dir;
  bool daemon_alive = false;
  bool armed = true;
  bool pinned = false;      // maps are pinned: something is enforced
  std::optional<engine::SavedState> state;
  std::optional<engine::SavedPolicy> policy;
  std::vector<std::string> notes;  // state files that could not be used, and why
};

Result<NodeView> view_node(const NodePlace& place);
// The pinned maps; Errc::not_found when nothing is pinned.
Result<kernel::Datapath> open_pinned(const NodeView& view);

nlohmann::json status_json(const NodeView& view);
std::string status_text(const nlohmann::json& status);

nlohmann::json interfaces_json(const NodeView& view);
std::string interfaces_text(const nlohmann::json& interfaces);

Result<nlohmann::json> counters_json(const NodeView& view);
std::string counters_text(const nlohmann::json& counters);

Result<nlohmann::json> policy_json(const NodeView& view);
std::string policy_text(const nlohmann::json& policy);

Result<nlohmann::json> conntrack_json(const NodeView& view);
std::string conntrack_text(const nlohmann::json& flows);

Result<nlohmann::json> failsafe_json(const NodeView& view);
std::string failsafe_text(const nlohmann::json& ports);

}  // namespace nodewall::cli
