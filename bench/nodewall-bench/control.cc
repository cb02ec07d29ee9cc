// Time from a change to its enforcement, and what it takes in memory.
//
//   compile, write      the steps of a cold start, apart: a policy that nothing is known of, into an empty datapath
//   edit, edit-p99      one rule matches another port, or (net, net-p99) another network: from the resolved policy to its enforcement
//   member, member-p99  one member more in the set, likewise
//   compiler-peak       what a cold compile takes on top of the policy, at most
//   compiler-memory     what a compiler keeps after the changes, the image included
//
// A change goes the way that it goes in the engine: a compiler that keeps what it made, and the lines that differ.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "compile/compiler.h"
#include "kernel/datapath.h"
#include "measure.h"
#include "workload.h"

namespace nodewall::bench {
namespace {

double heap_mb() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd) / 1e6;
}

// "VmRSS", or "VmHWM", the most since it was forgotten.
double resident_mb(const std::string& field) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(field)) return std::stod(line.substr(field.size() + 1)) * 1024 / 1e6;
  return 0;
}
void forget_most_resident() { std::ofstream("/proc/self/clear_refs") << "5"; }

bool is_covered(const CidrList& members, const Address& address) {
  const unsigned bits = address.family == Family::v4 ? 32 : 128;
  for (unsigned prefix = 0; prefix <= bits; ++prefix) {
    const auto wide = Cidr{address, static_cast<std::uint8_t>(prefix)}.masked();
    const auto* found = members.at_or_after(wide);
    if (found != nullptr && *found == wide) return true;
  }
  return false;
}

enum class Change { port, network, member };

class Control {
 public:
  Control(const Workload& workload, kernel::Datapath datapath)
      : workload_(workload), datapath_(std::move(datapath)), policy_(to_resolved(workload, {})) {}

  // Compiles and writes as at a start. Adds what each took.
  Status start(std::vector<double>& compile, std::vector<double>& write, std::vector<double>& peak) {
    compiler_.forget();
    slots_ = std::make_shared<const compile::Slots>();
    malloc_trim(0);
    forget_most_resident();
    const auto before = resident_mb("VmRSS");
    const auto next = std::make_shared<const resolve::Resolved>(policy_);
    const auto begin = std::chrono::steady_clock::now();
    slots_ = std::make_shared<const compile::Slots>(compile::assign_slots(*slots_, *next));
    if (auto done = compiler_.update(next, slots_); !done) return done;
    compile.push_back(ms_since(begin));
    peak.push_back(resident_mb("VmHWM") - before);
    const auto compiled = std::chrono::steady_clock::now();
    if (auto done = datapath_.set_policy(compiler_.image().lines, ++generation_); !done) return done;
    write.push_back(ms_since(compiled));
    enforced_ = next;
    return {};
  }

  Status change(Change kind, unsigned round, std::vector<double>& times) {
    edit(kind, round);
    auto next = std::make_shared<const resolve::Resolved>(policy_);
    const auto begin = std::chrono::steady_clock::now();
    if (!compile::same_owners(*enforced_, *next)) slots_ = std::make_shared<const compile::Slots>(compile::assign_slots(*slots_, *next));
    if (auto done = compiler_.update(next, slots_); !done) return done;
    std::optional<std::vector<kernel::LineRange>> changed;
    if (const auto& changes = compiler_.changes()) {
      changed.emplace();
      for (const auto& it : *changes) changed->push_back({it.first, it.count});
    }
    if (auto done = datapath_.set_policy(compiler_.image().lines, ++generation_, changed); !done) return done;
    times.push_back(ms_since(begin));
    enforced_ = std::move(next);
    return datapath_.settle();  // the next change would wait for it
  }

  // Gives the compiler's memory back, and says how much it was.
  double end() {
    const auto with = heap_mb();
    compiler_.forget();
    return with - heap_mb();
  }

  [[nodiscard]] std::size_t bytes() const { return compiler_.image().lines.size() * sizeof(nw_line); }

