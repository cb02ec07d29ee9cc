#include "site.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <set>

#include "kernel/skeleton.h"
#include "engine/state_file.h"
#include "engine/verify.h"
#include "harness/report.h"
#include "kernel/datapath.h"
#include "resolve/endpoint_policy.h"

namespace failpoints {

using namespace nodewall;
namespace fs = std::filesystem;

namespace {

constexpr const char* kSetup =
    "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.host0.rp_filter=0 &&"
    "ip link add host1 address 02:00:00:00:00:01 type veth peer name peer1 && ip link set host0 address 02:00:00:00:00:01 &&"
    "ip address add 10.0.0.1/24 dev host0 && ip address add 10.1.0.1/24 dev host1 && ip link set host1 up && ip link set peer1 up &&"
    "sysctl -qw net.ipv4.conf.host1.rp_filter=0 && ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:02 dev host0";

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) names.insert(entry.path().filename());
  return names;
}

std::string not_equal(const std::string& what, const std::set<std::string>& found, const std::set<std::string>& wanted) {
  std::string text;
  for (const auto& name : found)
    if (!wanted.contains(name)) text += what + " has " + name + "; ";
  for (const auto& name : wanted)
    if (!found.contains(name)) text += what + " lacks " + name + "; ";
  return text;
}

// Every map of the programs that is pinned: those that outlive a process.
const std::set<std::string>& pinned_maps() {
  static const auto names = [] {
    std::set<std::string> found;
    auto* skeleton = nodewall_bpf__open();
    REQUIRE(skeleton != nullptr);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
      if (const std::string_view name = bpf_map__name(map); nodewall::kernel::is_pinned_map(name)) found.emplace(nodewall::kernel::map_name(name));
    }
    nodewall_bpf__destroy(skeleton);
    return found;
  }();
  return names;
}

}  // namespace

Site::Site() {
  REQUIRE(prog::Node::run(kSetup));
  char directory[] = "/tmp/nodewall-run-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  run_dir_ = directory;
  const auto net = [](const char* text) { return *parse_cidr(text, BareAddress::refuse); };
  facts_.node = "node1";
  facts_.interfaces = {{.name = "host0", .ifindex = prog::Node::ifindex("host0"), .addresses = {net("10.0.0.1/24")}},
                       {.name = "host1", .ifindex = prog::Node::ifindex("host1"), .addresses = {net("10.1.0.1/24")}}};
  set_conntrack_size(4096);
  traffic_.emplace();
}

Site::~Site() { fs::remove_all(run_dir_); }

void Site::set_conntrack_size(std::uint32_t entries) {
  before_ = policy(Which::before, entries);
  after_ = policy(Which::after, entries);
}

engine::EngineOptions Site::options() const { return {.bpffs = node_.bpffs(), .run_dir = run_dir_}; }
std::string Site::pins() const { return node_.bpffs() + "/" + *kernel::instance_name(); }

std::string Site::probe(const std::set<Which>& possible) {
  const auto answers = ask();
  std::string faults;
  const auto judge = [&](const char* name, bool before, bool after) {
    const auto passes = [&](Which which) {
      if (which == Which::closed) return std::string_view(name).starts_with("host1");
      return which == Which::open || (which == Which::after ? after : before);
    };
    const bool passed = answers.at(name);
    if (std::ranges::none_of(possible, [&](Which which) { return passes(which) == passed; }))
      faults += std::string(name) + (passed ? " passed; " : " was dropped; ");
  };
  for (const auto& probe : kProbes) judge(probe.name, probe.before, probe.after);
  for (const char* name : {kReply, kOut, kLast}) judge(name, true, true);
  judge(kOutDenied, false, false);
  return faults;
}

std::string Site::table_faults(const resolve::Resolved& resolved, const kernel::Datapath& datapath) const {
  const auto policy = engine::read_policy(run_dir_);
  const auto state = engine::read_state(run_dir_);
  if (!policy || !state) return "the run directory has no state; ";
  if (policy->generation != datapath.generation()) return "policy.json is of another generation; ";
  const auto tables = engine::read_tables(datapath);
  if (!tables) return tables.error().message() + "; ";
  const auto report = engine::verify({resolved, facts_, policy->slots, state->interface_counters}, *tables);
  if (!report) return report.error().message() + "; ";
  return test::text_of(*report);
}

std::string Site::whole(Which which) {
  if (which == Which::open) return (fs::exists(pins()) ? "pins are left; " : "") + probe({which});
  const auto resolved = resolve::resolve(resources(which), facts_);
  auto datapath = kernel::Datapath::open({.pin_dir = pins(), .inspect = true});
  if (!datapath) return datapath.error().message() + "; ";
  std::string faults = table_faults(resolved, *datapath);
  std::set<std::string> links;
  for (const auto& it : resolved.assignments)
    for (const char* hook : {"-tc-ingress", "-tc-egress"}) links.insert(std::to_string(it.ifindex) + hook);
  faults += not_equal("links/", names_in(pins() + "/links"), links);
  std::set<std::string> attached;
  if (const auto hooks = datapath->attached())
    for (const auto& it : *hooks) attached.insert(std::to_string(it.ifindex) + "-" + std::string(kernel::name(it.hook)));
  faults += not_equal("the kernel", attached, links);
  faults += not_equal("maps/", names_in(pins() + "/maps"), pinned_maps());
  faults += not_equal("the pin directory", names_in(pins()), {"links", "maps"});
  faults += not_equal("the run directory", names_in(run_dir_), {"lock", "policy.json", "state.json"});
  return faults + probe({which});
}

}  // namespace failpoints
