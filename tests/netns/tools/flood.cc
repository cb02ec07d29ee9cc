// Sends packets at a steady rate: `nodewall_flood --interface c-eth0 --dst 10.77.0.2 --dport 1000-1999 --rate 100000 ...`
//
// Every packet is a first packet: TCP SYN or UDP, by default from a source port and, with --spread, from a source address of its own.
// With --sport it is one flow. A UDP payload has its number and its time of sending (CLOCK_REALTIME), each 8 bytes in the order of the
// machine. It ends after --seconds or at SIGTERM, and prints one JSON line: {"sent": packets, "failed": not taken by the kernel,
// "seconds": how long, "seen_ns": when the interface was first seen}.
//
// --wait sits on the interface's name until it appears, sets it up, and sends at once: to measure how long a new interface is open.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "base/fd.h"

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr int kBatch = 32;

struct Options {
  std::string interface, protocol = "tcp", source = "10.77.0.1", destination, source_mac, destination_mac;
  std::string ports = "80";
  std::uint32_t rate = 1000, sport = 0;
  double seconds = 3600;
  bool spread = false, wait = false;
};

struct Payload {
  std::uint64_t number, sent_ns;
};

struct Frame {
  std::array<std::uint8_t, 128> bytes{};
  std::size_t length = 0;
};

std::atomic<bool> stopped{false};

std::uint64_t now_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint32_t add_words(const void* data, std::size_t length, std::uint32_t sum) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  for (std::size_t i = 0; i + 1 < length; i += 2) sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  return sum;
}

std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

std::array<std::uint8_t, 6> mac_of(const std::string& text) {
  std::array<std::uint8_t, 6> mac{};
  std::array<unsigned, 6> parts{};
  if (std::sscanf(text.c_str(), "%x:%x:%x:%x:%x:%x", &parts[0], &parts[1], &parts[2], &parts[3], &parts[4], &parts[5]) == 6)
    std::ranges::copy(parts, mac.begin());
  return mac;
}

class Builder {
 public:
  explicit Builder(const Options& options) : options_(options), tcp_(options.protocol == "tcp") {
    inet_pton(AF_INET, options.source.c_str(), &source_be_);
    inet_pton(AF_INET, options.destination.c_str(), &destination_be_);
    first_ = static_cast<std::uint16_t>(std::stoul(options.ports));
    const auto dash = options.ports.find('-');
    last_ = dash == std::string::npos ? first_ : static_cast<std::uint16_t>(std::stoul(options.ports.substr(dash + 1)));
  }

  void build(Frame& frame) {
    const std::size_t l4 = tcp_ ? sizeof(tcphdr) : sizeof(udphdr) + sizeof(Payload);
    frame.length = ETH_HLEN + sizeof(iphdr) + l4;
    ether_header ethernet{};
    std::ranges::copy(mac_of(options_.destination_mac), ethernet.ether_dhost);
    std::ranges::copy(mac_of(options_.source_mac), ethernet.ether_shost);
    ethernet.ether_type = htons(ETHERTYPE_IP);
    std::memcpy(frame.bytes.data(), &ethernet, sizeof ethernet);

    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.ttl = 64;
    ip.protocol = tcp_ ? IPPROTO_TCP : IPPROTO_UDP;
    ip.tot_len = htons(static_cast<std::uint16_t>(sizeof(iphdr) + l4));
    ip.daddr = destination_be_;
    // The upper half of the address stays, so that the peers are those of one network.
    ip.saddr = options_.spread ? (source_be_ & htonl(0xffff0000)) | htonl(1 + random() % 0xfffe) : source_be_;
    ip.check = fold(add_words(&ip, sizeof ip, 0));
    std::memcpy(frame.bytes.data() + ETH_HLEN, &ip, sizeof ip);

    std::uint32_t sum = add_words(&ip.saddr, 8, 0) + ip.protocol + static_cast<std::uint32_t>(l4);
    add_transport(frame.bytes.data() + ETH_HLEN + sizeof ip, sum);
    ++number_;
  }

 private:
  void add_transport(std::uint8_t* to, std::uint32_t sum) {
    const auto sport = options_.sport ? options_.sport : 1024 + random() % 64000;
    const auto dport = first_ + random() % (last_ - first_ + 1U);
    if (tcp_) {
      tcphdr tcp{};
      tcp.source = htons(static_cast<std::uint16_t>(sport));
      tcp.dest = htons(static_cast<std::uint16_t>(dport));
      tcp.seq = random();
      tcp.doff = 5;
      tcp.syn = 1;
      tcp.window = htons(65535);
      tcp.check = fold(add_words(&tcp, sizeof tcp, sum));
      std::memcpy(to, &tcp, sizeof tcp);
      return;
    }
    const Payload payload{number_, now_ns(CLOCK_REALTIME)};
    udphdr udp{};
    udp.source = htons(static_cast<std::uint16_t>(sport));
    udp.dest = htons(static_cast<std::uint16_t>(dport));
    udp.len = htons(sizeof udp + sizeof payload);
    const auto check = fold(add_words(&payload, sizeof payload, add_words(&udp, sizeof udp, sum)));
    udp.check = check ? check : 0xffff;
    std::memcpy(to, &udp, sizeof udp);
    std::memcpy(to + sizeof udp, &payload, sizeof payload);
  }

