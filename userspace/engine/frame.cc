#include "engine/frame.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace nodewall::engine {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kUdpLite = 136;
constexpr std::uint8_t kHopLimit = 64;

void put16(Bytes& out, std::uint32_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

void set16(Bytes& out, std::size_t at, std::uint32_t value) {
  out[at] = static_cast<std::uint8_t>(value >> 8);
  out[at + 1] = static_cast<std::uint8_t>(value);
}

bool is_v4(const resolve::PacketQuery& packet) { return packet.source.family == Family::v4; }

std::span<const std::uint8_t> wire(const Address& address) {
  const std::span<const std::uint8_t> all(address.bytes);
  return address.family == Family::v4 ? all.subspan(12) : all;
}

void append(Bytes& out, std::span<const std::uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

bool is_icmp(const resolve::PacketQuery& packet) {
  return packet.protocol == (is_v4(packet) ? 1 : 58);
}

bool is_icmp_error(const resolve::PacketQuery& packet) {
  const auto type = packet.icmp_type;
  if (!is_icmp(packet)) return false;
  if (is_v4(packet)) return (type >= 3 && type <= 5) || type == 11 || type == 12;
  return type >= 1 && type <= 4;
}

std::uint8_t hop_limit(const resolve::PacketQuery& packet) {
  if (is_v4(packet) || packet.protocol != IPPROTO_ICMPV6) return kHopLimit;
  const auto type = packet.icmp_type;
  if (type >= 133 && type <= 137) return 255;
  if (type == 130 || type == 131 || type == 132 || type == 143) return 1;
  return kHopLimit;
}

void append_ip_header(Bytes& out, const resolve::PacketQuery& packet, const Address& source,
                      const Address& destination, std::size_t payload, std::uint8_t hops) {
  const std::size_t start = out.size();
  if (is_v4(packet)) {
    put32(out, 0x45000000U | static_cast<std::uint32_t>(20 + payload));
    put32(out, 0);
    out.push_back(hops);
    out.push_back(packet.protocol);
    put16(out, 0);
  } else {
    put32(out, 0x60000000U);
    put16(out, static_cast<std::uint32_t>(payload));
    out.push_back(packet.protocol);
    out.push_back(hops);
  }
  append(out, wire(source));
  append(out, wire(destination));
  if (is_v4(packet)) set16(out, start + 10, internet_checksum(std::span(out).subspan(start)));
}

// CRC32c of RFC 9260, appendix A; bit by bit, because a trace sends few packets.
std::uint32_t crc32c(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const auto byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

// The packet that an ICMP error speaks of: it went the other way, and no host sent it.
void append_quote(Bytes& out, const resolve::PacketQuery& packet) {
  resolve::PacketQuery quoted = packet;
  quoted.protocol = IPPROTO_UDP;
  append_ip_header(out, quoted, packet.destination, packet.source, 8, kHopLimit);
  put16(out, 9);
  put16(out, 9);
  put16(out, 8);
  put16(out, 0);
}

// The transport header and its payload, checksum fields zero.
Bytes transport(const resolve::PacketQuery& packet) {
  Bytes out;
  const auto ports = [&] {
    put16(out, packet.source_port);
    put16(out, packet.destination_port);
  };
  if (packet.protocol == IPPROTO_TCP) {
    ports();
    put32(out, 1);                                       // sequence
    put32(out, packet.tcp_flags & 0x10 ? 1 : 0);         // acknowledged
    put16(out, 0x5000U | (packet.tcp_flags & 0x3fU));    // five words of header
    put16(out, 0xffff);
    put32(out, 0);                                       // checksum, urgent pointer
  } else if (packet.protocol == IPPROTO_UDP || packet.protocol == kUdpLite) {
    ports();
    put16(out, 8);
    put16(out, 0);
  } else if (packet.protocol == IPPROTO_SCTP) {
    ports();
    put32(out, 1);  // verification tag
    put32(out, 0);
    put32(out, 0x01000014U);  // INIT chunk of 20 bytes
    out.resize(out.size() + 16);
  } else if (is_icmp(packet)) {
    out = {packet.icmp_type, packet.icmp_code, 0, 0, 0, 1, 0, 1};
    if (is_icmp_error(packet)) append_quote(out, packet);
    else out.resize(32);  // room for what neighbour discovery and MLD carry
  } else {
    out.resize(16);
  }
  return out;
}

std::uint32_t pseudo_header_sum(const resolve::PacketQuery& packet, std::size_t length) {
  std::uint32_t sum = packet.protocol + static_cast<std::uint32_t>(length);
  for (const auto* address : {&packet.source, &packet.destination}) {
    const auto bytes = wire(*address);
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    }
  }
  return sum;
}

void fill_checksum(Bytes& out, const resolve::PacketQuery& packet) {
  const std::uint32_t pseudo = pseudo_header_sum(packet, out.size());
  if (packet.protocol == IPPROTO_TCP) {
    set16(out, 16, internet_checksum(out, pseudo));
  } else if (packet.protocol == IPPROTO_UDP || packet.protocol == kUdpLite) {
    const auto sum = internet_checksum(out, pseudo);
    set16(out, 6, sum ? sum : 0xffff);  // 0 would say "no checksum"
  } else if (packet.protocol == IPPROTO_SCTP) {
    const auto crc = crc32c(out);
    for (int i = 0; i < 4; ++i) out[8 + i] = static_cast<std::uint8_t>(crc >> (8 * i));
  } else if (is_icmp(packet)) {
    set16(out, 2, internet_checksum(out, is_v4(packet) ? 0 : pseudo));
  }
}

void append_l3(Bytes& out, const resolve::PacketQuery& packet) {
  Bytes payload = transport(packet);
  fill_checksum(payload, packet);
  append_ip_header(out, packet, packet.source, packet.destination, payload.size(),
                   hop_limit(packet));
  append(out, payload);
}

}  // namespace

std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  }
  if (bytes.size() % 2) sum += static_cast<std::uint32_t>(bytes.back() << 8);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::vector<std::uint8_t> build_l3_packet(const resolve::PacketQuery& packet) {
  Bytes out;
  append_l3(out, packet);
  return out;
}

std::vector<std::uint8_t> build_frame(const resolve::PacketQuery& packet) {
  // Locally administered addresses: no station has them.
  Bytes out = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
  put16(out, is_v4(packet) ? 0x0800 : 0x86dd);
  append_l3(out, packet);
  return out;
}

}  // namespace nodewall::engine
