// Packets a second on one core, through a real veth pair.
//
// For each policy the engines are measured in turns, round by round, so that a noisy machine disturbs all of them alike. Each engine's
// verdict is checked on real packets before it is timed.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bench/bpf/frame.h"
#include "engine.h"
#include "engine/frame.h"
#include "measure.h"

namespace nodewall::bench {
namespace {

constexpr std::size_t kFlows = 4096, kCheckedFlows = 256;

struct Traffic {
  std::string name;
  std::vector<resolve::PacketQuery> packets;
  Stream stream;
  Stream sample;  // of it, for the check
  bool allowed = false, established = false;
};

Frame to_frame(const resolve::PacketQuery& packet, std::uint32_t frame_bytes) {
  auto frame = engine::build_frame(packet);
  if (frame.size() < frame_bytes) frame.resize(frame_bytes);  // padding behind the packet
  return frame;
}

// All as long as the longest; where headers go beyond what the generator writes of a short frame, as long as it writes of a long one.
void same_length(std::vector<Frame>& frames) {
  std::size_t longest = 0;
  for (const auto& frame : frames) longest = std::max(longest, frame.size());
  if (longest > BENCH_HEADER_BYTES) longest = std::max<std::size_t>(longest, BENCH_FRAME_BYTES);
  for (auto& frame : frames) frame.resize(longest);
}

Result<Traffic> make_traffic(const std::string& what, const Workload& workload, const Plan& plan) {
  const Hit hit = what.starts_with("denied") ? Hit::none : what == "first" ? Hit::first : Hit::last;
  const std::uint8_t protocol = what == "denied-udp" ? 17 : what == "denied-tcp" ? 6 : 0;
  auto packets = make_packets(workload, hit, kFlows, plan.seed + 1, protocol);
  if (!packets) return fail(packets.error());
  Traffic traffic{.name = what, .packets = std::move(*packets), .stream = {}, .sample = {}, .allowed = hit != Hit::none, .established = what == "established"};
  for (auto& packet : traffic.packets) {
    if (traffic.established) packet.tcp_flags = 0x10;
    traffic.stream.frames.push_back(to_frame(packet, plan.frame_bytes));
  }
  same_length(traffic.stream.frames);
  traffic.sample.frames.assign(traffic.stream.frames.begin(), traffic.stream.frames.begin() + kCheckedFlows);
  if (what == "new") traffic.stream.vary_at = workload.family == Family::v4 ? 34 : 54;
  return traffic;
}

bool can_measure(const std::string& engine, const Workload& workload, const Traffic& traffic) {
  if (!takes(engine, workload)) return false;
  // Only our own hooks and the empty ones leave the rest of the way to a sink.
  return !traffic.allowed || engine.starts_with("nodewall") || engine.starts_with("empty");
}

Status check_verdict(const std::string& engine, Lab& lab, const Traffic& traffic) {
  if (engine.starts_with("empty")) return {};
  const auto delivered = lab.delivered(traffic.sample);
  if (!delivered) return fail(delivered.error());
  const std::uint64_t wanted = traffic.allowed ? kCheckedFlows : 0;
  if (*delivered == wanted) return {};
  return fail(Errc::internal, fmt::format("{}: wrong verdict: {} of {} '{}' packets came through, expected {}", engine, *delivered, kCheckedFlows,
                                          traffic.name, wanted));
}

using Rates = std::map<std::string, std::vector<Rate>>;  // by engine

Status measure_once(const std::string& engine, Lab& lab, const Setting& setting, const Traffic& traffic, const Plan& plan, Rates& rates) {
  auto installed = install(engine, lab, setting);
  if (!installed) return fail(installed.error());
  if (auto checked = check_verdict(engine, lab, traffic); !checked) return checked;
  Fd sink;
  if (traffic.allowed) {
    auto attached = lab.sink();
    if (!attached) return fail(attached.error());
    sink = std::move(*attached);
  }
  auto rate = lab.measure(traffic.stream, plan.duration);
  if (!rate) return fail(rate.error());
  rates[engine].push_back(*rate);
  return {};
}

std::string ceiling_of(const std::string& engine) {
  return engine == "nodewall-xdp" || engine == "bpfilter" || engine == "empty-xdp" ? "empty-xdp" : "empty-tc";
}

void add_rows(const Job& job, const Traffic& traffic, const Rates& rates, Report& report) {
  for (const auto& [engine, measured] : rates) {
    Row row{.engine = engine, .scenario = job.workload, .what = traffic.name, .size = job.size, .family = job.family,
            .frame_bytes = static_cast<std::uint32_t>(traffic.stream.frames.front().size())};
    std::vector<double> mpps, ns, share;
    const auto ceiling = rates.find(ceiling_of(engine));
    for (std::size_t i = 0; i < measured.size(); ++i) {
      mpps.push_back(measured[i].mpps);
      ns.push_back(measured[i].ns_per_packet);
      // By the receiver's CPU time: a rate may be held up by the sender.
      if (ceiling != rates.end() && i < ceiling->second.size() && measured[i].ns_per_packet > 0)
        share.push_back(ceiling->second[i].ns_per_packet / measured[i].ns_per_packet);
    }
    row.unit = "Mpps";
    report.rows.push_back(summarize(row, mpps));
    row.unit = "ns/packet";
    report.rows.push_back(summarize(row, ns));
    row.unit = "of " + ceiling_of(engine);
    if (!share.empty() && engine != ceiling_of(engine)) report.rows.push_back(summarize(row, share));
  }
}

void note_once(Report& report, const std::string& note) {
  for (const auto& known : report.notes)
    if (known == note) return;
  report.notes.push_back(note);
}

Status measure_traffic(const Job& job, const Workload& workload, const Traffic& traffic, const Plan& plan, Lab& lab, Progress& progress,
                       Report& report) {
  const Setting setting{.workload = workload, .packets = traffic.packets, .background_flows = plan.background_flows,
                        .established = traffic.established, .allowed = traffic.allowed};
  Rates rates;
  std::vector<std::string> engines;
  for (const auto& engine : plan.engines)
    if (can_measure(engine, workload, traffic)) engines.push_back(engine);
  for (unsigned round = 0; round < plan.rounds && !progress.interrupted(); ++round)
    for (auto engine = engines.begin(); engine != engines.end() && !progress.interrupted();) {
      progress.step(fmt::format("{} {} IPv{} {}: {} ({}/{})", job.workload, job.size, job.family, traffic.name, *engine, round + 1, plan.rounds));
      auto done = measure_once(*engine, lab, setting, traffic, plan, rates);
      if (done) {
        ++engine;
        continue;
      }
      if (done.error().code != Errc::not_found && !engine->starts_with("nft") && *engine != "bpfilter") return done;
      note_once(report, fmt::format("{} {}: left out: {}", job.workload, job.size, done.error().message()));
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
    auto workload = plan.classbench.empty() ? make_workload(job.workload, job.size, job.family == 4 ? Family::v4 : Family::v6, plan.seed)
                                            : read_classbench(plan.classbench);
    if (!workload) return fail(workload.error());
    for (const auto& what : plan.traffic) {
      auto traffic = make_traffic(what, *workload, plan);
      if (!traffic) return fail(std::move(traffic.error()).in(job.workload));
      if (auto done = measure_traffic(job, *workload, *traffic, plan, *lab, progress, report); !done) return done;
      if (progress.interrupted()) return {};
    }
  }
  return {};
}

}  // namespace nodewall::bench
