// What a change costs a node: from changed resources to their enforcement, by the engine as nodewalld has it, on interfaces of a namespace.
//
//   start                      programs loaded, policy compiled and enforced on an interface, where nothing was
//   apply-edit, -p99           one rule matches another port
//   apply-member, -p99         one member more in a set
//   apply-policy               another policy object of some rules in the place of one
//   apply-interface            an interface more, to its hooks
//   memory-MAP                 bytes of each map in the kernel
//
// Times of apply-* end when the change is enforced: what the engine writes for people behind it is in `busy-*`, which is the whole of it.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "engine/engine.h"
#include "kernel/datapath.h"
#include "measure.h"
#include "netns.h"
#include "workload.h"

namespace nodewall::bench {
namespace {

using model::Kind;

constexpr std::size_t kRulesOfPolicy = 100, kNetsOfSet = 100'000;
constexpr const char* kNode = "bench";
constexpr const char* kInSet = "bench == 'set'";

void put(model::ResourceSet& resources, const std::string& name, model::Spec spec, model::Labels labels = {}) {
  model::Resource resource;
  resource.metadata.name = name;
  resource.metadata.labels = std::move(labels);
  resource.spec = std::move(spec);
  resources.insert_or_assign(resource.id(), resource);
}

std::vector<model::Port> ports(const model::PortRange& range) {
  return range == model::PortRange{0, 65535} ? std::vector<model::Port>{} : std::vector<model::Port>{range};
}

model::Rule to_rule(const PlainRule& plain) {
  model::Rule rule;
  if (plain.protocol != 0) rule.protocol = model::Protocol{.number = plain.protocol};
  if (plain.source) rule.source.nets = {*plain.source};
  if (plain.destination) rule.destination.nets = {*plain.destination};
  if (plain.protocol != 0) rule.source.ports = ports(plain.source_ports);
  if (plain.protocol != 0) rule.destination.ports = ports(plain.destination_ports);
  return rule;
}

std::string policy_name(std::size_t number) { return fmt::format("policy-{:04}", number); }

model::GlobalNetworkPolicy ingress_policy(double order, std::vector<model::Rule> rules) {
  model::GlobalNetworkPolicy policy;
  policy.order = order;
  policy.types = {model::PolicyType::Ingress};
  policy.ingress = std::move(rules);
  return policy;
}

// The workload as objects: a wildcard host endpoint, policies of a hundred rules, sets of a hundred thousand networks.
model::ResourceSet to_resources(const Workload& workload) {
  model::ResourceSet resources;
  model::HostEndpoint endpoint;
  endpoint.node = kNode;
  endpoint.interface_name = "*";
  put(resources, "all", endpoint);
  for (std::size_t first = 0; first < workload.rules.size(); first += kRulesOfPolicy) {
    std::vector<model::Rule> rules;
    for (auto i = first; i < std::min(first + kRulesOfPolicy, workload.rules.size()); ++i) rules.push_back(to_rule(workload.rules[i]));
    put(resources, policy_name(first / kRulesOfPolicy), ingress_policy(static_cast<double>(first), std::move(rules)));
  }
  if (workload.set.empty()) return resources;
  for (std::size_t first = 0; first < workload.set.size(); first += kNetsOfSet) {
    const auto begin = workload.set.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = workload.set.begin() + static_cast<std::ptrdiff_t>(std::min(first + kNetsOfSet, workload.set.size()));
    put(resources, fmt::format("set-{:04}", first / kNetsOfSet), model::GlobalNetworkSet{.nets = {begin, end}}, {{"bench", "set"}});
  }
  model::Rule deny, allow;
  deny.action = model::Action::Deny;
  deny.source.selector = *model::Selector::parse(kInSet);
  put(resources, policy_name(0), ingress_policy(0, {deny, allow}));
  return resources;
}

// A place for pins and files, in a mount namespace of this thread.
class Place {
 public:
  static Result<Place> make() {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return fail(errno_error("make a mount namespace", errno));
    char name[] = "/tmp/nodewall-bench-XXXXXX";
    if (::mkdtemp(name) == nullptr) return fail(errno_error("make a folder", errno));
    Place place(name);
    for (const auto& folder : {place.bpffs(), place.run_dir()}) std::filesystem::create_directory(folder);
    if (::mount("bpf", place.bpffs().c_str(), "bpf", 0, nullptr) != 0) return fail(errno_error("mount a bpf file system", errno));
    return place;
  }
  Place(Place&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (path_.empty()) return;
    ::umount2(bpffs().c_str(), MNT_DETACH);
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string bpffs() const { return path_ + "/bpf"; }
  [[nodiscard]] std::string run_dir() const { return path_ + "/run"; }

 private:
  explicit Place(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

std::uint64_t memory_of(int map) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(map));
  for (std::string word; info >> word;)
    if (std::uint64_t bytes = 0; word == "memlock:" && info >> bytes) return bytes;
  return 0;
}

// With the maps in it.
std::uint64_t memory_of_all(const Fd& map) {
  auto bytes = memory_of(map.get());
  bpf_map_info info{};
  std::uint32_t length = sizeof(info);
  if (bpf_map_get_info_by_fd(map.get(), &info, &length) != 0 || info.type != BPF_MAP_TYPE_ARRAY_OF_MAPS) return bytes;
  for (std::uint32_t i = 0, id = 0; i < info.max_entries; ++i)
    if (bpf_map_lookup_elem(map.get(), &i, &id) == 0)
      if (const Fd inner(bpf_map_get_fd_by_id(id)); inner.valid()) bytes += memory_of(inner.get());
  return bytes;
}

class Node {
 public:
  Node(const Workload& workload, const Netns& netns, Place place)
      : workload_(workload), netns_(netns), place_(std::move(place)), resources_(to_resources(workload)) {
    facts_.node = kNode;
  }

