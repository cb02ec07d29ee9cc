// Fragments: ports are read in first fragments only, and later ones go the way of their first.
#include <catch2/catch_test_macros.hpp>

#include "lab.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::uint32_t kEstablished = NW_REASON_ESTABLISHED, kNoFirst = NW_REASON_FRAG_NO_FIRST;

// Bytes that would be an allowed TCP header if anybody looked.
Bytes looks_allowed() { return bytes(Tcp{.destination = 80}); }

struct Family {
  const char* name;
  Bytes (*first)(std::uint32_t id, std::uint16_t port);  // of a TCP packet
  Bytes (*later)(std::uint32_t id, std::uint16_t offset, Bytes data);
};

const Family kFamilies[] = {
    {"IPv4",
     [](std::uint32_t id, std::uint16_t port) -> Bytes {
       return Ethernet{} / Ipv4{.id = static_cast<std::uint16_t>(id), .more = true} / Tcp{.destination = port} / Payload(20);
     },
     [](std::uint32_t id, std::uint16_t offset, Bytes data) -> Bytes {
       return Ethernet{} / Ipv4{.id = static_cast<std::uint16_t>(id), .offset = offset, .protocol = kTcp} / Payload(std::move(data));
     }},
    {"IPv6",
     [](std::uint32_t id, std::uint16_t port) -> Bytes {
       return Ethernet{} / Ipv6{} / Fragment{.more = true, .id = id} / Tcp{.destination = port} / Payload(20);
     },
     [](std::uint32_t id, std::uint16_t offset, Bytes data) -> Bytes {
       return Ethernet{} / Ipv6{} / Fragment{.offset = offset, .id = id, .next = kTcp} / Payload(std::move(data));
     }},
};

Bytes plain(const Family& family, std::uint16_t port) {
  if (family.name[3] == '4') return Ethernet{} / Ipv4{} / Tcp{.destination = port};
  return Ethernet{} / Ipv6{} / Tcp{.destination = port};
}

}  // namespace

TEST_CASE("T-F1 T-F2 an allowed first fragment opens one flow, and its later fragments pass", "[fragments]") {
  for (const auto hook : kIngressHooks)
    for (const auto& family : kFamilies) {
      CAPTURE(family.name);
      Lab lab;
      CHECK(lab.send(hook, family.first(7, 80)) == allowed(NW_REASON_POLICY));
      CHECK(lab.flows().size() == 1);
      CHECK(lab.send(hook, family.later(7, 5, Bytes(24, 1))) == allowed(kEstablished));
      CHECK(lab.send(hook, family.later(7, 8, Bytes(24, 1))) == allowed(kEstablished));
      CHECK(lab.flows().size() == 1);
    }
}

TEST_CASE("T-F3 T-F4 a later fragment without an allowed first is dropped, whatever its bytes look like", "[fragments]") {
  for (const auto hook : kIngressHooks)
    for (const auto& family : kFamilies) {
      CAPTURE(family.name);
      Lab lab;
      CHECK(lab.send(hook, family.later(7, 5, looks_allowed())) == denied(kNoFirst));
      CHECK(lab.send(hook, family.first(7, 81)) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(lab.send(hook, family.later(7, 5, looks_allowed())) == denied(kNoFirst));
      CHECK(lab.flows().empty());
    }
}

TEST_CASE("T-F3 T-F4 a fragment is a later one whichever bit of its offset is set", "[fragments]") {
  // What would be let in if it were taken for a whole packet.
  const Payload datagram(bytes(Udp{.destination = 53}));
  for (const auto hook : kIngressHooks) {
    Lab lab(allow_all());
    for (unsigned bit = 0; bit < 13; ++bit) {
      CAPTURE(bit);
      const auto offset = static_cast<std::uint16_t>(1U << bit);
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.offset = offset, .protocol = kUdp} / datagram) == denied(kNoFirst));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.more = true, .offset = offset, .protocol = kUdp} / datagram) == denied(kNoFirst));
      CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{.offset = offset, .next = kUdp} / datagram) == denied(kNoFirst));
      CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{.offset = offset, .more = true, .next = kUdp} / datagram) == denied(kNoFirst));
    }
    CHECK(lab.flows().empty());
  }
}

TEST_CASE("T-F3 the later fragments of another id, peer or direction are not let in", "[fragments]") {
  Lab lab(allow_all());
  for (const auto& family : kFamilies) {
    CHECK(lab.send(Hook::tc_ingress, family.first(7, 80)) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(Hook::tc_ingress, family.later(8, 5, Bytes(8, 1))) == denied(kNoFirst));
  }
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{.source = "10.0.0.8", .id = 7, .offset = 5, .protocol = kTcp} / Payload(8)) ==
        denied(kNoFirst));
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{.id = 7, .offset = 5, .protocol = kUdp} / Payload(8)) == denied(kNoFirst));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / Ipv4{.id = 7, .offset = 5, .protocol = kTcp} / Payload(8)) == denied(kNoFirst));
}

TEST_CASE("T-F1 T-F2 T-F3 fragments of the host's own packets at egress", "[fragments]") {
  Lab lab;
  const auto later = [](std::uint16_t id) -> Bytes {
    auto header = v4_from_host();
    header.id = id;
    header.offset = 4;
    header.protocol = kUdp;
    return Ethernet{} / header / Payload(24);
  };
  auto header = v4_from_host();
  header.id = 3;
  header.more = true;
  CHECK(lab.send(Hook::tc_egress, later(3)) == denied(kNoFirst));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / header / Udp{.destination = 53} / Payload(24)) == allowed(NW_REASON_POLICY));
  CHECK(lab.send(Hook::tc_egress, later(3)) == allowed(kEstablished));
  CHECK(lab.send(Hook::tc_egress, later(4)) == denied(kNoFirst));
}

