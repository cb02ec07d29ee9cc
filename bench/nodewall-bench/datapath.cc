// Nanoseconds a packet by BPF_PROG_TEST_RUN: the program alone, without a driver. A packet is repeated, which is the best case for
// caches; `worst` is the slowest of many different packets over the median one, what somebody who knows the tables can choose.
#include <fmt/format.h>

#include <algorithm>

#include "compile/table_image.h"
#include "engine/frame.h"
#include "engine/kernel_values.h"
#include "kernel/datapath.h"
#include "measure.h"
#include "workload.h"

namespace nodewall::bench {
namespace {

constexpr std::size_t kPackets = 256;
constexpr std::uint32_t kRepeat = 20000;

struct Subject {
  kernel::Datapath datapath;
  std::vector<std::vector<std::uint8_t>> frames;
};

Result<Subject> make_subject(const Workload& workload, std::uint64_t seed) {
  auto packets = make_packets(workload, Hit::none, kPackets, seed + 1);
  if (!packets) return fail(packets.error());
  const auto resolved = to_resolved(workload, *packets);
  auto image = compile::compile(resolved, compile::assign_slots({}, resolved));
  if (!image) return fail(image.error());
  auto datapath = kernel::Datapath::open({});
  if (!datapath) return fail(datapath.error());
  if (auto done = datapath->set_local_addresses(engine::local_entries(resolved)); !done) return fail(done.error());
  if (auto done = datapath->reserve_rule_counters(static_cast<std::uint32_t>(image->cost.rules + 1)); !done) return fail(done.error());
  if (auto done = datapath->set_policy(image->lines, 1); !done) return fail(done.error());
  Subject subject{std::move(*datapath), {}};
  for (const auto& packet : *packets) subject.frames.push_back(engine::build_frame(packet));
  return subject;
}

Result<std::vector<double>> time_packets(Subject& subject, kernel::Hook hook, std::size_t count, std::uint32_t repeat) {
  std::vector<double> ns;
  for (std::size_t i = 0; i < count; ++i) {
    auto run = subject.datapath.run(hook, subject.frames[i % subject.frames.size()], nw_interface{}, repeat);
    if (!run) return fail(run.error());
    if (run->return_code != (hook == kernel::Hook::xdp ? 1 : 2))
      return fail(Errc::internal, fmt::format("a packet was not dropped: return code {}", run->return_code));
    ns.push_back(static_cast<double>(run->duration_ns));
  }
  return ns;
}

}  // namespace

Status measure_datapath(const Plan& plan, Progress& progress, Report& report) {
  for (const auto& job : jobs(plan)) {
    progress.step(fmt::format("{} {} IPv{}", job.workload, job.size, job.family));
    auto workload = make_workload(job.workload, job.size, job.family == 4 ? Family::v4 : Family::v6, plan.seed);
    if (!workload) return fail(workload.error());
    auto subject = make_subject(*workload, plan.seed);
    if (!subject) return fail(std::move(subject.error()).in(job.workload));
    for (const auto hook : {kernel::Hook::xdp, kernel::Hook::tc_ingress}) {
      Row row{.engine = hook == kernel::Hook::xdp ? "nodewall-xdp" : "nodewall-tcx", .scenario = job.workload, .what = "denied", .size = job.size,
              .family = job.family};
      auto ns = time_packets(*subject, hook, std::max<std::size_t>(16, plan.rounds * 8), kRepeat);
      if (!ns) return fail(ns.error());
      row.unit = "ns/packet";
      report.rows.push_back(summarize(row, *ns));
      // Each packet three times, the least counts: the packet's cost and not the machine's noise.
      std::vector<double> least(kPackets, 1e18);
      for (int pass = 0; pass < 3; ++pass) {
        auto each = time_packets(*subject, hook, kPackets, kRepeat / 10);
        if (!each) return fail(each.error());
        for (std::size_t i = 0; i < kPackets; ++i) least[i] = std::min(least[i], (*each)[i]);
      }
      row.what = "worst";
      row.unit = "of median";
      report.rows.push_back(summarize(row, {*std::ranges::max_element(least) / std::max(1.0, median(least))}));
    }
    if (progress.interrupted()) return {};
  }
  return {};
}

}  // namespace nodewall::bench
