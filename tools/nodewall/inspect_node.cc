#include "inspect_node.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/printable.h"
#include "inspect_table.h"

namespace nodewall::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kSeverities[] = {"info", "warning", "error"};

json hooks_json(const engine::InterfaceStatus& interface) {
  json hooks = json::array();
  for (const auto& hook : interface.hooks) {
    hooks.push_back({{"hook", kernel::name(hook.hook)},
                     {"mode", hook.mode},
                     {"programId", hook.program_id}});
  }
  return hooks;
}

json interface_json(const engine::InterfaceStatus& interface) {
  return {{"name", interface.name},         {"ifindex", interface.ifindex},
          {"hostEndpoint", interface.host_endpoint}, {"hooks", hooks_json(interface)},
          {"problem", interface.problem},   {"workload", interface.workload},
          {"excluded", interface.excluded}};
}

std::string hooks_text(const json& hooks) {
  std::string text;
  for (const auto& hook : hooks) {
    if (!text.empty()) text += " ";
    text += fmt::format("{}({})", hook["hook"].get<std::string>(), hook["mode"].get<std::string>());
  }
  return text;
}

std::string state_of(const json& interface) {
  if (const auto problem = interface["problem"].get<std::string>(); !problem.empty()) return problem;
  if (!interface["hostEndpoint"].get<std::string>().empty()) return "enforced";
  if (interface["workload"].get<bool>()) return "workload: left alone";
  if (interface["excluded"].get<bool>()) return "excluded: left alone";
  return "no host endpoint: open";
}

}  // namespace

Result<NodeView> view_node(const NodePlace& place) {
  NodeView view;
  const auto instance = kernel::instance_name();
  if (!instance) return fail(instance.error());
  if (place.run_dir.empty()) {
    auto found = engine::default_run_dir(engine::CreateDir::no);
    if (!found) return fail(found.error());
    view.run_dir = *found;
  } else {
    view.run_dir = place.run_dir;
  }
  std::string bpffs = place.bpffs;
  if (const char* named = std::getenv("NODEWALL_BPFFS"); bpffs.empty() && named) bpffs = named;
  // Looking must not mount anything.
  view.pin_dir = (bpffs.empty() ? kernel::present_bpffs().value_or("/sys/fs/bpf") : bpffs) + "/" + *instance;
  view.daemon_alive = engine::lock_is_held(view.run_dir);
  view.armed = !engine::is_disarmed(view.run_dir);
  if (auto state = engine::read_state(view.run_dir)) view.state = std::move(*state);
  else if (state.error().code != Errc::not_found) view.notes.push_back(state.error().message());
  struct stat info {};
  // A daemon that was given a bpffs of its own says so; a path through its own descriptors means nothing here.
  if (view.state && bpffs.empty() && !view.state->pin_dir.starts_with("/proc/") && ::stat(view.state->pin_dir.c_str(), &info) == 0)
    view.pin_dir = view.state->pin_dir;
  view.pinned = ::stat(view.pin_dir.c_str(), &info) == 0;
  if (auto policy = engine::read_policy(view.run_dir)) view.policy = std::move(*policy);
  else if (policy.error().code != Errc::not_found) view.notes.push_back(policy.error().message());
  return view;
}

Result<kernel::Datapath> open_pinned(const NodeView& view) {
  if (!view.pinned) return fail(Errc::not_found, "nothing is enforced here: no " + view.pin_dir);
  kernel::DatapathOptions options;
  options.pin_dir = view.pin_dir;
  options.inspect = true;
  return kernel::Datapath::open(options);
}

json interfaces_json(const NodeView& view) {
  json list = json::array();
  if (!view.state) return list;
  for (const auto& interface : view.state->status.interfaces) {
    list.push_back(interface_json(interface));
  }
  return list;
}

