#include "site.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <set>

#include "bpf/nodewall.skel.h"
#include "engine/state_file.h"
#include "engine/verify.h"
#include "harness/packet.h"
#include "harness/scenario.h"
#include "resolve/endpoint_policy.h"

namespace failpoints {
namespace {

using namespace nodewall;
namespace fs = std::filesystem;

constexpr std::uint16_t kMarker = 68;   // a failsafe port of both
constexpr std::uint16_t kFlow = 6001;   // the host's end of a flow that only conntrack lets in
constexpr std::uint16_t kFar = 7;       // its far end, and the port that the host may speak to
constexpr std::uint16_t kFarDenied = 9999;

struct Probe {
  const char* name;
  const char* interface;
  std::uint16_t port;
  bool before, after;
};
constexpr Probe kProbes[] = {
    {"host0 5000, allowed by both", "0", 5000, true, true},
    {"host0 6500, allowed before", "0", 6500, true, false},
    {"host0 6000, allowed after", "0", 6000, false, true},
    {"host0 7000, denied by both", "0", 7000, false, false},
    {"host0 68, failsafe of both", "0", kMarker, true, true},
    {"host0 8001, failsafe before", "0", 8001, true, false},
    {"host0 8002, failsafe after", "0", 8002, false, true},
    {"host1 5000, open before, allowed after", "1", 5000, true, true},
    {"host1 7000, open before, allowed after", "1", 7000, true, true},
    {"host1 6000, open before", "1", 6000, true, false},
};
constexpr const char* kReply = "host0, an answer to what the host began";
constexpr const char* kOut = "host0, out to an allowed port";
constexpr const char* kOutDenied = "host0, out to a denied port";

constexpr const char* kBoth = R"(
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: both}
spec:
  order: 10
  selector: all()
  ingress: [{action: Allow, protocol: UDP, destination: {ports: [5000]}}]
  egress: [{action: Allow, protocol: UDP, destination: {ports: [7]}}]
---
)";

constexpr const char* kBefore = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: one, labels: {role: one}}
spec: {node: node1, interfaceName: host0}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: one}
spec:
  selector: role == 'one'
  ingress: [{action: Allow, protocol: UDP, destination: {ports: [6500]}}]
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec:
  bpfConntrackTimeouts: {udpTimeout: 3600s}
  failsafeInboundHostPorts: [{protocol: udp, port: 68}, {protocol: udp, port: 8001}, {protocol: tcp, port: 22, net: 10.9.0.0/24}]
  failsafeOutboundHostPorts: []
)";

constexpr const char* kAfter = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: one, labels: {role: one}}
spec: {node: node1, interfaceName: host1}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: two, labels: {role: two}}
spec: {node: node1, interfaceName: host0}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: one}
spec:
  selector: role == 'one'
  ingress: [{action: Allow, protocol: UDP, destination: {ports: [7000]}}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: two}
spec:
  selector: role == 'two'
  ingress: [{action: Allow, protocol: UDP, source: {nets: [10.0.0.0/24]}, destination: {ports: [6000]}}]
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec:
  bpfConntrackTimeouts: {udpTimeout: 7200s}
  failsafeInboundHostPorts: [{protocol: udp, port: 68}, {protocol: udp, port: 8002}, {protocol: tcp, port: 22, net: 10.8.0.0/24}]
  failsafeOutboundHostPorts: [{protocol: tcp, port: 8003}]
)";

constexpr const char* kSetup =
    "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.host0.rp_filter=0 &&"
    "ip link add host1 address 02:00:00:00:00:01 type veth peer name peer1 && ip link set host0 address 02:00:00:00:00:01 &&"
    "ip address add 10.0.0.1/24 dev host0 && ip address add 10.1.0.1/24 dev host1 && ip link set host1 up && ip link set peer1 up &&"
    "sysctl -qw net.ipv4.conf.host1.rp_filter=0 && ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:02 dev host0";

sockaddr_in ip_address(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

Fd udp_socket(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto address = ip_address("0.0.0.0", port);
  REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

Fd open_tap(const char* interface) {
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP)));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IP);
  address.sll_ifindex = static_cast<int>(prog::Node::ifindex(interface));
  REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

// One CPU while packets are sent: the kernel's queue keeps their order then, and the last one's arrival says that all have been judged.
class OneCpu {
 public:
  OneCpu() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(std::max(sched_getcpu(), 0)), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  ~OneCpu() { sched_setaffinity(0, sizeof before_, &before_); }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;

 private:
  cpu_set_t before_{};
};