  Result<double> start() {
    engine_.reset();
    if (auto removed = remove_state(); !removed) return fail(std::move(removed.error()));
    if (facts_.interfaces.empty())
      if (auto made = add_interface("eth0"); !made) return fail(std::move(made.error()));
    const auto begin = std::chrono::steady_clock::now();
    auto started = engine::Engine::start({.bpffs = place_.bpffs(), .run_dir = place_.run_dir(), .force_clsact = false});
    if (!started) return fail(std::move(started.error()));
    engine_.emplace(std::move(*started));
    const auto opened = ms_since(begin);
    const auto applied = apply();
    if (!applied) return fail(applied.error());
    return opened + applied->enforced;
  }

  struct Times {
    double enforced = 0, busy = 0;  // ms
  };
  Result<Times> apply() {
    const auto begin = std::chrono::steady_clock::now();
    const auto report = engine_->apply(resources_, facts_);
    const auto busy = ms_since(begin);
    if (!report) return fail(report.error());
    for (const auto& interface : engine_->status().interfaces)
      if (interface.host_endpoint.empty() || !interface.problem.empty()) return fail(Errc::internal, interface.name + " is not enforced: " + interface.problem);
    return Times{.enforced = static_cast<double>(report->enforced_ns) / 1e6, .busy = busy};
  }

  void edit_rule(unsigned round) {
    auto& rules = rules_of(round * 7919U);
    const auto number = round * 31U % kRulesOfPolicy % rules.size();
    auto rule = std::as_const(rules)[number];
    if (!rule.protocol) rule.protocol = model::Protocol{.number = 6};
    const auto port = static_cast<std::uint16_t>(10000 + round * 37 % 50000);
    rule.destination.ports = {model::PortRange{port, port}};
    rules.set(number, std::move(rule));
  }

  void replace_policy(unsigned round) {
    auto& list = rules_of(round * 7919U);
    std::vector rules(std::as_const(list).begin(), std::as_const(list).end());
    for (auto& rule : rules) {
      rule.action = rule.action == model::Action::Allow ? model::Action::Deny : model::Action::Allow;
      rule.source.nets = {Cidr{workload_.family == Family::v4 ? *parse_address("192.0.2.0") : *parse_address("2001:db8::"),
                               static_cast<std::uint8_t>(workload_.family == Family::v4 ? 24 + round % 8 : 32 + round % 64)}.masked()};
    }
    list = std::move(rules);
  }

  void add_member(unsigned round) {
    auto& set = std::get<model::GlobalNetworkSet>(resources_.at({Kind::GlobalNetworkSet, "set-0000"}).spec);
    const bool v4 = workload_.family == Family::v4;
    auto address = *parse_address(v4 ? "198.18.0.0" : "2001:db8:ffff::");
    address.bytes[14] = static_cast<std::uint8_t>(round >> 8);
    address.bytes[15] = static_cast<std::uint8_t>(round);
    set.nets.push_back({address, static_cast<std::uint8_t>(v4 ? 32 : 128)});
  }

  Status add_interface(const std::string& name) {
    if (auto made = netns_.run({"ip", "link", "add", name, "type", "veth", "peer", "name", name + "p"}); !made) return made;
    if (auto up = netns_.run({"ip", "link", "set", name, "up"}); !up) return up;
    auto& facts = facts_.interfaces.emplace_back();
    facts.name = name;
    facts.ifindex = ::if_nametoindex(name.c_str());
    return {};
  }

