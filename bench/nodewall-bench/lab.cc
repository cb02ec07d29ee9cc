#include "lab.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/bpf/frame.h"
#include "bpf/bench.skel.h"

namespace nodewall::bench {
namespace {

constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);  // Linux 6.6
constexpr std::uint32_t kUntilStopped = 0x7fffffff;  // frames of one call; to begin one costs milliseconds

// What is measured, and what feeds it, comes before whatever else the machine does: a turn lost to others empties caches.
void pin_to(int cpu, pid_t thread = 0) {
  constexpr int kBeforeOthers = -19;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(thread), kBeforeOthers);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  (void)sched_setaffinity(thread, sizeof(set), &set);  // a hint: on one core both share it
}

int last_cpu() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())) - 1; }

// A veth takes frames of the kind we send only when its NAPI is on, which generic receive offload switches on.
Status enable_gro(const Netns& netns, const std::string& device) {
  int failed = 0;
  netns.inside([&] {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_value value{.cmd = ETHTOOL_SGRO, .data = 1};
    ifreq request{};
    std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&value);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) failed = errno;
  });
  return failed == 0 ? Status{} : fail(errno_error("switch GRO on for " + device, failed));
}

// The kernel threads of the device's NAPI, by name.
std::vector<pid_t> napi_threads(const std::string& device) {
  std::vector<pid_t> found;
  const std::string wanted = "napi/" + device + "-";
  DIR* proc = ::opendir("/proc");
  while (const dirent* entry = proc != nullptr ? ::readdir(proc) : nullptr) {
    std::ifstream file(std::string("/proc/") + entry->d_name + "/comm");
    std::string name;
    if (std::getline(file, name) && name.starts_with(wanted)) found.push_back(std::atoi(entry->d_name));
  }
  if (proc != nullptr) ::closedir(proc);
  return found;
}

std::uint64_t cpu_time_ns(const std::vector<pid_t>& threads) {
  std::uint64_t sum = 0;
  for (const auto thread : threads) {
    std::ifstream file("/proc/" + std::to_string(thread) + "/schedstat");
    std::uint64_t running = 0;
    if (file >> running) sum += running;
  }
  return sum;
}

}  // namespace

struct Lab::State {
  Netns sender, node;
  std::string device;
  std::uint32_t ifindex = 0, sender_ifindex = 0;
  Mac mac{};
  Skeleton programs;
  std::vector<pid_t> threads;

  Status wire();
  Status find_device();
  // Only inside the sender's namespace. A signal ends it early, without an error.
  Status send(bench_bpf& generator, const Frame& frame, std::uint32_t count) const;
  [[nodiscard]] std::uint64_t received() const;
  [[nodiscard]] std::uint64_t reached_transport() const;
};

Status Lab::State::wire() {
  device = "nb" + std::to_string(::getpid() % 1000000);
  const std::string tail = device + "s";
  if (auto done = sender.run({"ip", "link", "add", tail, "type", "veth", "peer", "name", device}); !done) return done;
  if (auto done = sender.run({"ip", "link", "set", device, "netns", node.path()}); !done) return done;
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"ip", "link", "set", device, "up"},
           {"ip", "addr", "add", "10.255.0.1/16", "dev", device},
           {"ip", "-6", "addr", "add", "fdff::1/64", "dev", device, "nodad"},
           {"ip", "route", "add", "default", "dev", device},
           {"ip", "-6", "route", "add", "default", "dev", device},
           // Every destination of the scenarios is the node's own, whatever its policy: peers at the input hook see it too.
           {"ip", "route", "add", "local", "10.0.0.0/8", "dev", "lo"},
           {"ip", "-6", "route", "add", "local", "fd00::/8", "dev", "lo"}})
    if (auto done = node.run(command); !done) return done;
  if (auto done = sender.run({"ip", "link", "set", tail, "up"}); !done) return done;
  if (auto done = enable_gro(node, device); !done) return done;
  if (auto done = node.write_sys("/class/net/" + device + "/threaded", "1"); !done) return done;
  return find_device();
}

Status Lab::State::find_device() {
  node.inside([&] {
    ifindex = if_nametoindex(device.c_str());
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
    if (::ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0) std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  });
  sender.inside([&] { sender_ifindex = if_nametoindex((device + "s").c_str()); });
  threads = napi_threads(device);
  if (ifindex == 0 || sender_ifindex == 0) return fail(Errc::kernel, "the veth pair vanished");
  if (threads.empty()) return fail(Errc::kernel, "the receiver has no NAPI thread");
  for (const auto thread : threads) pin_to(last_cpu(), thread);
  return {};
}

