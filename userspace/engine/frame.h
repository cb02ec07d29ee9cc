// A PacketQuery as the frame that would carry it: Ethernet, IPv4 or IPv6, transport header, valid lengths and checksums. What
// `trace --engine program` and the vectors send through the real program.
//
// The hop limit is what the protocol wants (255 for neighbour discovery, 1 for MLD, else 64). ICMP errors quote a packet that no
// host sent. Source and destination must be of one family. TCP, UDP, UDPLite and SCTP have ports; any other protocol carries 16
// zero bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "resolve/packet.h"

namespace nodewall::engine {

std::vector<std::uint8_t> build_frame(const resolve::PacketQuery& packet);
// The same without the Ethernet header: what a tun or wireguard interface carries.
std::vector<std::uint8_t> build_l3_packet(const resolve::PacketQuery& packet);

// RFC 1071 over the bytes, continuing from `sum` (a ones' complement sum not yet folded).
std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0);

}  // namespace nodewall::engine