packet::Bytes number_bytes(std::uint32_t number) {
  packet::Bytes bytes(sizeof number);
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

// The numbers of all packets that are there.
std::set<std::uint32_t> drain(int socket) {
  std::set<std::uint32_t> numbers;
  std::uint8_t bytes[2048];
  ssize_t length = 0;
  while ((length = recv(socket, bytes, sizeof bytes, 0)) > 0) {
    std::uint32_t number = 0;
    if (length < static_cast<ssize_t>(sizeof number)) continue;
    std::memcpy(&number, bytes + length - sizeof number, sizeof number);
    numbers.insert(number);
  }
  return numbers;
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
  read_manifests();
  std::set<std::uint16_t> ports = {kMarker, kFlow};
  for (const auto& probe : kProbes) ports.insert(probe.port);
  for (const auto port : ports) receivers_.emplace(port, udp_socket(port));
  for (const char* number : {"0", "1"}) wires_.try_emplace(number, std::string("peer") + number);
  tap_ = open_tap("peer0");
}

Site::~Site() { fs::remove_all(run_dir_); }

void Site::set_conntrack_size(std::uint32_t entries) {
  conntrack_size_ = entries;
  read_manifests();
}

void Site::read_manifests() {
  const auto read = [&](const char* text) {
    auto manifests = std::string(kBoth) + text + "  bpfMapSizeConntrack: " + std::to_string(conntrack_size_) + "\n";
    auto resources = test::from_manifests(manifests, "manifests");
    if (!resources) FAIL(resources.error().message());
    return std::move(*resources);
  };
  before_ = read(kBefore);
  after_ = read(kAfter);
}

engine::EngineOptions Site::options() const { return {.bpffs = node_.bpffs(), .run_dir = run_dir_}; }
std::string Site::pins() const { return node_.bpffs() + "/" + *kernel::instance_name(); }

Answers Site::ask() {
  const OneCpu one_cpu;
  std::map<std::uint32_t, std::string> name_of;
  const auto frame = [&](const std::string& name, const char* interface, std::uint16_t source, std::uint16_t port) {
    name_of.emplace(++sent_, name);
    const std::string net = std::string("10.") + interface;
    wires_.at(interface).send(packet::Ethernet{} / packet::Ipv4{.source = net + ".0.9", .destination = net + ".0.1"} /
                              packet::Udp{.source = source, .destination = port} / packet::Payload(number_bytes(sent_)));
  };
  // The answer first: what is sent out would begin the flow anew. Each first packet has a source port of its own.
  frame(kReply, "0", kFar, kFlow);
  for (const auto& probe : kProbes) frame(probe.name, probe.interface, static_cast<std::uint16_t>(10000 + sent_ % 50000), probe.port);
  for (const auto& [name, port] : {std::pair(kOut, kFar), std::pair(kOutDenied, kFarDenied)}) {
    name_of.emplace(++sent_, name);
    const auto far = ip_address("10.0.0.9", port);
    (void)!sendto(receivers_.at(kFlow).get(), number_bytes(sent_).data(), 4, 0, reinterpret_cast<const sockaddr*>(&far), sizeof far);
  }
  // host1 is open or has this failsafe port: the last packet comes whatever became of the others.
  frame("host1 marker", "1", static_cast<std::uint16_t>(10000 + sent_ % 50000), kMarker);

  Answers answers;
  for (const auto& [number, name] : name_of) answers[name] = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!answers["host1 marker"] && std::chrono::steady_clock::now() < deadline) {
    for (const auto& [port, socket] : receivers_)
      for (const auto number : drain(socket.get()))
        if (name_of.contains(number)) answers[name_of[number]] = true;
    if (!answers["host1 marker"]) sched_yield();
  }
  for (const auto& [port, socket] : receivers_)
    for (const auto number : drain(socket.get()))
      if (name_of.contains(number)) answers[name_of[number]] = true;
  const auto out = drain(tap_.get());
  for (const auto& [number, name] : name_of)
    if (name == kOut || name == kOutDenied) answers[name] = out.contains(number);
  return answers;
}

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
  for (const char* name : {kReply, kOut, "host1 marker"}) judge(name, true, true);
  judge(kOutDenied, false, false);
  return faults;
}

namespace {

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
      const std::string name = bpf_map__name(map);
      if (name.starts_with("nw_") && name != "nw_recorded" && name.find('.') == name.npos) found.insert(name);
    }
    nodewall_bpf__destroy(skeleton);
    return found;
  }();
  return names;
}

}  // namespace

std::string Site::table_faults(const resolve::Resolved& resolved, const kernel::Datapath& datapath) const {
  const auto policy = engine::read_policy(run_dir_);
  const auto state = engine::read_state(run_dir_);
  if (!policy || !state) return "the run directory has no state; ";
  if (policy->generation != datapath.generation()) return "policy.json is of another generation; ";
  const auto tables = engine::read_tables(datapath);
  if (!tables) return tables.error().message() + "; ";
  const auto report = engine::verify({resolved, facts_, policy->slots, state->interface_counters}, *tables);
  if (!report) return report.error().message() + "; ";
  std::string text;
  for (const auto& it : report->differences) text += "verify: " + it.table + " of " + it.interface + " is " + it.found + ", not " + it.expected + "; ";
  return text;
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
