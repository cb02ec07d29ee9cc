// nodewall-bench: what a packet costs in the real programs, and what a policy costs to compile and to write.
//
// Packets go through BPF_PROG_TEST_RUN: no interface is touched. Engines and sizes are measured in turns, batch by batch, so
// that a noisy machine disturbs all of them alike; medians are reported.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <utility>

#include "compile/table_image.h"
#include "engine/frame.h"
#include "kernel/datapath.h"
#include "report.h"
#include "scenario.h"

namespace nodewall::bench {
namespace {

struct Options {
  std::vector<std::uint64_t> sizes = {10, 1000, 100000};
  std::vector<std::string> scenarios = kScenarios;
  unsigned batches = 21;
  std::uint32_t repeat = 20000;
  bool json = false;
};

double elapsed_ms(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
}

Result<kernel::Datapath> datapath_with(const Scenario& scenario, const compile::TableImage& image) {
  auto datapath = kernel::Datapath::open({});
  if (!datapath) return datapath;
  std::map<Address, std::uint32_t> local;
  for (const Address& address : scenario.resolved.local_addresses) local[address] = NW_LOCAL_ADDRESS;
  if (auto done = datapath->set_local_addresses(local); !done) return fail(done.error());
  if (auto done = datapath->reserve_rule_counters(static_cast<std::uint32_t>(image.cost.rules + 1)); !done)
    return fail(done.error());
  if (auto done = datapath->set_policy(image.lines, 1); !done) return fail(done.error());
  return datapath;
}

struct Subject {
  Scenario scenario;
  kernel::Datapath datapath;
  kernel::Hook hook;
  std::vector<double> nanoseconds;
};

// One batch: `repeat` runs of one of the scenario's packets; another packet each batch.
Status run_batch(Subject& subject, unsigned batch, const Options& options) {
  const auto& packet = subject.scenario.denied[batch % subject.scenario.denied.size()];
  const auto frame = engine::build_frame(packet);
  auto run = subject.datapath.run(subject.hook, frame, nw_interface{}, options.repeat);
  if (!run) return fail(run.error());
  if (run->return_code != (subject.hook == kernel::Hook::xdp ? 1 : 2))
    return fail(Errc::internal, "the packet was not dropped: return code " + std::to_string(run->return_code));
  subject.nanoseconds.push_back(static_cast<double>(run->duration_ns));
  return {};
}

Result<std::vector<Row>> bench_datapath(const Options& options) {
  std::vector<Subject> subjects;
  for (const auto& name : options.scenarios)
    for (const auto size : options.sizes)
      for (const auto hook : {kernel::Hook::xdp, kernel::Hook::tc_ingress}) {
        auto scenario = make_scenario(name, size);
        if (!scenario) return fail(scenario.error());
        auto image = compile::compile(scenario->resolved, compile::assign_slots({}, scenario->resolved));
        if (!image) return fail(image.error().in(name));
        auto datapath = datapath_with(*scenario, *image);
        if (!datapath) return fail(datapath.error().in(name));
        subjects.push_back({std::move(*scenario), std::move(*datapath), hook, {}});
      }
  for (unsigned batch = 0; batch < options.batches; ++batch)
    for (Subject& subject : subjects)
      if (auto done = run_batch(subject, batch, options); !done) return fail(done.error().in(subject.scenario.name));
  std::vector<Row> rows;
  for (const Subject& subject : subjects)
    rows.push_back(row_of(subject.hook == kernel::Hook::xdp ? "nodewall-xdp" : "nodewall-tc", subject.scenario.name,
                          subject.scenario.size, "ns/packet", subject.nanoseconds));
  return rows;
}

Result<std::vector<Row>> bench_compile(const Options& options) {
  std::vector<Row> rows;
  for (const auto& name : options.scenarios)
    for (const auto size : options.sizes) {
      auto scenario = make_scenario(name, size);
      if (!scenario) return fail(scenario.error());
      const auto slots = compile::assign_slots({}, scenario->resolved);
      std::vector<double> times;
      std::size_t bytes = 0;
      for (unsigned batch = 0; batch < std::min(options.batches, 5U); ++batch) {
        const auto start = std::chrono::steady_clock::now();
        auto image = compile::compile(scenario->resolved, slots);
        if (!image) return fail(image.error().in(name));
        times.push_back(elapsed_ms(start));
        bytes = image->cost.bytes;
      }
      rows.push_back(row_of("nodewall", name, size, "ms", times));
      rows.push_back(row_of("nodewall", name, size, "bytes", {static_cast<double>(bytes)}));
    }
  return rows;
}

int print(const Result<std::vector<Row>>& rows, const Options& options) {
  if (!rows) {
    std::cerr << "nodewall-bench: " << rows.error().message() << "\n";
    return exit_code(rows.error().code);
  }
  std::cout << (options.json ? to_json(*rows) : to_table(*rows));
  return 0;
}

void add_options(CLI::App& command, Options& options) {
  command.add_option("--sizes", options.sizes, "Rules, or members of the set")->delimiter(',');
  command.add_option("--scenarios", options.scenarios, "own_cidr_and_port, one_set")
      ->delimiter(',')
      ->check(CLI::IsMember(kScenarios));
  command.add_option("--batches", options.batches, "Measurements of each row; the median is reported")->check(CLI::Range(1, 10000));
  command.add_flag("--json", options.json, "Rows as JSON");
}

}  // namespace
}  // namespace nodewall::bench

int main(int argc, char** argv) {
  using namespace nodewall::bench;
  CLI::App app{"Measures Nodewall's programs and compiler", "nodewall-bench"};
  app.require_subcommand(1);
  app.set_version_flag("--version", NODEWALL_VERSION);
  Options options;
  auto* datapath = app.add_subcommand("datapath", "Nanoseconds a denied packet spends in the real programs (needs root)");
  add_options(*datapath, options);
  datapath->add_option("--repeat", options.repeat, "Packets a measurement")->check(CLI::Range(1, 10000000));
  auto* compile = app.add_subcommand("compile", "Time to compile a policy, and the size of its image");
  add_options(*compile, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return *datapath ? print(bench_datapath(options), options) : print(bench_compile(options), options);
}
