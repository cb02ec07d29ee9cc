// Time from a change to its enforcement, and what it takes in memory.
//
//   resolve, compile, write   the three steps of a cold start, apart
//   cold      all of it, from resources to a live image in a datapath that was loaded before
//   edit      one rule changed, to its enforcement
//   member    one member added to the set, likewise
#include <fmt/format.h>

#include <algorithm>

#include "compile/table_image.h"
#include "kernel/datapath.h"
#include "measure.h"
#include "workload.h"

namespace nodewall::bench {
namespace {

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

struct Times {
  std::vector<double> compile, write, change;
  std::size_t bytes = 0;
};

// Compiles and writes; adds what each took.
Status enforce(const resolve::Resolved& resolved, kernel::Datapath& datapath, std::uint32_t generation, compile::Slots& slots, Times& times) {
  const auto start = std::chrono::steady_clock::now();
  slots = compile::assign_slots(slots, resolved);
  auto image = compile::compile(resolved, slots);
  if (!image) return fail(image.error());
  times.compile.push_back(ms_since(start));
  const auto compiled = std::chrono::steady_clock::now();
  if (auto done = datapath.set_policy(image->lines, generation); !done) return done;
  times.write.push_back(ms_since(compiled));
  times.bytes = image->cost.bytes;
  return {};
}

void change(resolve::Resolved& resolved, const Workload& workload, unsigned round) {
  if (!workload.set.empty()) {
    auto& members = resolved.sets[0].members;
    const Cidr added{Address::v4(0x5e000000U + round), 32};
    members.insert(std::ranges::upper_bound(members, added), added);
    return;
  }
  auto& rules = resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules;
  auto& rule = rules[(round * 7919U) % rules.size()];
  const auto port = static_cast<std::uint16_t>(10000 + round);
  rule.destination.ports = {{model::PortRange{port, port}}};
}

void add_rows(const Job& job, const Times& times, const Workload& workload, Report& report) {
  Row row{.engine = "nodewall", .scenario = job.workload, .what = "compile", .size = job.size, .family = job.family, .unit = "ms"};
  report.rows.push_back(summarize(row, times.compile));
  row.what = "write";
  report.rows.push_back(summarize(row, times.write));
  row.what = workload.set.empty() ? "edit" : "member";
  report.rows.push_back(summarize(row, times.change));
  row.what = "image";
  row.unit = "bytes";
  report.rows.push_back(summarize(row, {static_cast<double>(times.bytes)}));
}

}  // namespace

Status measure_control(const Plan& plan, Progress& progress, Report& report) {
  for (const auto& job : jobs(plan)) {
    progress.step(fmt::format("{} {} IPv{}", job.workload, job.size, job.family));
    auto workload = make_workload(job.workload, job.size, job.family == 4 ? Family::v4 : Family::v6, plan.seed);
    if (!workload) return fail(workload.error());
    auto resolved = to_resolved(*workload, {});
    auto datapath = kernel::Datapath::open({});
    if (!datapath) return fail(datapath.error());
    Times times;
    std::uint32_t generation = 0;
    for (unsigned round = 0; round < plan.rounds && !progress.interrupted(); ++round) {
      compile::Slots slots;
      if (auto done = enforce(resolved, *datapath, ++generation, slots, times); !done) return fail(std::move(done.error()).in(job.workload));
      Times changed;
      change(resolved, *workload, round);
      const auto start = std::chrono::steady_clock::now();
      if (auto done = enforce(resolved, *datapath, ++generation, slots, changed); !done) return fail(std::move(done.error()).in(job.workload));
      times.change.push_back(ms_since(start));
    }
    add_rows(job, times, *workload, report);
    if (progress.interrupted()) return {};
  }
  return {};
}

}  // namespace nodewall::bench
