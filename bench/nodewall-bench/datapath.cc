// Nanoseconds a packet by BPF_PROG_TEST_RUN: the program alone, without a driver, with the same tables as on the wire.
//
// Packets of one kind after another, each kind ending at another stage; by turns with a program that does nothing. Then the worst packet,
// as somebody would choose it who knows the tables: the dearest of many, by measuring them.
#include <fmt/format.h>

#include <algorithm>

#include "feeder.h"
#include "measure.h"
#include "traffic.h"
#include "worst.h"

namespace nodewall::bench {
namespace {

constexpr std::size_t kFlows = 65536;
constexpr std::uint32_t kBatch = kFlows;  // runs of one measurement: each packet once
constexpr std::uint32_t kWarmUp = 2048;

// One policy, at one hook.
struct Subject {
  const Job& job;
  const Plan& plan;
  Lab& lab;
  bool xdp;
  std::unique_ptr<Engine> engine;
  [[nodiscard]] std::string empty() const { return xdp ? "empty-xdp" : "empty-tc"; }
  [[nodiscard]] Row row(const std::string& what) const {
    return {.engine = xdp ? "nodewall-xdp" : "nodewall-tcx", .scenario = job.workload, .what = what, .size = job.size, .family = job.family};
  }
};

struct Times {
  std::vector<double> ours, empty, over;
};

Result<Times> time_stream(const Subject& subject, const Traffic& traffic, const Stream& stream, const std::string& what) {
  auto feeder = Feeder::make(subject.lab, stream, subject.xdp);
  if (!feeder) return fail(feeder.error());
  const Fd ours = subject.engine->program();
  const int empty = subject.lab.program(std::string(subject.xdp ? "xdp" : "tc") + (traffic.passes == Passes::all ? "_pass" : "_drop"));
  Times times;
  if (auto done = subject.engine->sweep(); !done) return fail(done.error());
  for (const int program : {empty, ours.get()})
    if (auto warm = feeder->time(program, kWarmUp); !warm) return fail(warm.error());
  const auto before = subject.engine->reasons();
  for (unsigned i = 0; i < (subject.plan.quick ? 3U : std::max(4U, subject.plan.rounds * 3)); ++i) {
    const auto nothing = feeder->time(empty, kBatch);
    const auto cost = nothing ? feeder->time(ours.get(), kBatch) : nothing;
    if (!cost) return fail(cost.error());
    times.empty.push_back(*nothing);
    times.ours.push_back(*cost);
    times.over.push_back(*cost - *nothing);
  }
  const auto after = subject.engine->reasons();
  if (!before || !after) return fail(before ? after.error() : before.error());
  const auto checked = check_reasons("test run of " + what, traffic, *before, *after, traffic.stream.vary_at != 0 ? 0.9 : 0.999);
  return checked ? Result<Times>(std::move(times)) : fail(checked.error());
}

void add_rows(const Subject& subject, const std::string& what, const Times& times, Report& report) {
  Row row = subject.row(what);
  row.unit = "ns/packet";
  report.rows.push_back(summarize(row, times.ours));
  row.engine = subject.empty();
  report.rows.push_back(summarize(row, times.empty));
  row = subject.row(what);
  row.unit = "ns over " + subject.empty();
  report.rows.push_back(summarize(row, times.over));
}

// Cycled through all flows; and, where a packet can come twice and be the same, one alone.
Status measure_kind(const Subject& subject, const Traffic& traffic, Report& report) {
  auto times = time_stream(subject, traffic, traffic.stream, traffic.name);
  if (!times) return fail(times.error());
  add_rows(subject, traffic.name, *times, report);
  if (traffic.stream.vary_at != 0) return {};
  times = time_stream(subject, traffic, {.frames = {traffic.stream.frames.front()}}, traffic.name + "-hot");
  if (!times) return fail(times.error());
  add_rows(subject, traffic.name + "-hot", *times, report);
  return {};
}

Status measure_hook(Subject& subject, const Workload& workload, const std::vector<Traffic>& kinds, Progress& progress, Report& report) {
  Setting setting{.workload = workload, .packets = {}, .flows = {}, .background_flows = subject.plan.background_flows, .passes = Passes::none};
  for (const auto& kind : kinds) {
    setting.packets.insert(setting.packets.end(), kind.packets.begin(), kind.packets.end());
    setting.flows.insert(setting.flows.end(), kind.flows.begin(), kind.flows.end());
  }
  auto installed = install(subject.row("").engine, subject.lab, setting);
  if (!installed) return fail(installed.error());
  subject.engine = std::move(*installed);
  report.engines[subject.row("").engine] = subject.engine->about();
  for (const auto& kind : kinds) {
    if (progress.interrupted()) return {};
    progress.step(fmt::format("{} {} IPv{} at {}: {}", subject.job.workload, subject.job.size, subject.job.family, subject.xdp ? "xdp" : "tcx", kind.name));
    if (auto done = measure_kind(subject, kind, report); !done) return done;
  }
  const auto denied = std::ranges::find_if(kinds, [](const auto& kind) { return kind.name.starts_with("denied"); });
  if (denied == kinds.end() || progress.interrupted()) return {};
  progress.step(fmt::format("{} {} IPv{} at {}: the worst packet", subject.job.workload, subject.job.size, subject.job.family, subject.xdp ? "xdp" : "tcx"));
  const auto worst = measure_worst(subject.lab, *subject.engine, subject.xdp, worst_candidates(workload, setting.packets, subject.plan.seed));
  if (!worst) return fail(worst.error());
  progress.step("  " + worst->text);
  Row row = subject.row("worst");
  row.unit = "of median";
  report.rows.push_back(summarize(row, {worst->of_median}));
  return {};
}

}  // namespace

Status measure_datapath(const Plan& plan, Progress& progress, Report& report) {
  auto lab = Lab::make();
  if (!lab) return fail(std::move(lab.error()).in("datapath"));
  for (const auto& job : jobs(plan)) {
    auto workload = workload_of(job, plan);
    if (!workload) return fail(workload.error());
    std::vector<Traffic> kinds;
    for (const auto& what : plan.traffic) {
      auto traffic = make_traffic(what, *workload, kFlows, plan.frame_bytes, plan.seed);
      if (traffic) kinds.push_back(std::move(*traffic));
      else note_once(report, fmt::format("{} {} IPv{}: {}", job.workload, job.size, job.family, traffic.error().message()));
    }
    for (const auto& engine : plan.engines) {
      if (!engine.starts_with("nodewall")) continue;
      Subject subject{.job = job, .plan = plan, .lab = *lab, .xdp = engine == "nodewall-xdp", .engine = nullptr};
      if (auto done = measure_hook(subject, *workload, kinds, progress, report); !done) return fail(Error(done.error()).in(job.workload));
      if (progress.interrupted()) return {};
    }
  }
  return {};
}

}  // namespace nodewall::bench