 private:
  void edit(Change kind, unsigned round) {
    if (kind == Change::member) {
      // Between the members that there are: one that another covers would change nothing.
      auto& members = policy_.sets[0].members;
      Address outside;
      do {
        outside = workload_.set[random_() % workload_.set.size()].address;
        for (unsigned i = 13; i < 16; ++i) outside.bytes[i] = static_cast<std::uint8_t>(random_());
      } while (is_covered(members, outside));
      members = members.with({outside, static_cast<std::uint8_t>(workload_.family == Family::v4 ? 32 : 128)});
      return;
    }
    auto& rules = policy_.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules;
    auto at = (round * 7919U) % rules.size();
    while (kind == Change::network && rules[at].source.in.empty()) at = (at + 1) % rules.size();
    if (kind == Change::network) {
      auto net = policy_.sets[rules[at].source.in[0]].members[0];
      for (unsigned i = 1; i < 4; ++i) net.address.bytes[(workload_.family == Family::v4 ? 12 : 0) + i] = static_cast<std::uint8_t>((round * 2654435761U) >> (8 * i));
      policy_.sets[rules[at].source.in[0]].members = {net.masked()};
      return;
    }
    const auto port = static_cast<std::uint16_t>(10000 + round * 37 % 50000);
    if (!rules[at].protocols.all()) rules[at].destination.ports = {{model::PortRange{port, port}}};
  }

  const Workload& workload_;
  kernel::Datapath datapath_;
  resolve::Resolved policy_;
  std::shared_ptr<const resolve::Resolved> enforced_;
  compile::Compiler compiler_;
  std::shared_ptr<const compile::Slots> slots_ = std::make_shared<const compile::Slots>();
  std::uint32_t generation_ = 0;
  std::mt19937_64 random_{7};
};

Status measure_changes(Control& control, Row row, Change kind, unsigned count, const std::string& what, Progress& progress, Report& report) {
  std::vector<double> times;
  for (unsigned round = 0; round < count && !progress.interrupted(); ++round)
    if (auto done = control.change(kind, round, times); !done) return done;
  if (times.empty()) return {};
  row.what = what;
  report.rows.push_back(summarize(row, times));
  report.rows.push_back(percentile_99(row, times));
  return {};
}

Status measure_job(const Job& job, const Plan& plan, Progress& progress, Report& report) {
  const auto workload = workload_of(job, plan);
  if (!workload) return fail(workload.error());
  auto datapath = kernel::Datapath::open({});
  if (!datapath) return fail(datapath.error());
  Control control(*workload, std::move(*datapath));
  std::vector<double> compile, write, peak;
  for (unsigned round = 0; round < plan.rounds && !progress.interrupted(); ++round)
    if (auto done = control.start(compile, write, peak); !done) return done;
  if (compile.empty()) return {};
  Row row{.engine = "nodewall", .scenario = job.workload, .what = "compile", .size = job.size, .family = job.family, .unit = "ms"};
  report.rows.push_back(summarize(row, compile));
  row.what = "write";
  report.rows.push_back(summarize(row, write));
  const auto count = plan.quick ? kFewChanges : kChanges;
  if (!workload->set.empty()) {
    if (auto done = measure_changes(control, row, Change::member, count, "member", progress, report); !done) return done;
  } else {
    if (auto done = measure_changes(control, row, Change::port, count, "edit", progress, report); !done) return done;
    if (auto done = measure_changes(control, row, Change::network, count, "net", progress, report); !done) return done;
  }
  row.what = "image";
  row.unit = "bytes";
  report.rows.push_back(summarize(row, {static_cast<double>(control.bytes())}));
  row.unit = "MB";
  row.what = "compiler-peak";
  report.rows.push_back(summarize(row, peak));
  row.what = "compiler-memory";
  report.rows.push_back(summarize(row, {control.end()}));
  return {};
}

}  // namespace

Status measure_control(const Plan& plan, Progress& progress, Report& report) {
  return for_each_job(plan, progress, [&](const Job& job) { return measure_job(job, plan, progress, report); });
}

}  // namespace nodewall::bench
