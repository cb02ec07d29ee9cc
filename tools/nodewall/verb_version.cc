// version: this program's, and that of the daemon that is (or was last) at work here.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "arguments.h"
#include "config/duration.h"
#include "inspect_node.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

Result<std::string> daemon_version(const Arguments& arguments) {
  const auto view = view_node({.run_dir = arguments.run_dir, .bpffs = {}});
  if (!view) return fail(view.error());
  if (!view->state || view->state->notes.program_version.empty()) {
    return fail(Errc::not_found, "no nodewalld has run here: the version of the daemon is not known");
  }
  return view->state->notes.program_version;
}

// Prints the daemon's version whenever it changes, until the program is ended or the reader goes away.
int poll_daemon(const Arguments& arguments, std::chrono::nanoseconds every, std::string last) {
  while (true) {
    std::this_thread::sleep_for(every);
    const auto version = daemon_version(arguments);
    if (!version || *version == last) continue;
    last = *version;
    print(fmt::format("Cluster Version:   {}\n", escaped(last)));
    if (const int code = finish(0); code != 0) return code;
  }
}

}  // namespace

void declare_version(CLI::App& app, Arguments& arguments) {
  app.add_flag("--client", arguments.client_only, "Only this program's version");
  app.add_option("--poll", arguments.poll, "Look again at this interval (10s, 1m); 0 is off");
  app.add_option("--run-dir", arguments.run_dir, "Run directory of the daemon");
  declare_compatible(app, arguments);
}

int run_version(const Arguments& arguments) {
  std::chrono::nanoseconds every{0};
  if (!arguments.poll.empty()) {
    const auto parsed = config::parse_duration(arguments.poll);
    if (!parsed) return usage("--poll: " + parsed.error().message(), "nodewall version --help");
    every = *parsed;
  }
  print("Client Version:    " NODEWALL_VERSION "\n");
  if (arguments.client_only) return 0;
  const auto version = daemon_version(arguments);
  if (version) print(fmt::format("Cluster Version:   {}\n", escaped(*version)));
  if (every.count() > 0) {
    if (const int code = finish(0); code != 0) return code;
    return poll_daemon(arguments, every, version.value_or(""));
  }
  return version ? 0 : report(version.error());
}

}  // namespace nodewall::cli
