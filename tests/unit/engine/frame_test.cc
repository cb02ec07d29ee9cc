#include "engine/frame.h"

#include <catch2/catch_test_macros.hpp>
#include <span>

using nodewall::Address;
using nodewall::engine::build_frame;
using nodewall::engine::build_l3_packet;
using nodewall::engine::internet_checksum;
using nodewall::resolve::PacketQuery;

namespace {

PacketQuery query(const char* source, const char* destination, std::uint8_t protocol) {
  PacketQuery packet;
  packet.source = *nodewall::parse_address(source);
  packet.destination = *nodewall::parse_address(destination);
  packet.protocol = protocol;
  packet.source_port = 31245;
  packet.destination_port = 80;
  return packet;
}

std::uint32_t pseudo(const std::vector<std::uint8_t>& frame, std::size_t from, std::size_t bytes,
                     std::uint32_t protocol, std::size_t length) {
  std::uint32_t sum = protocol + static_cast<std::uint32_t>(length);
  for (std::size_t i = from; i < from + bytes; i += 2) sum += frame[i] << 8 | frame[i + 1];
  return sum;
}

}  // namespace

TEST_CASE("a TCP packet over IPv4 is a frame of known bytes") {
  const auto frame = build_frame(query("10.0.0.1", "10.0.0.2", 6));
  REQUIRE(frame.size() == 54);
  CHECK(frame[12] == 0x08);
  CHECK(frame[13] == 0x00);
  CHECK(frame[14] == 0x45);
  CHECK((frame[16] << 8 | frame[17]) == 40);
  CHECK(frame[23] == 6);
  CHECK(frame[26] == 10);
  CHECK(frame[33] == 2);
  CHECK((frame[34] << 8 | frame[35]) == 31245);
  CHECK((frame[36] << 8 | frame[37]) == 80);
  CHECK(frame[46] == 0x50);
  CHECK(frame[47] == 0x02);
}

TEST_CASE("the checksums of a frame verify") {
  for (const std::uint8_t protocol : {6, 17, 136}) {
    CAPTURE(protocol);
    const auto v4 = build_frame(query("10.0.0.1", "10.0.0.2", protocol));
    const std::span<const std::uint8_t> bytes4(v4);
    CHECK(internet_checksum(bytes4.subspan(14, 20)) == 0);
    CHECK(internet_checksum(bytes4.subspan(34), pseudo(v4, 26, 8, protocol, v4.size() - 34)) == 0);
    const auto v6 = build_frame(query("fd00::1", "fd00::2", protocol));
    const std::span<const std::uint8_t> bytes6(v6);
    CHECK(internet_checksum(bytes6.subspan(54), pseudo(v6, 22, 32, protocol, v6.size() - 54)) == 0);
  }
}

TEST_CASE("the checksum of RFC 1071's example is right") {
  const std::uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK(internet_checksum(bytes) == static_cast<std::uint16_t>(~0xddf2));
}

TEST_CASE("neighbour discovery is sent with hop limit 255, MLD with 1, echo with 64") {
  auto packet = query("fe80::1", "ff02::1", 58);
  packet.icmp_type = 135;
  CHECK(build_l3_packet(packet)[7] == 255);
  packet.icmp_type = 143;
  CHECK(build_l3_packet(packet)[7] == 1);
  packet.icmp_type = 128;
  CHECK(build_l3_packet(packet)[7] == 64);
}

TEST_CASE("an ICMP error quotes a packet that went the other way") {
  auto packet = query("10.0.0.1", "10.0.0.2", 1);
  packet.icmp_type = 3;
  const auto bytes = build_l3_packet(packet);
  REQUIRE(bytes.size() == 20 + 8 + 20 + 8);
  CHECK(bytes[28] == 0x45);
  CHECK(bytes[28 + 15] == 2);  // quoted source
  CHECK(bytes[28 + 19] == 1);  // quoted destination
  CHECK(internet_checksum(std::span(bytes).subspan(20)) == 0);
}
