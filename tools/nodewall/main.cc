// nodewall: the resource verbs of calicoctl on a node's datastore, inspection of what is enforced, and the switch that takes it off.
#include <csignal>
#include <exception>

#include "arguments.h"
#include "base/result.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

constexpr Command kCommands[] = {
    {"apply", "Create or update resources from files", declare_write, run_write},
    {"create", "Create resources from files", declare_create, run_write},
    {"replace", "Update resources that exist from files", declare_write, run_write},
    {"delete", "Delete resources, by kind and name or from files", declare_delete, run_delete},
    {"get", "Show resources", declare_get, run_get},
    {"patch", "Change fields of a resource", declare_patch, run_patch},
    {"label", "Set or remove a label of a resource", declare_label, run_label},
    {"validate", "Check files without applying them", declare_validate, run_validate},
    {"version", "Show the versions of this program and of the daemon", declare_version,
     run_version},
    {"status", "What is enforced on this node, and what is wrong", declare_status, run_status},
    {"show", "interfaces, policy, counters, conntrack or failsafe ports", declare_show, run_show},
    {"trace", "What becomes of a packet, and which rule decides", declare_trace, run_trace},
    {"verify", "Prove that the tables in the kernel say what the policy says", declare_verify, run_verify},
    {"events", "Packets that Log rules matched", declare_events, run_events},
    {"disarm", "Take enforcement off; works without the daemon", declare_disarm, run_disarm},
    {"arm", "Allow enforcement again after disarm", declare_arm, run_arm},
};

// The mistake in one line, and where to look.
int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = "nodewall";
  for (const auto* verb : app.get_subcommands()) command += " " + verb->get_name();
  const auto left = app.remaining();
  if (app.get_subcommands().empty()) {
    return usage(left.empty() ? "a command is wanted" : "there is no command '" + left.front() + "'", command + " --help");
  }
  return usage(error.what(), command + " --help");
}

void declare(CLI::App& app, Arguments& arguments) {
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "nodewall " NODEWALL_VERSION);
  app.add_option("--datastore", arguments.datastore,
                 "Directory of manifests (NODEWALL_DATASTORE, else /etc/nodewall)");
  for (const auto& command : kCommands) {
    auto* verb = app.add_subcommand(command.name, command.help);
    verb->footer("--datastore DIR: the directory of manifests (NODEWALL_DATASTORE, else /etc/nodewall).");
    command.declare(*verb, arguments);
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Host endpoints on this node: the verbs of calicoctl, and what is enforced.",
               "nodewall"};
  Arguments arguments;
  declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : usage_error(app, error);
  }
  arguments.verb = app.get_subcommands().front()->get_name();
  for (const auto& command : kCommands) {
    if (command.name == arguments.verb) return finish(command.run(arguments));
  }
  return 2;
}

}  // namespace
}  // namespace nodewall::cli

int main(int argc, char** argv) {
  // A reader that went away is noticed by finish().
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return nodewall::cli::run(argc, argv);
  } catch (const std::exception& defect) {
    return nodewall::cli::report(
        nodewall::fail(nodewall::Errc::internal, std::string("internal error: ") + defect.what()).error());
  }
}
