// The measurements of nodewall-bench, one a subcommand. Each takes what it shall measure and adds rows; it looks at `Progress` between
// steps, so that a run can be cut short with what it has.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "report.h"
#include "workload.h"

namespace nodewall::bench {

struct Plan {
  std::vector<std::string> workloads;
  std::vector<std::string> engines;
  std::vector<std::uint64_t> sizes;      // of lists of rules
  std::vector<std::uint64_t> set_sizes;  // of the workload "set"
  std::vector<int> families = {4};
  std::vector<std::string> traffic;      // traffic.h
  std::uint32_t frame_bytes = 64;
  unsigned rounds = 3;
  std::chrono::milliseconds duration{1000};
  std::size_t background_flows = 100000;
  std::uint64_t seed = 1;
  std::string classbench;                // a file instead of generated rules
  bool quick = false;
};

class Progress {
  using Clock = std::chrono::steady_clock;

 public:
  explicit Progress(bool quiet) : quiet_(quiet) {}
  void step(const std::string& what);     // on standard error
  [[nodiscard]] bool interrupted() const;  // SIGINT or SIGTERM came, or the time is over
  [[nodiscard]] bool late() const { return Clock::now() > end_; }
  void end_after(std::chrono::seconds limit) { end_ = Clock::now() + limit; }
  static void watch_signals();

 private:
  bool quiet_;
  Clock::time_point end_ = Clock::time_point::max();
};

Status measure_pktrate(const Plan& plan, Progress& progress, Report& report);   // pktrate.cc
Status measure_datapath(const Plan& plan, Progress& progress, Report& report);  // datapath.cc
Status measure_control(const Plan& plan, Progress& progress, Report& report);   // control.cc
Status measure_node(const Plan& plan, Progress& progress, Report& report);      // node.cc
Status measure_lines(const Plan& plan, Progress& progress, Report& report);     // lines.cc
Status measure_bulk(const Plan& plan, Progress& progress, Report& report);      // bulk.cc
Status measure_targets(const Plan& plan, Progress& progress, Report& report);   // targets.cc

// The workloads of a plan, in order: (name, size) with "set" taking its own sizes.
struct Job {
  std::string workload;
  std::uint64_t size = 0;
  int family = 4;
};
std::vector<Job> jobs(const Plan& plan);
Result<Workload> workload_of(const Job& job, const Plan& plan);
Status for_each_job(const Plan& plan, Progress& progress, const std::function<Status(const Job&)>& measure);

constexpr unsigned kChanges = 200;    // one after the other: a 99th percentile needs some
constexpr unsigned kFewChanges = 20;  // of a quick run, and of dear ones
double ms_since(std::chrono::steady_clock::time_point start);
Row percentile_99(Row row, std::vector<double> values);  // its `what` with "-p99"

}  // namespace nodewall::bench
