// status, show, arm, disarm.
#include <unistd.h>

#include <iostream>

#include "arguments.h"
#include "inspect_arm.h"
#include "inspect_node.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

using nlohmann::json;

constexpr int kPrettyIndent = 2;

void declare_place(CLI::App& app, Arguments& arguments) {
  app.add_option("--run-dir", arguments.run_dir, "Run directory of the daemon (NODEWALL_RUN_DIR)");
  app.add_option("--bpffs", arguments.bpffs, "bpffs that it pins in (NODEWALL_BPFFS)");
}

void declare_json(CLI::App& app, Arguments& arguments) {
  app.add_flag("-j,--json", arguments.json, "JSON on one line");
  app.add_flag("-p,--pretty", arguments.pretty, "JSON, indented");
}

NodePlace place_of(const Arguments& arguments) {
  return {.run_dir = arguments.run_dir, .bpffs = arguments.bpffs};
}

// The answer in the form that was asked for.
int answer(const Arguments& arguments, const json& value, std::string (*text)(const json&)) {
  if (arguments.pretty) print(json_text(value, kPrettyIndent) + "\n");
  else if (arguments.json) print(json_text(value, -1) + "\n");
  else print(text(value));
  return 0;
}

// Under -j errors are JSON too.
int inspect_error(const Arguments& arguments, const Error& error) {
  if (arguments.json || arguments.pretty) {
    print(json_text({{"error", error.message()}, {"code", name(error.code)}}, -1) + "\n");
    return exit_code(error.code);
  }
  return report(error);
}

struct Topic {
  const char* name;
  Result<json> (*value)(const NodeView&);
  std::string (*text)(const json&);
};

Result<json> interfaces(const NodeView& view) { return interfaces_json(view); }

constexpr Topic kTopics[] = {{"interfaces", interfaces, interfaces_text},
                             {"policy", policy_json, policy_text},
                             {"counters", counters_json, counters_text},
                             {"conntrack", conntrack_json, conntrack_text},
                             {"failsafe", failsafe_json, failsafe_text}};

bool confirmed() {
  if (::isatty(STDIN_FILENO) == 0) return false;
  print("This takes enforcement off every interface of this node. Type yes to go on: ");
  finish(0);
  std::string line;
  return std::getline(std::cin, line) && line == "yes";
}

int tell(const Result<std::string>& done) {
  if (!done) return report(done.error());
  print(escaped(*done) + "\n");
  return 0;
}

}  // namespace

void declare_status(CLI::App& app, Arguments& arguments) {
  declare_json(app, arguments);
  declare_place(app, arguments);
}

int run_status(const Arguments& arguments) {
  const auto view = view_node(place_of(arguments));
  if (!view) return inspect_error(arguments, view.error());
  return answer(arguments, status_json(*view), status_text);
}

void declare_show(CLI::App& app, Arguments& arguments) {
  app.add_option("TOPIC", arguments.topic, "interfaces, policy, counters, conntrack or failsafe")
      ->required()
      ->check(CLI::IsMember({"interfaces", "policy", "counters", "conntrack", "failsafe"}));
  declare_json(app, arguments);
  declare_place(app, arguments);
}

int run_show(const Arguments& arguments) {
  const auto view = view_node(place_of(arguments));
  if (!view) return inspect_error(arguments, view.error());
  for (const auto& topic : kTopics) {
    if (topic.name != arguments.topic) continue;
    const auto value = topic.value(*view);
    if (!value) return inspect_error(arguments, value.error());
    return answer(arguments, *value, topic.text);
  }
  return 2;
}

void declare_disarm(CLI::App& app, Arguments& arguments) {
  app.add_flag("--yes", arguments.yes, "Do not ask");
  declare_place(app, arguments);
}

int run_disarm(const Arguments& arguments) {
  if (!arguments.yes && !confirmed()) {
    complain("nothing was changed: disarm wants a yes, or --yes");
    return 2;
  }
  return tell(disarm(place_of(arguments)));
}

void declare_arm(CLI::App& app, Arguments& arguments) { declare_place(app, arguments); }

int run_arm(const Arguments& arguments) { return tell(arm(place_of(arguments))); }

}  // namespace nodewall::cli