std::uint64_t Lab::State::received() const {
  std::uint64_t packets = 0;
  node.inside([&] {
    std::ifstream file("/proc/thread-self/net/dev");
    for (std::string line; std::getline(file, line);) {
      const auto colon = line.find(device + ":");
      if (colon == line.npos) continue;
      std::istringstream fields(line.substr(colon + device.size() + 1));
      std::uint64_t bytes = 0;
      fields >> bytes >> packets;
    }
  });
  return packets;
}

// Packets that TCP and UDP of the node have seen.
std::uint64_t Lab::State::reached_transport() const {
  static constexpr std::string_view kCounted[] = {"TcpInSegs", "UdpInDatagrams", "UdpNoPorts", "UdpInErrors", "Udp6InDatagrams", "Udp6NoPorts", "Udp6InErrors"};
  std::uint64_t sum = 0;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (std::ranges::find(kCounted, name) != std::end(kCounted)) sum += std::strtoull(value.c_str(), nullptr, 10);
  };
  node.inside([&] {
    // Pairs of lines: "Tcp: name name", "Tcp: value value".
    std::ifstream v4("/proc/thread-self/net/snmp");
    for (std::string names, values; std::getline(v4, names) && std::getline(v4, values);) {
      std::istringstream name_words(names), value_words(values);
      std::string protocol, name, value;
      name_words >> protocol;
      value_words >> value;
      protocol.pop_back();
      while (name_words >> name && value_words >> value) add(protocol + name, value);
    }
    std::ifstream v6("/proc/thread-self/net/snmp6");
    for (std::string name, value; v6 >> name >> value;) add(name, value);
  });
  return sum;
}

Status Lab::State::send(bench_bpf& generator, const Frame& frame, std::uint32_t count) const {
  Frame padded = frame;
  padded.resize(std::max<std::size_t>(frame.size(), BENCH_HEADER_BYTES));
  xdp_md context{};
  context.data_end = static_cast<__u32>(padded.size());
  context.ingress_ifindex = sender_ifindex;
  // The page pool that the frames come from has room for as many pages as a batch has. What the receiver gives back beyond that goes to the
  // page allocator, at the receiver's cost: 256 is the most that the kernel takes.
  DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = padded.data(), .data_size_in = static_cast<__u32>(padded.size()),
                      .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = static_cast<int>(count),
                      .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 256);
  const int done = bpf_prog_test_run_opts(bpf_program__fd(generator.progs.generate), &opts);
  return done == 0 || done == -EINTR ? Status{} : fail(errno_error("send frames", -done));
}

