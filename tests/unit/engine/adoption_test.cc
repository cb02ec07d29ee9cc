#include "engine/adoption.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "base/fd.h"

using nodewall::parse_address;
using nodewall::engine::conntrack_seed;
using nodewall::engine::OpenFlow;
using nodewall::engine::parse_socket_table;

namespace {

constexpr std::string_view kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   1: 0200000A:0016 0100000A:C350 01 00000000:00000000 00:00000000 00000000     0\n"
    "   2: 0200000A:8235 0100000A:01BB 01 00000000:00000000 00:00000000 00000000     0\n"
    "   3: 0200000A:8236 0100000A:01BB 06 00000000:00000000 00:00000000 00000000     0\n"
    "   4: 0200000A:8237 0100000A:01BB 02 00000000:00000000 00:00000000 00000000     0\n";

OpenFlow flow(bool from_host) {
  return {.local = *parse_address("10.0.0.2"),
          .remote = *parse_address("10.0.0.1"),
          .local_port = 40000,
          .remote_port = 443,
          .protocol = 6,
          .from_host = from_host};
}

}  // namespace

TEST_CASE("a connection to a listening port was begun from outside, any other by the host") {
  const auto flows = parse_socket_table(kTcp, 6);
  REQUIRE(flows.size() == 3);
  CHECK(to_string(flows[0].local) == "10.0.0.2");
  CHECK(flows[0].local_port == 22);
  CHECK(flows[0].remote_port == 50000);
  CHECK_FALSE(flows[0].from_host);
  CHECK(flows[1].remote_port == 443);
  CHECK(flows[1].from_host);
}

TEST_CASE("a connection attempt of the host is adopted, a closed connection is not") {
  const auto flows = parse_socket_table(kTcp, 6);
  REQUIRE(flows.size() == 3);
  CHECK(flows[2].local_port == 0x8237);
  CHECK(flows[2].from_host);
}

TEST_CASE("a connection attempt from a port that the host listens on too is the host's") {
  const auto flows = parse_socket_table("   0: 00000000:00B3 00000000:0000 0A 0\n   1: 0200000A:00B3 0100000A:00B3 02 0\n", 6);
  REQUIRE(flows.size() == 1);
  CHECK(flows[0].from_host);
}

TEST_CASE("an IPv4 connection of an IPv6 socket is an IPv4 flow") {
  const auto flows = parse_socket_table(
      "   1: 0000000000000000FFFF00000200000A:0050 0000000000000000FFFF00000100000A:C350 01 0\n"
      "   2: 000000FD000000000000000002000000:8235 000000FD000000000000000001000000:01BB 01 0\n",
      6);
  REQUIRE(flows.size() == 2);
  CHECK(to_string(flows[0].local) == "10.0.0.2");
  CHECK(flows[0].local.family == nodewall::Family::v4);
  CHECK(flows[1].local.family == nodewall::Family::v6);
}

TEST_CASE("a listener on another address does not make a connection one from outside") {
  const auto flows = parse_socket_table(
      "   0: 0100007F:8235 00000000:0000 0A 0\n   1: 0200000A:8235 0100000A:01BB 01 0\n", 6);
  REQUIRE(flows.size() == 1);
  CHECK(flows[0].from_host);
}

TEST_CASE("lines of a socket table that are not understood are skipped") {
  CHECK(parse_socket_table("", 6).empty());
  CHECK(parse_socket_table("junk\n 1: zz:1 00:2 01\n 2: 0200000A:99999 0100000A:1 01\n", 6).empty());
}

TEST_CASE("an unconnected UDP socket is a listener and no flow") {
  const auto flows = parse_socket_table(
      "   0: 00000000:0035 00000000:0000 07 0\n   1: 0200000A:0035 0100000A:C350 01 0\n"
      "   2: 0200000A:9000 0100000A:0035 01 0\n",
      17);
  REQUIRE(flows.size() == 2);
  CHECK_FALSE(flows[0].from_host);
  CHECK(flows[1].from_host);
}

TEST_CASE("an adopted flow's key has the lower end first, and knows who began it") {
  const auto from_host = conntrack_seed(flow(true), 7ULL << NW_CT_TICK_SHIFT, 3, 5);
  CHECK(from_host.key.a.bytes[15] == 1);  // 10.0.0.1, the remote
  CHECK(from_host.key.b.bytes[15] == 2);
  CHECK(from_host.key.port_a_be == __builtin_bswap16(443));
  CHECK(from_host.key.port_b_be == __builtin_bswap16(40000));
  CHECK(from_host.entry.generation == 3);
  CHECK(from_host.entry.ifindex == 5);
  CHECK(from_host.entry.created == 7);
  CHECK(from_host.entry.flags == (NW_CT_REPLIED | NW_CT_ADOPTED | NW_CT_FROM_HOST));
  const auto from_outside = conntrack_seed(flow(false), 7, 3, 5);
  CHECK(from_outside.entry.flags == (NW_CT_REPLIED | NW_CT_ADOPTED | NW_CT_A_IS_SOURCE));
  for (const bool begun_by_host : {true, false}) {
    auto local_first = flow(begun_by_host);
    local_first.remote = *parse_address("10.0.0.9");
    const auto seed = conntrack_seed(local_first, 7, 3, 5);
    CHECK(seed.key.a.bytes[15] == 2);
    CHECK(seed.key.port_a_be == __builtin_bswap16(40000));
    CHECK(((seed.entry.flags & NW_CT_A_IS_SOURCE) != 0) == begun_by_host);
  }
}

TEST_CASE("flows of the host to itself are not adopted") {
  const nodewall::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listener.get(), generic, size) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  REQUIRE(::getsockname(listener.get(), generic, &size) == 0);
  const nodewall::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client.get(), generic, size) == 0);
  const auto port = ntohs(address.sin_port);
  const auto flows = nodewall::engine::open_flows();
  REQUIRE(flows);
  CHECK(std::ranges::none_of(*flows, [&](const auto& it) { return it.local_port == port || it.remote_port == port; }));
}
