// nodewall-bench: what a packet costs with Nodewall and beside it, what a change of policy costs, and how much memory. Everything
// happens in namespaces of its own.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <iostream>

#include "charts.h"
#include "engine.h"
#include "measure.h"
#include "traffic.h"

namespace nodewall::bench {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;
constexpr std::chrono::seconds kQuick{36};  // what is begun then is ended

struct Options {
  Plan plan;
  bool json = false, quiet = false;
  std::string html, svg;
  std::uint64_t milliseconds = 1000;
};

using Measure = Status (*)(const Plan&, Progress&, Report&);

void add_options(CLI::App& command, Options& options) {
  auto& plan = options.plan;
  command.add_option("--workloads", plan.workloads, "acl, fw, ipc, set, cluster, seed")->delimiter(',')->check(CLI::IsMember(kWorkloads));
  command.add_option("--engines", plan.engines, "Engines, as docs/benchmarks.md lists them")->delimiter(',')->check(CLI::IsMember(kEngines));
  command.add_option("--sizes", plan.sizes, "Rules of a list")->delimiter(',')->check(CLI::Range(1, 1000000));
  command.add_option("--set-sizes", plan.set_sizes, "Members of a set")->delimiter(',')->check(CLI::Range(1, 4000000));
  command.add_option("--families", plan.families, "4, 6 or both")->delimiter(',')->check(CLI::IsMember({4, 6}));
  command.add_option("--traffic", plan.traffic, "Kinds of packets, as docs/benchmarks.md lists them")
      ->delimiter(',')
      ->check(CLI::IsMember(kTraffic));
  command.add_option("--frame-bytes", plan.frame_bytes, "Length of a frame")->check(CLI::Range(64, 1500));
  command.add_option("--rounds", plan.rounds, "Measurements of each row; the median is reported")->check(CLI::Range(1, 1000));
  command.add_option("--milliseconds", options.milliseconds, "Length of one measurement")->check(CLI::Range(20, 60000));
  command.add_option("--flows", plan.background_flows, "Established flows of others in the table")->check(CLI::Range(0, 400000));
  command.add_option("--seed", plan.seed, "Of the generated policies and packets");
  command.add_option("--classbench", plan.classbench, "Rules from a file in ClassBench's format")->check(CLI::ExistingFile);
  command.add_flag("--quick", plan.quick, "A short run: few sizes, one round; ends after 40 seconds with what there is");
  command.add_flag("--json", options.json, "Rows as JSON");
  command.add_flag("--quiet", options.quiet, "No progress on standard error");
  command.add_option("--html", options.html, "Also write a report with charts to this file");
  command.add_option("--svg", options.svg, "Also write the charts alone to this file");
}

void fill_defaults(Options& options, const std::string& command) {
  auto& plan = options.plan;
  const auto otherwise = [](auto& values, auto quick_values, auto values_of_full, bool quick) {
    if (values.empty()) values = quick ? quick_values : values_of_full;
  };
  const bool by_packets = command != "control" && command != "node";
  using Sizes = std::vector<std::uint64_t>;
  using Names = std::vector<std::string>;
  otherwise(plan.workloads, Names{"acl", "set"}, kWorkloads, plan.quick);
  otherwise(plan.sizes, by_packets ? Sizes{10, 1000} : Sizes{1000, 10000}, by_packets ? Sizes{10, 100, 1000, 10000, 100000} : Sizes{1000, 10000, 100000},
            plan.quick);
  otherwise(plan.traffic, Names{"denied"}, command == "datapath" ? kStages : Names{"denied"}, plan.quick);
  otherwise(plan.set_sizes, Sizes{1000, 100000}, Sizes{100, 1000, 10000, 100000, 1000000}, plan.quick);
  otherwise(plan.engines, Names{"empty-xdp", "nodewall-xdp", "empty-tc", "nodewall-tcx", "nft-list", "nft-set"}, kEngines, plan.quick);
  if (plan.quick) {
    plan.rounds = 1;
    options.milliseconds = std::min<std::uint64_t>(options.milliseconds, 300);
  }
  plan.duration = std::chrono::milliseconds(options.milliseconds);
}

void write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  std::ofstream file(path);
  file << text;
  if (!file.flush()) std::cerr << "nodewall-bench: cannot write " << path << "\n";
}

int finish(const Status& status, const Report& report, const Options& options) {
  std::cout << (options.json ? to_json(report) : to_table(report));
  write_file(options.html, options.html.empty() ? "" : to_html(report));
  write_file(options.svg, options.svg.empty() ? "" : stacked(line_charts(report)));
  if (status) return 0;
  std::cerr << "nodewall-bench: " << status.error().message() << "\n";
  return exit_code(status.error().code);
}

}  // namespace

void Progress::watch_signals() {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { g_interrupted = 1; });
}

void Progress::step(const std::string& what) {
  if (!quiet_) std::cerr << what << "\n";
}

bool Progress::interrupted() const { return g_interrupted != 0 || late(); }

}  // namespace nodewall::bench

int main(int argc, char** argv) {
  using namespace nodewall::bench;
  CLI::App app{"Measures Nodewall beside its peers", "nodewall-bench"};
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", NODEWALL_VERSION);
  Options options;
  struct Command {
    const char* name;
    const char* help;
    Measure measure;
  };
  static constexpr Command kCommands[] = {
      {"pktrate", "Packets a second on one core through a veth pair, beside other engines (root)", measure_pktrate},
      {"datapath", "Nanoseconds a packet spends in our programs, by kind, and the worst packet (root)", measure_datapath},
      {"lines", "Lines of the policy image that a packet reads: a count, without noise", measure_lines},
      {"control", "Time from a change to its enforcement, and memory (root)", measure_control},
      {"node", "The same from changed resources on, by the whole engine, and the memory of each map (root)", measure_node},
      {"bulk", "Throughput of one TCP connection with our programs at tcx (root)", measure_bulk},
      {"targets", "What must be reached, beside what is: the table of bench/README.md (root)", measure_targets}};
  add_options(app, options);  // without a command: pktrate
  for (const auto& command : kCommands) add_options(*app.add_subcommand(command.name, command.help), options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  Progress::watch_signals();
  Report report;
  for (int i = 0; i < argc; ++i) report.command += (i > 0 ? " " : "") + std::string(i > 0 ? argv[i] : "nodewall-bench");
  const auto chosen = app.get_subcommands();
  for (const auto& command : kCommands) {
    if (command.name != (chosen.empty() ? "pktrate" : chosen.front()->get_name())) continue;
    fill_defaults(options, command.name);
    Progress progress(options.quiet);
    if (options.plan.quick) progress.end_after(kQuick);
    const auto status = command.measure(options.plan, progress, report);
    if (progress.interrupted()) report.notes.push_back(progress.late() ? "cut short after the time that --quick has" : "cut short by a signal");
    add_derived(report);
    return finish(status, report, options);
  }
  return 2;
}
