#include "traffic.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstring>
#include <set>
#include <utility>

#include "harness/packet.h"
#include "policies.h"

namespace failpoints {
namespace {

using namespace nodewall;

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

Traffic::Traffic() : tap_(open_tap("peer0")) {
  std::set<std::uint16_t> ports = {kMarker, kFlow};
  for (const auto& probe : kProbes) ports.insert(probe.port);
  for (const auto port : ports) receivers_.emplace(port, udp_socket(port));
  for (const char* number : {"0", "1"}) wires_.try_emplace(number, std::string("peer") + number);
}

void Traffic::send_in(Names& names, const std::string& name, const char* interface, std::uint16_t source, std::uint16_t port) {
  const std::string net = std::string("10.") + interface;
  wires_.at(interface).send(packet::Ethernet{} / packet::Ipv4{.source = net + ".0.9", .destination = net + ".0.1"} /
                            packet::Udp{.source = source, .destination = port} / packet::Payload(number_bytes(named(names, name))));
}

void Traffic::send_out(Names& names, const std::string& name, std::uint16_t port) {
  const auto bytes = number_bytes(named(names, name));
  const auto far = ip_address("10.0.0.9", port);
  (void)!sendto(receivers_.at(kFlow).get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&far), sizeof far);
}

void Traffic::receive(const Names& names, Answers& answers) const {
  for (const auto& [port, socket] : receivers_)
    for (const auto number : drain(socket.get()))
      if (names.contains(number)) answers[names.at(number)] = true;
}

Answers Traffic::ask() {
  const OneCpu one_cpu;
  Names names;
  // The answer first: what is sent out would begin the flow anew. Each first packet has a source port of its own.
  const auto own_port = [&] { return static_cast<std::uint16_t>(10000 + sent_ % 50000); };
  send_in(names, kReply, "0", kFar, kFlow);
  for (const auto& probe : kProbes) send_in(names, probe.name, probe.interface, own_port(), probe.port);
  send_out(names, kOut, kFar);
  send_out(names, kOutDenied, kFarDenied);
  // host1 is open or has this failsafe port: the last packet comes whatever became of the others.
  send_in(names, kLast, "1", own_port(), kMarker);

  Answers answers;
  for (const auto& [number, name] : names) answers[name] = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!answers[kLast] && std::chrono::steady_clock::now() < deadline) {
    receive(names, answers);
    if (!answers[kLast]) sched_yield();
  }
  receive(names, answers);
  const auto out = drain(tap_.get());
  for (const auto& [number, name] : names)
    if (name == kOut || name == kOutDenied) answers[name] = out.contains(number);
  return answers;
}

}  // namespace failpoints
