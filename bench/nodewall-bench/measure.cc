#include "measure.h"

#include <fmt/format.h>

#include <algorithm>

namespace nodewall::bench {

std::vector<Job> jobs(const Plan& plan) {
  std::vector<Job> all;
  if (!plan.classbench.empty()) return {{"classbench", 0, 4}};
  for (const auto& workload : plan.workloads)
    for (const int family : plan.families) {
      const auto own_size = make_workload(workload, 1, Family::v4, plan.seed);
      const bool fixed = workload == "cluster" || workload == "seed";
      const auto& sizes = workload == "set" ? plan.set_sizes : fixed && own_size ? std::vector<std::uint64_t>{own_size->size} : plan.sizes;
      for (const auto size : sizes) all.push_back({workload, size, family});
    }
  return all;
}

Result<Workload> workload_of(const Job& job, const Plan& plan) {
  if (!plan.classbench.empty()) return read_classbench(plan.classbench);
  return make_workload(job.workload, job.size, job.family == 4 ? Family::v4 : Family::v6, plan.seed);
}

Status for_each_job(const Plan& plan, Progress& progress, const std::function<Status(const Job&)>& measure) {
  for (const auto& job : jobs(plan)) {
    progress.step(fmt::format("{} {} IPv{}", job.workload, job.size, job.family));
    if (auto done = measure(job); !done) return fail(std::move(done.error()).in(job.workload));
    if (progress.interrupted()) return {};
  }
  return {};
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Row percentile_99(Row row, std::vector<double> values) {
  row.what += "-p99";
  row = summarize(row, values);
  std::ranges::sort(values);
  row.value = values[values.size() * 99 / 100];
  return row;
}

}  // namespace nodewall::bench
