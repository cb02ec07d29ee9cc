// IPv6 extension headers: walked with the right lengths, bounded, and never a way around the ports.
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <random>

#include "lab.h"

using namespace packet;
using namespace prog;

namespace {

enum class Kind { hop_by_hop, destination, routing2, routing4, fragment, authentication, mobility };
constexpr Kind kKinds[] = {Kind::hop_by_hop, Kind::destination, Kind::routing2, Kind::routing4,
                           Kind::fragment,   Kind::authentication, Kind::mobility};

Packet header(Kind kind, std::uint16_t length) {
  switch (kind) {
    case Kind::hop_by_hop: return Extension{.kind = 0, .length = length};
    case Kind::destination: return Extension{.kind = 60, .length = length};
    case Kind::routing2: return Extension{.kind = 43, .length = length, .routing_type = 2};
    case Kind::routing4: return Extension{.kind = 43, .length = length, .routing_type = 4};
    case Kind::fragment: return Fragment{};
    case Kind::authentication: return Extension{.kind = 51, .length = length};
    case Kind::mobility: return Extension{.kind = 135, .length = length};
  }
  return Fragment{};
}

struct Chosen {
  Kind kind;
  std::uint16_t length;
};

Bytes frame(const std::vector<Chosen>& chain, std::uint16_t port) {
  Packet packet = Ethernet{} / Ipv6{};
  for (const auto& link : chain) packet = packet / header(link.kind, link.length);
  return packet / Tcp{.destination = port};
}

// What RFC 8200 and our limits say, independent of the program.
std::uint32_t expected(const std::vector<Chosen>& chain, std::uint16_t port) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (chain[i].kind == Kind::hop_by_hop && i > 0) return NW_REASON_V6_EXT_LIMIT;
    bytes += chain[i].kind == Kind::fragment ? 8 : chain[i].length;
    if (bytes > NW_MAX_EXTENSION_BYTES) return NW_REASON_V6_EXT_LIMIT;
  }
  return port == 80 ? NW_REASON_POLICY : NW_REASON_TIER_DEFAULT;
}

void judge(Lab& lab, Hook hook, const std::vector<Chosen>& chain) {
  for (const std::uint16_t port : {80, 81}) {
    const auto reason = expected(chain, port);
    lab.forget_flows();
    CHECK(lab.send(hook, frame(chain, port)) == Outcome{reason == NW_REASON_POLICY, reason});
  }
}

}  // namespace

TEST_CASE("T-61 behind one extension header the ports are found", "[extension]") {
  Lab lab;
  for (const auto hook : kIngressHooks)
    for (const auto kind : kKinds)
      for (const std::uint16_t length : {8, 16, 40, 64}) judge(lab, hook, {{kind, length}});
}

TEST_CASE("T-62 behind every ordered pair of extension headers the ports are found", "[extension]") {
  Lab lab;
  for (const auto hook : kIngressHooks)
    for (const auto a : kKinds)
      for (const auto b : kKinds) judge(lab, hook, {{a, 16}, {b, 24}});
}

TEST_CASE("T-62 behind 200 random triples of extension headers of 8 to 64 bytes the ports are found", "[extension]") {
  const char* given = std::getenv("NODEWALL_SEED");
  const auto seed = given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  INFO("NODEWALL_SEED=" << seed);
  std::mt19937 random(seed);
  Lab lab;
  for (int round = 0; round < 200; ++round) {
    std::vector<Chosen> chain;
    for (int i = 0; i < 3; ++i) {
      const auto kind = kKinds[random() % std::size(kKinds)];
      chain.push_back({kind, static_cast<std::uint16_t>(8 * (1 + random() % 8))});
    }
    judge(lab, round % 2 == 0 ? Hook::xdp : Hook::tc_ingress, chain);
  }
}

TEST_CASE("T-61 an authentication header's length counts four bytes a unit", "[extension]") {
  Lab lab;
  for (const auto hook : kIngressHooks)
    for (const std::uint16_t length : {8, 12, 20, 24, 28, 44}) judge(lab, hook, {{Kind::authentication, length}});
}

TEST_CASE("T-63 too many or too long extension headers are dropped", "[extension]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    const auto chain = [](std::size_t count, std::uint16_t length) { return frame(std::vector<Chosen>(count, {Kind::destination, length}), 80); };
    lab.forget_flows();
    CHECK(lab.send(hook, chain(8, 8)) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, chain(9, 8)) == denied(NW_REASON_V6_EXT_LIMIT));
    CHECK(lab.send(hook, chain(20, 8)) == denied(NW_REASON_V6_EXT_LIMIT));
    lab.forget_flows();
    CHECK(lab.send(hook, chain(4, 64)) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, chain(4, 72)) == denied(NW_REASON_V6_EXT_LIMIT));
    CHECK(lab.send(hook, chain(1, 264)) == denied(NW_REASON_V6_EXT_LIMIT));
  }
}

TEST_CASE("T-64 a chain that ends inside a header is dropped", "[extension]") {
  Lab lab(allow_all());
  for (const auto hook : kIngressHooks) {
    for (const std::size_t bytes : {0, 1, 7, 8, 15})
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.next = 60} / Payload(first(Extension{.length = 16, .next = kTcp}, bytes))) ==
            denied(NW_REASON_SHORT));
    // It claims to be longer than the packet.
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Extension{.length = 8, .length_field = 20} / Tcp{}) == denied(NW_REASON_SHORT));
  }
}

TEST_CASE("T-64 a chain that leads behind the end of the packet is dropped, though the frame goes on there", "[extension]") {
  Lab lab(allow_all());
  for (const auto hook : kIngressHooks)
    for (const std::uint8_t kind : {0, 43, 51, 60, 135}) {
      CAPTURE(int{kind});
      // The header has 16 bytes, the packet ends behind 8 of them; what follows would be an allowed TCP header.
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.payload_length = 8} / Extension{.kind = kind, .length = 16} / Tcp{}) == denied(NW_REASON_SHORT));
    }
}

TEST_CASE("T-65 T-66 T-69 no next header, ESP and unknown headers are judged by protocol, without ports", "[extension]") {
  Lab lab;
  for (const auto hook : kIngressHooks)
    for (const std::uint8_t protocol : {59, 50, 253}) {
      CAPTURE(int{protocol});
      const Bytes frame = Ethernet{} / Ipv6{.next = protocol} / Payload(Packet(Tcp{}).bytes());
      CHECK(lab.send(hook, frame) == denied(NW_REASON_TIER_DEFAULT));
      lab.set_policy({.ingress = {{.protocol = protocol}}, .egress = {}});
      CHECK(lab.send(hook, frame) == allowed(NW_REASON_POLICY));
      lab.set_policy(standard_policy());
      lab.forget_flows();
    }
}

TEST_CASE("T-67 a hop-by-hop header that is not first is dropped", "[extension]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    CHECK(lab.send(hook, frame({{Kind::destination, 8}, {Kind::hop_by_hop, 8}}, 80)) == denied(NW_REASON_V6_EXT_LIMIT));
    CHECK(lab.send(hook, frame({{Kind::hop_by_hop, 8}, {Kind::hop_by_hop, 8}}, 80)) == denied(NW_REASON_V6_EXT_LIMIT));
  }
}

TEST_CASE("T-68 a type 0 routing header is dropped, behind other headers too", "[extension]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    const Extension routing{.kind = 43, .length = 24, .routing_type = 0};
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / routing / Tcp{}) == denied(NW_REASON_SOURCE_ROUTE));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Extension{.kind = 60} / routing / Tcp{}) == denied(NW_REASON_SOURCE_ROUTE));
  }
}