std::string interfaces_text(const json& interfaces) {
  std::vector<TableRow> rows;
  for (const auto& interface : interfaces) {
    rows.push_back({interface["name"].get<std::string>(),
                    fmt::format("{}", interface["ifindex"].get<std::uint32_t>()),
                    interface["hostEndpoint"].get<std::string>(), hooks_text(interface["hooks"]),
                    state_of(interface)});
  }
  return text_table({"INTERFACE", "IFINDEX", "HOSTENDPOINT", "HOOKS", "STATE"}, rows);
}

json status_json(const NodeView& view) {
  json to = {{"daemon", {{"alive", view.daemon_alive}, {"pid", 0}, {"version", ""}}},
             {"armed", view.armed},
             {"pinned", view.pinned},
             {"pinDirectory", view.pin_dir},
             {"runDirectory", view.run_dir},
             {"interfaces", interfaces_json(view)},
             {"conditions", json::array()},
             {"diagnostics", json::array()},
             {"notes", view.notes}};
  if (!view.state) return to;
  const auto& status = view.state->status;
  to["daemon"]["pid"] = view.state->pid;
  to["daemon"]["version"] = view.state->notes.program_version;
  to["node"] = status.node;
  to["generation"] = status.generation;
  to["lastError"] = status.last_error;
  to["datastore"] = {{"path", view.state->notes.datastore},
                     {"error", view.state->notes.datastore_error}};
  to["diagnostics"] = view.state->notes.diagnostics;
  for (const auto& condition : status.conditions) {
    to["conditions"].push_back(
        {{"severity", kSeverities[static_cast<std::size_t>(condition.severity)]},
         {"object", to_string(condition.object)},
         {"type", condition.type},
         {"message", condition.message}});
  }
  return to;
}

std::string status_text(const json& status) {
  const auto text_of = [&](const char* key) {
    return status.contains(key) ? printable(status[key].get<std::string>()) : std::string("-");
  };
  const auto& daemon = status["daemon"];
  std::string text = fmt::format("Node:        {}\n", text_of("node"));
  text += daemon["alive"].get<bool>()
              ? fmt::format("Daemon:      alive (pid {})\n", daemon["pid"].get<std::int64_t>())
              : std::string("Daemon:      not running; what is pinned stays enforced\n");
  text += fmt::format("Enforcement: {}\n", !status["armed"].get<bool>() ? "DISARMED: nothing is enforced"
                                           : status["pinned"].get<bool>() ? "armed"
                                                                          : "armed, nothing is pinned");
  if (status.contains("generation")) {
    text += fmt::format("Generation:  {}\n", status["generation"].get<std::uint32_t>());
  }
  if (status.contains("datastore")) {
    const auto error = status["datastore"]["error"].get<std::string>();
    text += fmt::format("Datastore:   {}{}\n",
                        printable(status["datastore"]["path"].get<std::string>()),
                        error.empty() ? "" : " (NOT READABLE: " + printable(error) + ")");
  }
  if (const auto error = text_of("lastError"); error != "-" && !error.empty()) {
    text += fmt::format("Last error:  {}\n", error);
  }
  if (!status["interfaces"].empty()) text += "\n" + interfaces_text(status["interfaces"]);
  if (!status["conditions"].empty()) text += "\nConditions:\n";
  for (const auto& condition : status["conditions"]) {
    text += fmt::format("  {}: {} {}: {}\n", condition["severity"].get<std::string>(),
                        printable(condition["object"].get<std::string>()),
                        printable(condition["type"].get<std::string>()),
                        printable(condition["message"].get<std::string>()));
  }
  if (!status["diagnostics"].empty()) text += "\nDatastore diagnostics:\n";
  for (const auto& line : status["diagnostics"]) {
    text += "  " + printable(line.get<std::string>()) + "\n";
  }
  for (const auto& line : status["notes"]) text += "\n" + printable(line.get<std::string>()) + "\n";
  return text;
}

}  // namespace nodewall::cli
