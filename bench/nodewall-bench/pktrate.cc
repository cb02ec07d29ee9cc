// Packets a second on one core, through a real veth pair.
//
// For each policy the engines are measured in turns, round by round, so that a noisy machine disturbs all of them alike. Each engine's
// verdict is checked on real packets before it is timed.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "measure.h"
#include "traffic.h"

namespace nodewall::bench {
namespace {

constexpr std::size_t kFlows = 4096, kCheckedFlows = 256;
// Under the right reason: the node's and the sender's kernels say something of their own now and then, and while it is timed a new flow may
// meet one that was made before.
constexpr double kCheckedShare = 0.95, kLeastShare = 0.9;

// The engine lets through what it should and no more, and for the right reason.
Status check_verdict(const std::string& name, const Engine& engine, Lab& lab, const Traffic& traffic) {
  Stream sample;
  sample.frames.assign(traffic.stream.frames.begin(), traffic.stream.frames.begin() + kCheckedFlows);
  const auto before = engine.reasons();
  const auto delivered = lab.delivered(sample);
  if (!delivered) return fail(delivered.error());
  const auto after = engine.reasons();
  if (!before || !after) return fail(before ? after.error() : before.error());
  const std::uint64_t wanted = traffic.passes == Passes::all ? kCheckedFlows : traffic.passes == Passes::half ? kCheckedFlows / 2 : 0;
  if (*delivered != wanted)
    return fail(Errc::internal, fmt::format("{}: wrong verdict: {} of {} '{}' packets came through, expected {}", name, *delivered, kCheckedFlows,
                                            traffic.name, wanted));
  return check_reasons(name, traffic, *before, *after, kCheckedShare);
}

// Behind what judges at the driver at tc; else behind the chain that judges.
Result<Fd> attach_sink(const std::string& engine, Lab& lab) {
  if (at_driver(engine)) return lab.sink();
  const auto text = fmt::format("table inet sink {{\n  chain input {{\n    type filter hook input priority 300; policy accept;\n    iifname \"{}\" drop\n  }}\n}}\n",
                                lab.device());
  const auto done = lab.node().run({"nft", "-f", "-"}, text);
  return done ? Result<Fd>(Fd()) : fail(done.error());
}

using Rates = std::map<std::string, std::vector<Rate>>;  // by engine

Result<Rate> timed(const std::string& name, const Engine& engine, Lab& lab, const Traffic& traffic, const Plan& plan) {
  const auto before = engine.reasons();
  auto rate = lab.measure(traffic.stream, plan.duration);
  const auto after = engine.reasons();
  if (!before || !after) return fail(before ? after.error() : before.error());
  if (!rate) return rate;
  if (auto checked = check_reasons(name, traffic, *before, *after, kLeastShare); !checked) return fail(checked.error());
  return rate;
}

Status measure_once(const std::string& engine, Lab& lab, const Setting& setting, const Traffic& traffic, const Plan& plan, Rates& rates, Report& report) {
  auto installed = install(engine, lab, setting);
  if (!installed) return fail(installed.error());
  report.engines[engine] = (*installed)->about();
  if (auto checked = check_verdict(engine, **installed, lab, traffic); !checked) return checked;
  Fd sink;
  if (traffic.passes != Passes::none) {
    auto attached = attach_sink(engine, lab);
    if (!attached) return fail(attached.error());
    sink = std::move(*attached);
  }
  auto rate = timed(engine, **installed, lab, traffic, plan);
  if (!at_driver(engine) && traffic.passes != Passes::none) (void)lab.node().run({"nft", "delete", "table", "inet", "sink"});
  if (!rate) return fail(rate.error());
  rates[engine].push_back(*rate);
  return {};
}

std::string ceiling_of(const std::string& engine) {
  return at_xdp(engine) ? "empty-xdp" : "empty-tc";
}

void add_rows(const Job& job, const Traffic& traffic, const Rates& rates, Report& report) {
  for (const auto& [engine, measured] : rates) {
    Row row{.engine = engine, .scenario = job.workload, .what = traffic.name, .size = job.size, .family = job.family,
            .frame_bytes = static_cast<std::uint32_t>(traffic.stream.frames.front().size())};
    std::vector<double> mpps, ns, share, over;
    const auto ceiling = rates.find(ceiling_of(engine));
    for (std::size_t i = 0; i < measured.size(); ++i) {
      mpps.push_back(measured[i].mpps);
      ns.push_back(measured[i].ns_per_packet);
      // By the receiver's CPU time: a rate may be held up by the sender.
      if (ceiling == rates.end() || i >= ceiling->second.size() || measured[i].ns_per_packet <= 0) continue;
      share.push_back(ceiling->second[i].ns_per_packet / measured[i].ns_per_packet);
      over.push_back(measured[i].ns_per_packet - ceiling->second[i].ns_per_packet);
    }
    row.unit = "Mpps";
    report.rows.push_back(summarize(row, mpps));
    row.unit = "ns/packet";
    report.rows.push_back(summarize(row, ns));
    if (share.empty() || engine == ceiling_of(engine)) continue;
    row.unit = "of " + ceiling_of(engine);
    report.rows.push_back(summarize(row, share));
    row.unit = "ns over " + ceiling_of(engine);
    report.rows.push_back(summarize(row, over));
  }
}

Status measure_traffic(const Job& job, const Workload& workload, const Traffic& traffic, const Plan& plan, Lab& lab, Progress& progress,
                       Report& report) {
  const Setting setting{.workload = workload, .packets = traffic.packets, .flows = traffic.flows, .background_flows = plan.background_flows,
                        .passes = traffic.passes};
  Rates rates;
  std::vector<std::string> engines;
  for (const auto& engine : plan.engines) {
    const auto why = refuses(engine, workload);
    if (!why) engines.push_back(engine);
    else if (!why->empty()) note_once(report, fmt::format("{} {} IPv{}: without {}: {}", job.workload, job.size, job.family, engine, *why));
  }
  for (unsigned round = 0; round < plan.rounds && !progress.interrupted(); ++round)
    for (auto engine = engines.begin(); engine != engines.end() && !progress.interrupted();) {
      progress.step(fmt::format("{} {} IPv{} {}: {} ({}/{})", job.workload, job.size, job.family, traffic.name, *engine, round + 1, plan.rounds));
      auto done = measure_once(*engine, lab, setting, traffic, plan, rates, report);
      if (done) {
        ++engine;
        continue;
      }
      if (done.error().code != Errc::not_found && !engine->starts_with("nft") && *engine != "bpfilter") return done;
      note_once(report, done.error().code == Errc::not_found
                            ? done.error().message()
                            : fmt::format("{} {} IPv{}: without {}: {}", job.workload, job.size, job.family, *engine, done.error().message()));
      engine = engines.erase(engine);
    }
  add_rows(job, traffic, rates, report);
  return {};
}

}  // namespace

Status measure_pktrate(const Plan& plan, Progress& progress, Report& report) {
  auto lab = Lab::make();
  if (!lab) return fail(std::move(lab.error()).in("pktrate"));
  for (const auto& job : jobs(plan)) {
    auto workload = workload_of(job, plan);
    if (!workload) return fail(workload.error());
    for (const auto& what : plan.traffic) {
      if (std::ranges::find(kWireTraffic, what) == kWireTraffic.end()) return fail(Errc::config, "traffic '" + what + "' is for test runs only");
      auto traffic = make_traffic(what, *workload, kFlows, plan.frame_bytes, plan.seed);
      if (!traffic) {
        note_once(report, fmt::format("{} {} IPv{}: {}", job.workload, job.size, job.family, traffic.error().message()));
        continue;
      }
      if (auto done = measure_traffic(job, *workload, *traffic, plan, *lab, progress, report); !done) return done;
      if (progress.interrupted()) return {};
    }
  }
  return {};
}

}  // namespace nodewall::bench