  [[nodiscard]] std::map<std::string, std::uint64_t> memory() const {
    std::map<std::string, std::uint64_t> bytes;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place_.bpffs()))
      if (entry.path().parent_path().filename() == "maps")
        if (const Fd map(bpf_obj_get(entry.path().c_str())); map.valid()) bytes[entry.path().filename()] = memory_of_all(map);
    return bytes;
  }

 private:
  SharedList<model::Rule>& rules_of(unsigned number) {
    const auto policies = std::max<std::size_t>(1, (workload_.rules.size() + kRulesOfPolicy - 1) / kRulesOfPolicy);
    return std::get<model::GlobalNetworkPolicy>(resources_.at({Kind::GlobalNetworkPolicy, policy_name(number % policies)}).spec).ingress;
  }

  Status remove_state() {
    const auto instance = kernel::instance_name();
    if (!instance) return fail(instance.error());
    if (auto removed = kernel::remove_pinned(place_.bpffs() + "/" + *instance); !removed) return removed;
    for (const auto& entry : std::filesystem::directory_iterator(place_.run_dir())) std::filesystem::remove(entry.path());
    return {};
  }

  const Workload& workload_;
  const Netns& netns_;
  Place place_;
  model::ResourceSet resources_;
  resolve::NodeFacts facts_;
  std::optional<engine::Engine> engine_;
};

class Measurement {
 public:
  Measurement(Node& node, const Job& job, const Plan& plan, Progress& progress, Report& report)
      : node_(node), plan_(plan), progress_(progress), report_(report),
        row_{.engine = "nodewall", .scenario = job.workload, .what = "", .size = job.size, .family = job.family, .unit = "ms"} {}

  Status run(bool has_set) {
    std::vector<double> starts;
    for (unsigned round = 0; round < plan_.rounds && !progress_.interrupted(); ++round) {
      const auto took = node_.start();
      if (!took) return fail(took.error());
      starts.push_back(*took);
    }
    if (starts.empty()) return {};
    add("start", starts);
    const auto many = plan_.quick ? kFewChanges : kChanges;
    if (has_set) {
      if (auto done = changes("member", many, [&](unsigned round) { node_.add_member(round); }); !done) return done;
    } else {
      if (auto done = changes("edit", many, [&](unsigned round) { node_.edit_rule(round); }); !done) return done;
      if (auto done = changes("policy", kFewChanges, [&](unsigned round) { node_.replace_policy(round); }); !done) return done;
    }
    Status made;
    if (auto done = changes("interface", kFewChanges, [&](unsigned round) { if (made) made = node_.add_interface(fmt::format("eth{}", round + 1)); }); !done)
      return done;
    if (!made) return made;
    row_.unit = "bytes";
    for (const auto& [map, bytes] : node_.memory()) add("memory-" + map, {static_cast<double>(bytes)});
    return {};
  }

 private:
  template <typename Change>
  Status changes(const std::string& what, unsigned count, Change change) {
    std::vector<double> enforced, busy;
    for (unsigned round = 0; round < count && !progress_.interrupted(); ++round) {
      change(round);
      const auto times = node_.apply();
      if (!times) return fail(std::move(times.error()).in(what));
      enforced.push_back(times->enforced);
      busy.push_back(times->busy);
    }
    if (enforced.empty()) return {};
    add("apply-" + what, enforced);
    add("busy-" + what, busy);
    row_.what = "apply-" + what;
    if (count == kChanges) report_.rows.push_back(percentile_99(row_, enforced));
    return {};
  }

  void add(const std::string& what, const std::vector<double>& values) {
    row_.what = what;
    report_.rows.push_back(summarize(row_, values));
  }

  Node& node_;
  const Plan& plan_;
  Progress& progress_;
  Report& report_;
  Row row_;
};

Status measure_job(const Job& job, const Plan& plan, Progress& progress, Report& report) {
  const auto workload = workload_of(job, plan);
  if (!workload) return fail(workload.error());
  const auto netns = Netns::make();
  if (!netns) return fail(netns.error());
  Status result = fail(Errc::kernel, "enter the network namespace");
  netns->inside([&] {
    auto place = Place::make();
    if (!place) {
      result = fail(std::move(place.error()));
      return;
    }
    Node node(*workload, *netns, std::move(*place));
    result = Measurement(node, job, plan, progress, report).run(!workload->set.empty());
  });
  return result;
}

}  // namespace

Status measure_node(const Plan& plan, Progress& progress, Report& report) {
  return for_each_job(plan, progress, [&](const Job& job) { return measure_job(job, plan, progress, report); });
}

}  // namespace nodewall::bench
