#include "engine/adoption.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "base/fd.h"

namespace nodewall::engine {
namespace {

// States of the socket tables: include/net/tcp_states.h.
constexpr std::uint32_t kEstablished = 1, kSynSent = 2, kTimeWait = 6, kClose = 7, kListen = 10,
                        kNewSynRecv = 12;

struct Socket {
  Address local, remote;
  std::uint16_t local_port = 0, remote_port = 0;
  std::uint32_t state = 0;
};

bool hex(std::string_view text, std::uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

// "0100007F:1F90": words of the address as the machine reads them, port in host order.
bool parse_end(std::string_view text, Address& address, std::uint16_t& port) {
  const auto colon = text.find(':');
  std::uint32_t number = 0;
  if (colon != 8 && colon != 32) return false;
  if (!hex(text.substr(colon + 1), number) || number > 0xffff) return false;
  port = static_cast<std::uint16_t>(number);
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t word = 0; word < colon / 8; ++word) {
    if (!hex(text.substr(word * 8, 8), number)) return false;
    std::memcpy(bytes.data() + word * 4, &number, 4);
  }
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool mapped = colon == 32 && std::equal(std::begin(kMapped), std::end(kMapped), bytes.begin());
  if (colon == 32 && !mapped) {
    address = Address{.bytes = bytes, .family = Family::v6};
    return true;
  }
  const std::uint8_t* v4 = bytes.data() + (mapped ? 12 : 0);
  address = Address::v4(static_cast<std::uint32_t>(v4[0]) << 24 | v4[1] << 16 | v4[2] << 8 | v4[3]);
  return true;
}

std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const auto word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

bool parse_line(std::string_view line, Socket& socket) {
  next_word(line);  // "0:"
  return parse_end(next_word(line), socket.local, socket.local_port) &&
         parse_end(next_word(line), socket.remote, socket.remote_port) &&
         hex(next_word(line), socket.state);
}

bool is_any(const Address& address) {
  return address.high() == 0 && (address.low() == 0 || address.low() == 0xffff00000000ULL);
}

bool is_loopback(const Address& address) {
  if (address.family == Family::v4) return address.v4_host_order() >> 24 == 127;
  return address.high() == 0 && address.low() == 1;
}

bool is_listener(const Socket& socket, std::uint8_t protocol) {
  if (protocol == IPPROTO_TCP) return socket.state == kListen;
  return socket.state == kClose && is_any(socket.remote);
}

bool is_open(const Socket& socket, std::uint8_t protocol) {
  if (is_any(socket.remote) || socket.remote_port == 0) return false;
  if (protocol != IPPROTO_TCP) return socket.state == kEstablished;
  return socket.state >= kEstablished && socket.state <= kNewSynRecv && socket.state != kTimeWait &&
         socket.state != kClose && socket.state != kListen;
}

Result<std::string> read_proc(const std::string& name) {
  const std::string path = "/proc/thread-self/net/" + name;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::string();  // a kernel without IPv6
    return fail(errno_error("open " + path, errno));
  }
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (true) {
    const auto bytes = ::read(fd.get(), buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return fail(errno_error("read " + path, errno));
    if (bytes == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
}

}  // namespace

std::vector<OpenFlow> parse_socket_table(std::string_view text, std::uint8_t protocol) {
  std::vector<Socket> sockets;
  std::map<std::uint16_t, std::set<Address>> listeners;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    Socket socket;
    if (parse_line(text.substr(0, end), socket)) {
      if (is_listener(socket, protocol)) listeners[socket.local_port].insert(socket.local);
      else if (is_open(socket, protocol)) sockets.push_back(socket);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto is_served = [&](const Socket& socket) {
    const auto found = listeners.find(socket.local_port);
    return found != listeners.end() && std::ranges::any_of(found->second, [&](const auto& address) {
             return is_any(address) || address == socket.local;
           });
  };
  std::vector<OpenFlow> flows;
  for (const auto& socket : sockets) {
    const bool from_host = socket.state == kSynSent || !is_served(socket);
    flows.push_back({.local = socket.local,
                     .remote = socket.remote,
                     .local_port = socket.local_port,
                     .remote_port = socket.remote_port,
                     .protocol = protocol,
                     .from_host = from_host});
  }
  return flows;
}

Result<std::vector<OpenFlow>> open_flows() {
  std::vector<OpenFlow> flows;
  const auto add = [&](const char* v4, const char* v6, std::uint8_t protocol) -> Status {
    const auto text = read_proc(v4);
    if (!text) return fail(text.error());
    const auto text6 = read_proc(v6);
    if (!text6) return fail(text6.error());
    for (auto& flow : parse_socket_table(*text + *text6, protocol)) {
      if (!is_loopback(flow.remote) && flow.remote != flow.local) flows.push_back(flow);
    }
    return {};
  };
  if (auto done = add("tcp", "tcp6", IPPROTO_TCP); !done) return fail(done.error());
  if (auto done = add("udp", "udp6", IPPROTO_UDP); !done) return fail(done.error());
  return flows;
}

ConntrackSeed conntrack_seed(const OpenFlow& flow, std::uint64_t now_ns, std::uint32_t generation,
                             std::uint32_t ifindex) {
  struct End {
    std::array<std::uint8_t, 16> address;
    std::array<std::uint8_t, 2> port_be;
    auto operator<=>(const End&) const = default;
  };
  const auto end = [](const Address& address, std::uint16_t port) {
    return End{address.bytes,
               {static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)}};
  };
  const End local = end(flow.local, flow.local_port), remote = end(flow.remote, flow.remote_port);
  const bool local_is_a = local < remote;
  const End& a = local_is_a ? local : remote;
  const End& b = local_is_a ? remote : local;

  ConntrackSeed seed{};
  std::memcpy(seed.key.a.bytes, a.address.data(), 16);
  std::memcpy(seed.key.b.bytes, b.address.data(), 16);
  std::memcpy(&seed.key.port_a_be, a.port_be.data(), 2);
  std::memcpy(&seed.key.port_b_be, b.port_be.data(), 2);
  seed.key.protocol = flow.protocol;
  seed.entry.created = seed.entry.seen = nw_ct_tick(now_ns);
  seed.entry.generation = generation;
  seed.entry.rule = NW_NO_COUNTER;
  seed.entry.ifindex = ifindex;
  seed.entry.flags = NW_CT_REPLIED | NW_CT_ADOPTED;
  if (flow.from_host) seed.entry.flags |= NW_CT_FROM_HOST;
  if (local_is_a == flow.from_host) seed.entry.flags |= NW_CT_A_IS_SOURCE;
  return seed;
}

}  // namespace nodewall::engine
