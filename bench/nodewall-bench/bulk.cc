// Bulk TCP over a veth pair, with nothing and with our programs at tcx on the node's side, in turns.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "engine.h"
#include "measure.h"

namespace nodewall::bench {
namespace {

constexpr std::uint16_t kPort = 5001;
constexpr const char* kServer = "10.255.0.1";

// Gbit/s that a server in the node's namespace reads from one connection of a client in the sender's.
Result<double> transfer(Lab& lab, std::chrono::milliseconds duration) {
  Fd listener;
  lab.node().inside([&] {
    listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    (void)::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(kPort), .sin_addr = {}, .sin_zero = {}};
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || ::listen(listener.get(), 1) != 0) listener.reset();
  });
  if (!listener.valid()) return fail(errno_error("listen", errno));
  std::atomic<bool> stop = false;
  bool connected = false;
  std::thread client([&] {
    lab.sender().inside([&] {
      const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(kPort), .sin_addr = {}, .sin_zero = {}};
      ::inet_pton(AF_INET, kServer, &address.sin_addr);
      const timeval limit{.tv_sec = 2, .tv_usec = 0};
      (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
      connected = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
      const std::vector<char> block(256 * 1024);
      while (connected && !stop && ::send(socket.get(), block.data(), block.size(), MSG_NOSIGNAL) > 0) {
      }
    });
  });
  const timeval limit{.tv_sec = 3, .tv_usec = 0};
  (void)::setsockopt(listener.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  const Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::vector<char> block(1 << 20);
  std::uint64_t bytes = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (peer.valid() && std::chrono::steady_clock::now() - begin < duration) {
    const auto got = ::recv(peer.get(), block.data(), block.size(), 0);
    if (got <= 0) break;
    bytes += static_cast<std::uint64_t>(got);
  }
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  stop = true;
  if (peer.valid()) ::shutdown(peer.get(), SHUT_RDWR);
  listener.reset();
  client.join();
  if (!connected || bytes == 0) return fail(Errc::kernel, "the TCP connection did not come about");
  return static_cast<double>(bytes) * 8 / seconds / 1e9;
}

// The client's SYN has to be allowed: the policy allows its address every port.
Workload open_policy() {
  Workload workload{.name = "open", .size = 1, .family = Family::v4, .rules = {PlainRule{}}, .set = {}};
  return workload;
}

resolve::PacketQuery to_server() {
  resolve::PacketQuery packet;
  packet.destination = Address::v4(0x0aff0001);
  packet.source = Address::v4(0x0aff0002);
  return packet;
}

}  // namespace

Status measure_bulk(const Plan& plan, Progress& progress, Report& report) {
  auto lab = Lab::make();
  if (!lab) return fail(std::move(lab.error()).in("bulk"));
  if (auto done = lab->prepare_tcp(); !done) return done;
  const auto workload = open_policy();
  const Setting setting{.workload = workload, .packets = {to_server()}, .flows = {}, .background_flows = plan.background_flows, .passes = Passes::all};
  std::vector<double> plain, enforced, ratio;
  for (unsigned round = 0; round < plan.rounds && !progress.interrupted(); ++round) {
    progress.step("bulk TCP, round " + std::to_string(round + 1));
    auto without = transfer(*lab, plan.duration);
    if (!without) return fail(without.error());
    auto engine = install("nodewall-tcx", *lab, setting);
    if (!engine) return fail(engine.error());
    auto with = transfer(*lab, plan.duration);
    if (!with) return fail(with.error());
    plain.push_back(*without);
    enforced.push_back(*with);
    ratio.push_back(*with / *without);
  }
  Row row{.engine = "none", .scenario = "bulk-tcp", .what = "throughput", .size = 1, .unit = "Gbit/s"};
  report.rows.push_back(summarize(row, plain));
  row.engine = "nodewall-tcx";
  report.rows.push_back(summarize(row, enforced));
  row.unit = "of none";
  report.rows.push_back(summarize(row, ratio));
  return {};
}

}  // namespace nodewall::bench