TEST_CASE("T-F5 a first fragment without the whole transport header is dropped", "[fragments]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(allow_all());
    for (const std::size_t bytes : {0, 4, 8, 16, 19}) {
      CAPTURE(bytes);
      const Payload part(first(Tcp{}, bytes));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.more = true, .protocol = kTcp} / part) == denied(NW_REASON_FRAG_TINY));
      CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{.more = true, .next = kTcp} / part) == denied(NW_REASON_FRAG_TINY));
    }
    for (const std::uint8_t protocol : {kUdp, kSctp, std::uint8_t{136}}) {
      const Payload part(first(Udp{}, 7));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.more = true, .protocol = protocol} / part) == denied(NW_REASON_FRAG_TINY));
      CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{.more = true, .next = protocol} / part) == denied(NW_REASON_FRAG_TINY));
    }
    CHECK(lab.flows().empty());
  }
}

TEST_CASE("T-F5 T-F6 a TCP fragment at offset 8 is dropped though its first fragment was allowed", "[fragments]") {
  for (const auto hook : kIngressHooks)
    for (const auto& family : kFamilies) {
      Lab lab;
      CHECK(lab.send(hook, family.first(7, 80)) == allowed(NW_REASON_POLICY));
      CHECK(lab.send(hook, family.later(7, 1, Bytes(16, 0x02))) == denied(NW_REASON_FRAG_TINY));
    }
}

TEST_CASE("T-F6 T-F10 a second first fragment is judged by itself and takes the permission away", "[fragments]") {
  for (const auto hook : kIngressHooks)
    for (const auto& family : kFamilies) {
      Lab lab;
      CHECK(lab.send(hook, family.first(7, 80)) == allowed(NW_REASON_POLICY));
      CHECK(lab.send(hook, family.first(7, 81)) == denied(NW_REASON_TIER_DEFAULT));
      CHECK(lab.send(hook, family.later(7, 5, Bytes(24, 1))) == denied(kNoFirst));
    }
}

TEST_CASE("T-F7 an IPv6 atomic fragment is a packet like any other", "[fragments]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{} / Tcp{.destination = 80}) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{} / Tcp{.destination = 81}) == denied(NW_REASON_TIER_DEFAULT));
    // It permits no fragments of its id.
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{.offset = 4, .next = kTcp} / Payload(8)) == denied(kNoFirst));
  }
}

TEST_CASE("T-F8 an IPv6 first fragment must hold the whole header chain", "[fragments]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(allow_all());
    const auto chain = [](std::size_t bytes) -> Bytes {
      return Ethernet{} / Ipv6{} / Fragment{.more = true, .next = 60} / Payload(first(Extension{.kind = 60, .length = 16, .next = kTcp} / Tcp{}, bytes));
    };
    for (const std::size_t bytes : {0, 7, 8, 15, 16, 35}) {
      CAPTURE(bytes);
      CHECK(lab.send(hook, chain(bytes)) == denied(NW_REASON_FRAG_TINY));
    }
    CHECK(lab.send(hook, chain(36)) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, Ethernet{} / Ipv6{} / Fragment{.more = true} / Fragment{.more = true} / Tcp{}) ==
          denied(NW_REASON_V6_EXT_LIMIT));
  }
}

TEST_CASE("T-F9 a flood of fragment ids is bounded and moves no established flow", "[fragments]") {
  Lab lab;
  const auto flow = [&] { return lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Tcp{.source = 5000, .flags = kAck}); };
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Tcp{.source = 5000}) == allowed(NW_REASON_POLICY));
  CHECK(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Tcp{.source = 80, .destination = 5000, .flags = kSyn | kAck}) ==
        allowed(kEstablished));
  CHECK(flow() == allowed(kEstablished));
  auto& datapath = lab.datapath();
  for (std::uint32_t id = 0; id < 20'000; ++id) {
    const auto run = datapath.run(Hook::tc_ingress, kFamilies[1].first(id, 80), nw_interface{}, 1);
    REQUIRE(run);
    REQUIRE(run->return_code == -1);
  }
  CHECK(flow() == allowed(kEstablished));
  // The oldest are forgotten, the newest are not.
  CHECK(lab.send(Hook::tc_ingress, kFamilies[1].later(0, 5, Bytes(8, 1))) == denied(kNoFirst));
  CHECK(lab.send(Hook::tc_ingress, kFamilies[1].later(19'999, 5, Bytes(8, 1))) == allowed(kEstablished));
}

TEST_CASE("T-F10 the permission of a first fragment ends after its time", "[fragments]") {
  Lab lab;
  for (const auto& family : kFamilies) {
    CHECK(lab.send(Hook::tc_ingress, family.first(7, 80)) == allowed(NW_REASON_POLICY));
    lab.pass_time(29 * kSecond);
    CHECK(lab.send(Hook::tc_ingress, family.later(7, 5, Bytes(8, 1))) == allowed(kEstablished));
    lab.pass_time(2 * kSecond);
    CHECK(lab.send(Hook::tc_ingress, family.later(7, 5, Bytes(8, 1))) == denied(kNoFirst));
  }
}

TEST_CASE("T-F4 fragments of an unknown flow leave plain packets of it to policy", "[fragments]") {
  for (const auto& family : kFamilies) {
    Lab lab;
    CHECK(lab.send(Hook::tc_ingress, family.first(7, 80)) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(Hook::tc_ingress, plain(family, 81)) == denied(NW_REASON_TIER_DEFAULT));
  }
}
