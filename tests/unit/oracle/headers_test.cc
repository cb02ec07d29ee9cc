// What is decided before policy is asked: the same reasons as the program's.
#include <catch2/catch_test_macros.hpp>

#include "../resolve/node.h"
#include "oracle/oracle.h"

using namespace nodewall;
using namespace nodewall::testing;

namespace {

// eth0 and lo are open: whatever is denied is denied before policy.
resolve::Resolved open_node() {
  Node node;
  node.hep("eth0", "eth0", {"projectcalico-default-allow"});
  node.hep("lo", "lo", {"projectcalico-default-allow"});
  return node.resolve();
}

std::uint32_t reason(const resolve::PacketQuery& packet) {
  static const auto resolved = open_node();
  return oracle::judge(resolved, packet).reason;
}

resolve::PacketQuery between(std::string_view source, std::string_view destination) {
  auto packet = tcp(80, source);
  packet.destination = ip(destination);
  return packet;
}

resolve::PacketQuery icmp(std::uint8_t type, std::uint8_t code = 0, std::string_view source = "10.0.0.1") {
  auto packet = tcp(0, source);
  packet.protocol = packet.source.family == Family::v4 ? 1 : 58;
  packet.source_port = 0;
  packet.icmp_type = type;
  packet.icmp_code = code;
  return packet;
}

}  // namespace

TEST_CASE("an address that cannot come over the wire is martian at ingress and not on loopback") {
  for (const auto* source : {"127.0.0.1", "0.0.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255"})
    CHECK(reason(between(source, "10.0.0.2")) == NW_REASON_MARTIAN);
  for (const auto* destination : {"127.0.0.1", "0.0.0.0", "0.1.2.3"})
    CHECK(reason(between("10.0.0.1", destination)) == NW_REASON_MARTIAN);
  CHECK(reason(between("ff02::1", "2001:db8::2")) == NW_REASON_MARTIAN);
  CHECK(reason(between("::1", "2001:db8::2")) == NW_REASON_MARTIAN);
  CHECK(reason(between("2001:db8::1", "::1")) == NW_REASON_MARTIAN);
  CHECK(reason(between("2001:db8::1", "::")) == NW_REASON_MARTIAN);
  CHECK(reason(between("0.0.0.0", "10.0.0.2")) == NW_REASON_PROFILE);  // a DHCP client
  CHECK(reason(leaving(between("127.0.0.1", "10.0.0.2"))) == NW_REASON_PROFILE);
  auto loopback = between("127.0.0.1", "127.0.0.53");
  loopback.interface = "lo";
  CHECK(reason(loopback) == NW_REASON_PROFILE);
}

TEST_CASE("an IPv4-mapped address is dropped in both directions, at either end") {
  auto packet = between("2001:db8::1", "2001:db8::2");
  packet.source = ip("10.0.0.1");
  packet.source.family = Family::v6;
  CHECK(reason(packet) == NW_REASON_V4_MAPPED);
  CHECK(reason(leaving(packet)) == NW_REASON_V4_MAPPED);
}

TEST_CASE("own, broadcast and multicast destinations are the host's, others are forwarded") {
  for (const auto* own : {"10.0.0.2", "192.168.1.2", "10.0.0.255", "192.168.1.255", "255.255.255.255", "224.0.0.251"})
    CHECK(reason(between("10.0.0.1", own)) == NW_REASON_PROFILE);
  CHECK(reason(between("2001:db8::1", "ff02::fb")) == NW_REASON_PROFILE);
  CHECK(reason(between("10.0.0.1", "10.0.0.3")) == NW_REASON_FORWARDED);
  CHECK(reason(between("2001:db8::1", "2001:db8::3")) == NW_REASON_FORWARDED);
}

TEST_CASE("impossible TCP flags are dropped") {
  for (const int flags : {0x00, 0x03, 0x06, 0x07, 0x29, 0x2b, 0x3f, 0xc0}) {
    auto packet = tcp(80);
    packet.tcp_flags = static_cast<std::uint8_t>(flags);
    CAPTURE(flags);
    CHECK(reason(packet) == NW_REASON_TCP_FLAGS);
    packet.protocol = 17;
    CHECK(reason(packet) == NW_REASON_PROFILE);
  }
  for (const int flags : {0x02, 0x12, 0x10, 0x11, 0x14, 0x18, 0x39, 0x01, 0x04}) {
    auto packet = tcp(80);
    packet.tcp_flags = static_cast<std::uint8_t>(flags);
    CAPTURE(flags);
    CHECK(reason(packet) == NW_REASON_PROFILE);
  }
}

TEST_CASE("neighbour discovery passes when well formed, without policy") {
  for (const int type : {130, 131, 132, 133, 134, 135, 136, 143})
    CHECK(reason(icmp(static_cast<std::uint8_t>(type), 0, "2001:db8::1")) == NW_REASON_NEIGHBOUR);
  CHECK(reason(icmp(135, 1, "2001:db8::1")) == NW_REASON_NEIGHBOUR_MALFORMED);
  CHECK(reason(icmp(137, 0, "2001:db8::1")) == NW_REASON_PROFILE);
  CHECK(reason(icmp(135)) == NW_REASON_PROFILE);  // IPv4: some other ICMP
}

TEST_CASE("an ICMP error about no flow is dropped whatever policy says, unless it leaves for forwarded traffic") {
  for (const int type : {3, 4, 5, 11, 12}) CHECK(reason(icmp(static_cast<std::uint8_t>(type))) == NW_REASON_ICMP_UNRELATED);
  for (const int type : {1, 2, 3, 4})
    CHECK(reason(icmp(static_cast<std::uint8_t>(type), 0, "2001:db8::1")) == NW_REASON_ICMP_UNRELATED);
  CHECK(reason(icmp(8)) == NW_REASON_PROFILE);
  CHECK(reason(leaving(icmp(3))) == NW_REASON_ICMP_UNRELATED);
  auto about_others = leaving(icmp(3));
  about_others.source = ip("10.0.0.99");
  CHECK(reason(about_others) == NW_REASON_FORWARDED);
}

TEST_CASE("an IPv6 packet that ends in an extension header is dropped, the same number in IPv4 is a protocol") {
  for (const int number : {0, 44, 51, 60, 135}) {
    auto packet = tcp(0, "2001:db8::1");
    packet.protocol = static_cast<std::uint8_t>(number);
    CHECK(reason(packet) == NW_REASON_V6_EXT_LIMIT);
  }
  auto routing = tcp(0, "2001:db8::1");
  routing.protocol = 43;
  CHECK(reason(routing) == NW_REASON_SOURCE_ROUTE);
  routing = tcp(0);
  routing.protocol = 43;
  CHECK(reason(routing) == NW_REASON_PROFILE);
}

TEST_CASE("a reason has the name that the table of reasons gives it") {
  CHECK(resolve::reason_name(NW_REASON_POLICY) == "policy");
  CHECK(resolve::reason_name(NW_REASON_FAULT_MAP) == "fault_map");
  CHECK(resolve::reason_name(NW_REASON_NONE) == "unknown");
  CHECK(resolve::reason_name(NW_REASON_COUNT) == "unknown");
}