  std::uint32_t random() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return static_cast<std::uint32_t>(random_ >> 16);
  }

  const Options& options_;
  bool tcp_;
  in_addr_t source_be_ = 0, destination_be_ = 0;
  std::uint16_t first_ = 0, last_ = 0;
  std::uint64_t number_ = 0, random_ = 0x9e3779b97f4a7c15;
};

// Until the interface is there and up; when it was first seen.
std::uint64_t wait_for(const Options& options, int control, unsigned& index) {
  while (!(index = if_nametoindex(options.interface.c_str())) && !stopped) {
    if (!options.wait) return 0;
  }
  const auto seen = now_ns(CLOCK_REALTIME);
  ifreq request{};
  options.interface.copy(request.ifr_name, IFNAMSIZ - 1);
  if (options.wait && ioctl(control, SIOCGIFFLAGS, &request) == 0) {
    request.ifr_flags |= IFF_UP;
    ioctl(control, SIOCSIFFLAGS, &request);
  }
  return seen;
}

struct Tally {
  std::uint64_t sent = 0, failed = 0;
};

void send_batch(int socket, Builder& builder, std::uint64_t count, Tally& tally) {
  std::array<Frame, kBatch> frames;
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::uint64_t i = 0; i < count; ++i) {
    builder.build(frames[i]);
    parts[i] = {frames[i].bytes.data(), frames[i].length};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int done = sendmmsg(socket, messages.data(), static_cast<unsigned>(count), 0);
  const auto taken = done > 0 ? static_cast<std::uint64_t>(done) : 0;
  tally.sent += taken;
  tally.failed += count - taken;
}

Tally flood(int socket, const Options& options, std::uint64_t& took_ns) {
  Builder builder(options);
  Tally tally;
  const auto start = now_ns(CLOCK_MONOTONIC);
  const auto end = start + static_cast<std::uint64_t>(options.seconds * static_cast<double>(kSecond));
  while (!stopped) {
    const auto now = now_ns(CLOCK_MONOTONIC);
    took_ns = now - start;
    if (now >= end) break;
    const auto due = static_cast<std::uint64_t>(static_cast<double>(took_ns) * options.rate / static_cast<double>(kSecond)) + 1;
    const auto done = tally.sent + tally.failed;
    if (due > done) {
      send_batch(socket, builder, std::min<std::uint64_t>(due - done, kBatch), tally);
    } else if (options.rate <= 20000) {
      usleep(50);
    }
  }
  return tally;
}

int run(const Options& options) {
  const nodewall::Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const nodewall::Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  unsigned index = 0;
  const auto seen = wait_for(options, control.get(), index);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(index);
  if (!index || bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fmt::print(stderr, "nodewall_flood: {}: {}\n", options.interface, std::strerror(errno));
    return 1;
  }
  const int bypass = 1;
  setsockopt(socket.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass);
  std::uint64_t took_ns = 0;
  const auto tally = flood(socket.get(), options, took_ns);
  fmt::print("{{\"sent\": {}, \"failed\": {}, \"seconds\": {:.3f}, \"seen_ns\": {}}}\n", tally.sent, tally.failed,
             static_cast<double>(took_ns) / static_cast<double>(kSecond), seen);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sends first packets at a steady rate.", "nodewall_flood"};
  Options options;
  app.add_option("--interface", options.interface)->required();
  app.add_option("--protocol", options.protocol)->check(CLI::IsMember({"tcp", "udp"}));
  app.add_option("--src", options.source);
  app.add_option("--dst", options.destination)->required();
  app.add_option("--src-mac", options.source_mac)->required();
  app.add_option("--dst-mac", options.destination_mac)->required();
  app.add_option("--dport", options.ports, "N or N-M");
  app.add_option("--sport", options.sport, "0: another one each time");
  app.add_option("--rate", options.rate, "Packets a second");
  app.add_option("--seconds", options.seconds);
  app.add_flag("--spread", options.spread, "Source addresses from the whole /16");
  app.add_flag("--wait", options.wait, "Wait for the interface, set it up");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { stopped = true; });
  return run(options);
}