// Sends in a thread of its own until stopped.
class Sender {
 public:
  Sender(const Lab::State& lab, bench_bpf& generator, const Frame& frame) {
    std::signal(SIGUSR1, [](int) {});  // only ends the call
    thread_ = std::thread([&lab, &generator, &frame, this] {
      lab.sender.inside([&] {
        pin_to(0);
        handle_ = ::pthread_self();
        running_ = true;
        while (result_ && !stopping_) result_ = lab.send(generator, frame, kUntilStopped);
        running_ = false;
      });
    });
  }
  Status stop() {
    stopping_ = true;
    while (running_) {
      ::pthread_kill(handle_, SIGUSR1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (thread_.joinable()) thread_.join();
    return result_;
  }
  ~Sender() { (void)stop(); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

 private:
  std::thread thread_;
  pthread_t handle_{};
  std::atomic<bool> running_ = false, stopping_ = false;
  Status result_;
};

Lab::Lab(std::unique_ptr<State> state) : state_(std::move(state)) {}
Lab::Lab(Lab&&) noexcept = default;
Lab& Lab::operator=(Lab&&) noexcept = default;
Lab::~Lab() = default;

Result<Lab> Lab::make() {
  auto sender = Netns::make();
  if (!sender) return fail(std::move(sender.error()).in("sender"));
  auto node = Netns::make();
  if (!node) return fail(std::move(node.error()).in("node"));
  auto state = std::make_unique<State>();
  state->sender = std::move(*sender);
  state->node = std::move(*node);
  if (auto wired = state->wire(); !wired) return fail(std::move(wired.error()).in("wire"));
  state->programs.reset(bench_bpf__open_and_load());
  if (!state->programs) return fail(errno_error("load the harness's programs", errno));
  return Lab(std::move(state));
}

const Netns& Lab::node() const { return state_->node; }
const Netns& Lab::sender() const { return state_->sender; }

Status Lab::prepare_tcp() {
  if (auto done = state_->node.run({"ip", "route", "del", "local", "10.0.0.0/8", "dev", "lo"}); !done) return done;
  return state_->sender.run({"ip", "addr", "add", "10.255.0.2/16", "dev", state_->device + "s"});
}

const std::string& Lab::device() const { return state_->device; }
std::uint32_t Lab::ifindex() const { return state_->ifindex; }

const Mac& Lab::mac() const { return state_->mac; }
void Lab::pin_to_receiver() { pin_to(last_cpu()); }

int Lab::program(const std::string& name) const {
  const bpf_program* program = bpf_object__find_program_by_name(state_->programs->obj, name.c_str());
  return program != nullptr ? bpf_program__fd(program) : -1;
}

// What happened on the wire meanwhile.
struct Window {
  double seconds = 0, sent = 0, handled = 0, busy_ns = 0;
  [[nodiscard]] double lost() const { return sent > 0 ? std::max(0.0, 1 - handled / sent) : 0; }
};

Window watch(const Lab::State& lab, const bench_bpf& generator, std::chrono::milliseconds duration) {
  using Clock = std::chrono::steady_clock;
  const volatile auto& next_frame = generator.bss->next_frame;
  const auto begin = Clock::now();
  const auto packets = lab.received(), cpu = cpu_time_ns(lab.threads);
  const std::uint32_t sent = next_frame;
  std::this_thread::sleep_for(duration);
  return {.seconds = std::chrono::duration<double>(Clock::now() - begin).count(),
          .sent = static_cast<double>(static_cast<std::uint32_t>(next_frame - sent)),
          .handled = static_cast<double>(lab.received() - packets),
          .busy_ns = static_cast<double>(cpu_time_ns(lab.threads) - cpu)};
}

// Slows the sender down until the receiver keeps up. A sender that goes on regardless frees the frames that were lost, and both CPUs then
// wait for the locks of the page pool: that took four times what the program under measurement did.
void find_pace(const Lab::State& lab, bench_bpf& generator) {
  constexpr double kLost = 0.01, kBusy = 0.93, kSlower = 1.08;
  const auto probe = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return watch(lab, generator, std::chrono::milliseconds(25));
  };
  const auto first = probe();
  const auto keeps_up = [&](const Window& seen) { return seen.lost() <= kLost || seen.busy_ns < kBusy * 1e9 * seen.seconds; };
  if (first.lost() <= kLost || first.sent == 0) return;
  volatile auto& interval = generator.bss->interval_ns;
  double ns = 0.7e9 * first.seconds / std::max(1.0, first.handled);
  for (int i = 0; i < 60; ++i, ns *= kSlower) {
    interval = static_cast<__u64>(ns);
    if (keeps_up(probe())) return;
  }
}

Result<Rate> Lab::measure(const Stream& stream, std::chrono::milliseconds duration) {
  auto generator = load_programs(stream, state_->mac);
  if (!generator) return fail(generator.error());
  Sender sender(*state_, **generator, stream.frames.front());
  const auto at_first = state_->received();
  for (int wait = 0; wait < 3000 && state_->received() == at_first; ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(duration / 4 + std::chrono::milliseconds(20));  // caches warm
  find_pace(*state_, **generator);
  const auto window = watch(*state_, **generator, duration);
  if (auto sent = sender.stop(); !sent) return fail(sent.error());
  if (window.handled == 0) return fail(Errc::kernel, "the receiver handled no frame");
  return Rate{.mpps = window.handled / window.seconds / 1e6, .ns_per_packet = window.busy_ns / window.handled};
}

Result<std::uint64_t> Lab::delivered(const Stream& stream) {
  auto generator = load_programs(stream, state_->mac);
  if (!generator) return fail(generator.error());
  const auto& frames = stream.frames;
  const auto at_first = state_->reached_transport();
  Status sent;
  state_->sender.inside([&] {
    // In small steps: the wire holds 256 frames.
    for (std::size_t done = 0; sent && done < frames.size(); done += 64) {
      const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(64, frames.size() - done));
      const auto before = state_->received();
      sent = state_->send(**generator, frames.front(), count);
      for (int wait = 0; wait < 200 && state_->received() < before + count; ++wait)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  if (!sent) return fail(sent.error());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // what was received is on its way up
  return state_->reached_transport() - at_first;
}

Result<Fd> Lab::sink() {
  int link = -1, error = 0;
  node().inside([&] {
    DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts);
    link = bpf_link_create(program("tc_drop"), static_cast<int>(ifindex()), kTcxIngress, &opts);
    error = errno;
  });
  if (link < 0) return fail(errno_error("attach the sink", error));
  return Fd(link);
}

}  // namespace nodewall::bench
