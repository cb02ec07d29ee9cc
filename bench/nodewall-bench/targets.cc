// What must be reached, measured in one run by the other measurements, each asked for what the table needs of it.
#include <fmt/format.h>

#include <algorithm>

#include "measure.h"

namespace nodewall::bench {
namespace {

using Names = std::vector<std::string>;
using Sizes = std::vector<std::uint64_t>;
using Measure = Status (*)(const Plan&, Progress&, Report&);

struct Part {
  const char* name;
  Measure measure;
  Plan plan;
};

Plan changed(const Plan& plan, Names engines, Names workloads, Sizes sizes, Sizes set_sizes, Names traffic) {
  Plan part = plan;
  part.engines = std::move(engines);
  part.workloads = std::move(workloads);
  part.sizes = std::move(sizes);
  part.set_sizes = std::move(set_sizes);
  part.traffic = std::move(traffic);
  part.families = {4};
  part.duration = plan.quick ? std::chrono::milliseconds(100) : plan.duration;
  return part;
}

// In the order of what matters, for runs that are cut short.
std::vector<Part> parts(const Plan& plan) {
  const bool quick = plan.quick;
  const Names at_xdp = {"empty-xdp", "read-xdp", "nodewall-xdp"}, ours = {"nodewall-xdp", "nodewall-tcx"};
  const Sizes rules = quick ? Sizes{10, 100000} : Sizes{10, 100, 1000, 10000, 100000};
  const Sizes members = quick ? Sizes{100, 100000} : Sizes{100, 1000, 10000, 100000, 1000000};
  std::vector<Part> all;
  all.push_back({"flat", measure_pktrate, changed(plan, at_xdp, {"acl", "set"}, rules, members, {"denied"})});
  all.push_back({"peers", measure_pktrate, changed(plan, {"nodewall-xdp", "nft-list", "nft-set", "xdp-list", "xdp-trie", "bpfilter"}, {"acl", "set"}, {1000}, {100000}, {"denied"})});
  all.push_back({"test runs", measure_datapath, changed(plan, ours, {"acl"}, {1000}, {}, {"denied", "established", "new"})});
  all.push_back({"on the wire", measure_pktrate, changed(plan, at_xdp, {"acl"}, {1000}, {}, {"established", "new"})});
  all.push_back({"IPv6", measure_pktrate, changed(plan, at_xdp, {"acl", "set"}, quick ? Sizes{100000} : Sizes{1000, 100000}, {100000}, {"denied"})});
  all.back().plan.families = {6};
  all.push_back({"change", measure_control, changed(plan, {}, {"acl", "set"}, {10000}, quick ? Sizes{100000} : Sizes{1000000}, {})});
  all.back().plan.rounds = quick ? 10 : std::max(100U, plan.rounds);  // a 99th percentile wants a hundred
  all.push_back({"100,000 rules", measure_control, changed(plan, {}, {"acl"}, {100000}, {}, {})});
  all.push_back({"bulk", measure_bulk, changed(plan, {}, {}, {}, {}, {})});
  all.back().plan.duration = std::chrono::milliseconds(quick ? 200 : 2000);
  all.back().plan.rounds = quick ? 3 : std::max(7U, plan.rounds);
  all.push_back({"other policies", measure_pktrate, changed(plan, at_xdp, {"fw", "ipc", "cluster"}, {quick ? 1000U : 10000U}, {}, {"denied"})});
  if (!quick) all.push_back({"worst", measure_datapath, changed(plan, ours, {"fw", "ipc", "set", "acl"}, {10000}, {1000000}, {"denied"})});
  return all;
}

// Rows that answer to all that is not empty or 0.
struct Wanted {
  std::string engine = {}, scenario = {}, what = {}, unit = {};
  std::uint64_t size = 0;
  int family = 0;
  std::optional<bool> wire = std::nullopt;  // else a test run: only frames on the wire have a length
  [[nodiscard]] bool matches(const Row& row) const {
    return (!wire || *wire == (row.frame_bytes != 0)) && (engine.empty() || row.engine == engine) && (scenario.empty() || row.scenario == scenario) && (what.empty() || row.what == what) &&
           row.unit == unit && (size == 0 || row.size == size) && (family == 0 || row.family == family);
  }
};

const Row* find(const Report& report, const Wanted& wanted) {
  const auto found = std::ranges::find_if(report.rows, [&](const auto& row) { return wanted.matches(row); });
  return found == report.rows.end() ? nullptr : &*found;
}

void place(Target& target, const Row& row, double value) {
  target.value = value;
  target.engine = row.engine;
  target.scenario = row.scenario;
  target.size = row.size;
  target.family = row.family;
}

using Value = double Row::*;

// Of all rows that match, the one that is farthest from the target.
Target farthest(const Report& report, Target target, const Wanted& wanted, Value value = &Row::value, double scale = 1) {
  for (const Row& row : report.rows) {
    if (!wanted.matches(row)) continue;
    const double at = row.*value * scale;
    if (!target.value || (target.at_most ? at > *target.value : at < *target.value)) place(target, row, at);
  }
  if (!target.value) target.why = "not measured";
  return target;
}

// How many times the packets of the peer.
Target times_faster(const Report& report, Target target, const std::string& peer, const std::string& scenario, std::uint64_t size) {
  const auto* ours = find(report, {.engine = "nodewall-xdp", .scenario = scenario, .what = "denied", .unit = "ns/packet", .size = size, .family = 4});
  const auto* theirs = find(report, {.engine = peer, .scenario = scenario, .what = "denied", .unit = "ns/packet", .size = size, .family = 4});
  if (ours != nullptr && theirs != nullptr) place(target, *ours, theirs->value / ours->value);
  else target.why = theirs == nullptr ? peer + " did not run" : "not measured";
  return target;
}

// Compile and write, in the median.
Target cold(const Report& report, Target target, const std::string& scenario, std::uint64_t size) {
  const auto* compile = find(report, {.scenario = scenario, .what = "compile", .unit = "ms", .size = size});
  const auto* write = find(report, {.scenario = scenario, .what = "write", .unit = "ms", .size = size});
  if (compile != nullptr && write != nullptr) place(target, *compile, (compile->value + write->value) / 1000);
  else target.why = "not measured";
  return target;
}

void judge_packets(const Report& report, std::vector<Target>& out) {
  const auto at_least = [](const char* name, const char* text, const char* unit, double must, std::optional<double> aim) {
    return Target{.name = name, .text = text, .unit = unit, .must = must, .aim = aim, .at_most = false};
  };
  out.push_back(farthest(report, at_least("denied-share", "denied, 100,000 flows in the table, least of all policies", "of empty-xdp", 0.60, 0.75),
                         {.engine = "nodewall-xdp", .what = "denied", .unit = "of empty-xdp", .family = 4}));
  out.push_back(farthest(report, at_least("flat-rules", "10 to 100,000 rules", "slowest/fastest", 0.80, 0.95),
                         {.engine = "nodewall-xdp", .scenario = "acl", .what = "denied", .unit = "slowest/fastest", .family = 4, .wire = true}));
  out.push_back(farthest(report, at_least("flat-set", "sets of 100 to 1,000,000", "slowest/fastest", 0.80, 0.95),
                         {.engine = "nodewall-xdp", .scenario = "set", .what = "denied", .unit = "slowest/fastest", .family = 4, .wire = true}));
  out.push_back(farthest(report, at_least("ipv6", "IPv6, denied", "of IPv4", 0.75, 0.9), {.engine = "nodewall-xdp", .what = "denied", .unit = "of IPv4", .family = 6, .wire = true}));
  out.push_back(times_faster(report, at_least("nft-list", "over nftables with 1,000 listed rules", "times", 100, std::nullopt), "nft-list", "acl", 1000));
  out.push_back(times_faster(report, at_least("nft-set", "over nftables with a set of 100,000", "times", 5, std::nullopt), "nft-set", "set", 100000));
  out.push_back(times_faster(report, at_least("bpfilter-rules", "over bpfilter with 1,000 rules", "times", 12, std::nullopt), "bpfilter", "acl", 1000));
  out.push_back(times_faster(report, at_least("bpfilter-set", "over bpfilter with a set of 100,000", "times", 1.0, 1.1), "bpfilter", "set", 100000));
  // What bpfilter makes of them, on machines that do not have it.
  out.push_back(times_faster(report, at_least("list-rules", "over an XDP program of 1,000 rules, one by one", "times", 12, std::nullopt), "xdp-list", "acl", 1000));
  out.push_back(times_faster(report, at_least("trie-set", "over an XDP program with a trie of 100,000", "times", 1.0, 1.1), "xdp-trie", "set", 100000));
}

void judge_flows(const Report& report, std::vector<Target>& out) {
  const auto over = [&](const char* name, const char* text, const char* engine, const char* what, const char* unit, double must, double aim, const char* suffix) {
    Target target{.name = std::string(name) + suffix, .text = text, .unit = unit, .must = must, .aim = aim};
    out.push_back(farthest(report, target, {.engine = engine, .what = what, .unit = unit, .family = 4, .wire = std::string(suffix) == "-wire"}));
  };
  over("established", "an established flow, of 65,536 in turn, test run", "nodewall-xdp", "established", "ns over empty-xdp", 60, 35, "-xdp");
  over("established", "an established flow, one packet again and again, test run", "nodewall-xdp", "established-hot", "ns over empty-xdp", 60, 35, "-hot");
  over("established", "an established flow, of 4,096, on the wire", "nodewall-xdp", "established", "ns over empty-xdp", 60, 35, "-wire");
  over("established", "an established flow, of 65,536 in turn, test run", "nodewall-tcx", "established", "ns over empty-tc", 60, 35, "-tcx");
  over("new", "a new allowed flow, test run", "nodewall-xdp", "new", "ns over empty-xdp", 250, 150, "-xdp");
  over("new", "a new allowed flow, on the wire", "nodewall-xdp", "new", "ns over empty-xdp", 250, 150, "-wire");
  over("new", "a new allowed flow, test run", "nodewall-tcx", "new", "ns over empty-tc", 250, 150, "-tcx");
  out.push_back(farthest(report, {.name = "worst", .text = "the worst packet somebody can choose", .unit = "of median", .must = 4, .aim = 2}, {.what = "worst", .unit = "of median"}));
}

void judge_control(const Report& report, bool quick, std::vector<Target>& out) {
  const auto memory = [&](const char* name, const char* text, const char* scenario, std::uint64_t size, double must, double aim) {
    out.push_back(farthest(report, {.name = name, .text = text, .unit = "MB", .must = must, .aim = aim},
                           {.scenario = scenario, .what = "image", .unit = "bytes", .size = size}, &Row::value, 1e-6));
  };
  const std::uint64_t members = quick ? 100000 : 1000000;
  const std::string set = quick ? "a set of 100,000" : "a set of 1,000,000";
  memory("memory-set", ("memory: " + set).c_str(), "set", members, 128, 48);
  memory("memory-rules", "memory: 100,000 rules", "acl", 100000, 256, 96);
  out.push_back(cold(report, {.name = "cold-10k", .text = "compile and load 10,000 rules", .unit = "s", .must = 0.5, .aim = 0.1}, "acl", 10000));
  out.push_back(cold(report, {.name = "cold-100k", .text = "compile and load 100,000 rules", .unit = "s", .must = 3, .aim = 1}, "acl", 100000));
  out.push_back(cold(report, {.name = "cold-set", .text = "compile and load " + set, .unit = "s", .must = 3, .aim = 1}, "set", members));
  out.push_back(farthest(report, {.name = "edit", .text = "one rule of 10,000 edited, 99th percentile", .unit = "ms", .must = 20, .aim = 5},
                         {.scenario = "acl", .what = "edit-p99", .unit = "ms", .size = 10000}));
  out.push_back(farthest(report, {.name = "member", .text = "one member added to " + set + ", 99th percentile", .unit = "ms", .must = 2, .aim = 0.5},
                         {.scenario = "set", .what = "member-p99", .unit = "ms", .size = members}));
  out.push_back(farthest(report, {.name = "bulk", .text = "bulk TCP through tcx", .unit = "of none", .must = 0.97, .aim = 1.0, .at_most = false},
                         {.engine = "nodewall-tcx", .what = "throughput", .unit = "of none"}));
}

// Rows that are there already stay: what two parts measured alike was measured beside other engines.
void merge(Report& into, const Report& part) {
  for (const Row& row : part.rows) {
    const bool known = std::ranges::any_of(into.rows, [&](const auto& other) {
      return other.engine == row.engine && other.scenario == row.scenario && other.what == row.what && other.size == row.size &&
             other.family == row.family && other.unit == row.unit && (other.frame_bytes == 0) == (row.frame_bytes == 0);
    });
    if (!known) into.rows.push_back(row);
  }
  for (const auto& note : part.notes) note_once(into, note);
  into.engines.insert(part.engines.begin(), part.engines.end());
}

}  // namespace

Status measure_targets(const Plan& plan, Progress& progress, Report& report) {
  const auto all = parts(plan);
  Report peers;
  for (std::size_t i = 0; i < all.size() && !progress.interrupted(); ++i) {
    progress.step(fmt::format("[{}/{}] {}", i + 1, all.size(), all[i].name));
    Report part;
    const auto done = all[i].measure(all[i].plan, progress, part);
    if (!done) note_once(part, fmt::format("{}: {}", all[i].name, done.error().message()));
    if (std::string(all[i].name) == "peers") peers = part;
    merge(report, part);
  }
  Report whole = report;
  add_derived(whole);
  judge_packets(whole, report.targets);
  // A peer and we, of one part.
  std::vector<Target> beside;
  judge_packets(peers, beside);
  for (std::size_t t = 0; t < report.targets.size(); ++t)
    if (report.targets[t].unit == "times") report.targets[t] = beside[t];
  judge_flows(whole, report.targets);
  judge_control(whole, plan.quick, report.targets);
  return {};
}

}  // namespace nodewall::bench
