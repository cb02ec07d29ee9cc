// nodewalld: keeps a node as its manifests say.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/printable.h"
#include "daemon.h"
#include "engine/node_name.h"
#include "host.h"

namespace {

using nodewall::daemon::Daemon;
using nodewall::daemon::Options;

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

int fail_with(const nodewall::Error& error) {
  spdlog::error("{}", nodewall::printable(error.message()));
  return nodewall::exit_code(error.code);
}

int run(Options options) {
  auto daemon = Daemon::open(std::move(options));
  if (!daemon) return fail_with(daemon.error());
  const auto done = daemon->run();
  return done ? 0 : fail_with(done.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Enforces Calico host endpoints on this node's interfaces.", "nodewalld"};
  Options options;
  std::string datastore, node, log_level = "info";
  app.add_option("--datastore", datastore, "Directory of manifests (NODEWALL_DATASTORE, else /etc/nodewall)");
  app.add_option("--node", node, "Name of this node (NODENAME, else the host name in lower case)");
  app.add_option("--labels-file", options.labels_file, "Labels of this node, key=value a line");
  app.add_option("--bpffs", options.engine.bpffs, "bpffs to pin in (NODEWALL_BPFFS, else found or mounted)");
  app.add_option("--run-dir", options.engine.run_dir, "Lock, state and disarm marker (default /run/nodewall)");
  app.add_flag("--force-clsact", options.engine.force_clsact, "Attach by clsact although the kernel has tcx");
  app.add_option("--log-level", log_level, "What is logged to stderr")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}));
  app.add_flag("--once", options.once, "Apply once and exit");
  app.set_version_flag("--version", "nodewalld " NODEWALL_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_st("nodewalld"));
  spdlog::set_level(spdlog::level::from_str(log_level));
  options.datastore = nodewall::store::datastore_path(datastore);
  options.node = nodewall::engine::node_name(node);
  if (options.engine.bpffs.empty()) options.engine.bpffs = from_environment("NODEWALL_BPFFS");
  return run(std::move(options));
}
