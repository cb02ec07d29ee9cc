// Headers that contradict themselves or the frame.
#include <catch2/catch_test_macros.hpp>

#include "lab.h"
#include "samples.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::size_t kEthernet = 14;

}  // namespace

TEST_CASE("T-G4 a frame that is cut at any byte is dropped with a reason that says so", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kIngressHooks)
    for (const auto& sample : samples())
      // A test run takes no less than an Ethernet header, and at tc an IP header; wire_test.cc has the shorter ones.
      for (std::size_t bytes = kEthernet + (hook == Hook::xdp ? 0 : sample.what[3] == '4' ? 20 : 40); bytes < sample.frame.size(); ++bytes) {
        CAPTURE(sample.what, bytes);
        const auto outcome = lab.send(hook, Bytes(sample.frame.begin(), sample.frame.begin() + static_cast<std::ptrdiff_t>(bytes)));
        CHECK(outcome == denied(NW_REASON_SHORT));
        CHECK(lab.flows().empty());
      }
}

TEST_CASE("T-G4 a packet whose length was cut with it is dropped until its headers are whole", "[malformed]") {
  for (const auto hook : kIngressHooks) {
    Lab lab(allow_all());
    const Bytes tcp = bytes(Tcp{});
    for (std::size_t length = 0; length <= tcp.size(); ++length) {
      CAPTURE(length);
      const Payload part(Bytes(tcp.begin(), tcp.begin() + static_cast<std::ptrdiff_t>(length)));
      const auto wanted = length < tcp.size() ? denied(NW_REASON_SHORT) : allowed(NW_REASON_POLICY);
      lab.forget_flows();
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.protocol = kTcp} / part) == wanted);
      lab.forget_flows();
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.next = kTcp} / part) == wanted);
      // Padding of the frame makes it no longer.
      lab.forget_flows();
      CHECK(lab.send(hook, padded(Ethernet{} / Ipv4{.protocol = kTcp} / part, 100, 0x50)) == wanted);
      lab.forget_flows();
      CHECK(lab.send(hook, padded(Ethernet{} / Ipv6{.next = kTcp} / part, 120, 0x50)) == wanted);
    }
  }
}

TEST_CASE("T-41 ports are read behind options of every length", "[malformed]") {
  for (const auto hook : kIngressHooks)
    for (std::size_t bytes = 0; bytes <= 40; bytes += 4) {
      CAPTURE(bytes);
      Lab lab;
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = Bytes(bytes, 1)} / Tcp{.destination = 80}) == allowed(NW_REASON_POLICY));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = Bytes(bytes, 1)} / Tcp{.destination = 81}) ==
            denied(NW_REASON_TIER_DEFAULT));
      if (bytes < 4) continue;
      Bytes record_route(bytes, 0);
      record_route[0] = 7;
      record_route[1] = static_cast<std::uint8_t>(bytes - 1);
      record_route[2] = 4;
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = record_route} / Udp{.destination = 53}) == allowed(NW_REASON_POLICY));
    }
}

TEST_CASE("T-41 options that run over the header are malformed", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks)
    for (const Bytes& options : {Bytes{7, 40, 4, 0}, Bytes{7, 0, 0, 0}, Bytes{7, 1, 0, 0}, Bytes{1, 1, 1, 7}}) {
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = options} / Tcp{}) == denied(NW_REASON_MALFORMED));
    }
}

TEST_CASE("T-42 an IPv4 header shorter than 20 bytes is malformed", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks)
    for (std::uint8_t words = 0; words < 5; ++words)
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.header_words = words} / Tcp{}) == denied(NW_REASON_MALFORMED));
}

TEST_CASE("T-42 a header length beyond the packet is dropped", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks)
    CHECK_FALSE(lab.send(hook, Ethernet{} / Ipv4{.header_words = 15} / Payload(8)).allow);
}

TEST_CASE("T-43 a total length below the header or beyond the frame is dropped", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    for (const std::uint16_t length : {0, 1, 19})
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.total_length = length} / Tcp{}) == denied(NW_REASON_MALFORMED));
    for (const std::uint16_t length : {41, 1500, 65535})
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.total_length = length} / Tcp{}) == denied(NW_REASON_SHORT));
    CHECK(lab.send(hook, Ethernet{} / Ipv4{.total_length = 39} / Tcp{}) == denied(NW_REASON_SHORT));
    for (const std::uint16_t length : {21, 65535})
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.payload_length = length} / Tcp{}) == denied(NW_REASON_SHORT));
    for (const std::uint16_t length : {0, 19})
      CHECK(lab.send(hook, Ethernet{} / Ipv6{.payload_length = length} / Tcp{}) == denied(NW_REASON_SHORT));
  }
}

TEST_CASE("T-44 Ethernet padding is not part of the packet", "[malformed]") {
  for (const auto hook : kIngressHooks) {
    Lab lab;
    CHECK(lab.send(hook, padded(Ethernet{} / Ipv4{} / Tcp{}, 60)) == allowed(NW_REASON_POLICY));
    CHECK(lab.send(hook, padded(Ethernet{} / Ipv4{} / Tcp{.destination = 81}, 60)) == denied(NW_REASON_TIER_DEFAULT));
    // The ports of an allowed packet stand in the padding only.
    const Bytes empty = Ethernet{} / Ipv4{.protocol = kUdp} / Payload(Bytes{});
    Bytes frame = empty;
    const auto ports = bytes(Udp{.destination = 53});
    frame.insert(frame.end(), ports.begin(), ports.end());
    CHECK(lab.send(hook, padded(frame, 60)) == denied(NW_REASON_SHORT));
  }
}

TEST_CASE("T-45 source routes are dropped, wherever in the options", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks)
    for (const std::uint8_t option : {131, 137}) {
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = {option, 7, 4, 10, 0, 0, 7, 0}} / Tcp{}) == denied(NW_REASON_SOURCE_ROUTE));
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = {1, 7, 3, 4, 1, option, 3, 4}} / Tcp{}) == denied(NW_REASON_SOURCE_ROUTE));
      // Behind the end of the list, or inside another option, it is no option.
      lab.forget_flows();
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = {0, option, 3, 4}} / Tcp{}) == allowed(NW_REASON_POLICY));
      lab.forget_flows();
      CHECK(lab.send(hook, Ethernet{} / Ipv4{.options = {148, 4, option, 3}} / Tcp{}) == allowed(NW_REASON_POLICY));
    }
}

TEST_CASE("T-46 a version that is not the frame's type is malformed", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks)
    for (std::uint8_t version = 0; version < 16; ++version) {
      if (version != 4) CHECK(lab.send(hook, Ethernet{} / Ipv4{.version = version} / Tcp{}) == denied(NW_REASON_MALFORMED));
      if (version != 6) CHECK(lab.send(hook, Ethernet{} / Ipv6{.version = version} / Tcp{}) == denied(NW_REASON_MALFORMED));
    }
}

TEST_CASE("T-46 a TCP header length that cannot be is dropped", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks) {
    for (std::uint8_t words = 0; words < 5; ++words) {
      Bytes frame = Ethernet{} / Ipv4{} / Tcp{};
      frame[14 + 20 + 12] = static_cast<std::uint8_t>(words << 4);
      CHECK(lab.send(hook, frame) == denied(NW_REASON_MALFORMED));
    }
    Bytes frame = Ethernet{} / Ipv4{} / Tcp{};
    frame[14 + 20 + 12] = 15 << 4;
    CHECK(lab.send(hook, frame) == denied(NW_REASON_SHORT));
    lab.forget_flows();
    CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.header_words = 15}) == allowed(NW_REASON_POLICY));
  }
}

TEST_CASE("T-C6 combinations of TCP flags that cannot be are dropped", "[malformed]") {
  Lab lab(allow_all());
  for (const auto hook : kHooks)
    for (unsigned flags = 0; flags < 64; ++flags) {
      CAPTURE(flags);
      const bool syn = (flags & kSyn) != 0, fin = (flags & kFin) != 0, rst = (flags & kRst) != 0;
      const bool christmas = fin && (flags & kPsh) != 0 && (flags & kUrg) != 0 && (flags & kAck) == 0;
      const bool impossible = flags == 0 || (syn && (fin || rst)) || christmas;
      lab.forget_flows();
      CHECK(lab.send(hook, Ethernet{} / Ipv4{} / Tcp{.flags = static_cast<std::uint8_t>(flags)}) ==
            (impossible ? denied(NW_REASON_TCP_FLAGS) : allowed(NW_REASON_POLICY)));
    }
}

TEST_CASE("T-G1 a packet of several segments has one verdict and counts as its segments", "[malformed]") {
  Lab lab;
  for (const auto hook : {Hook::tc_ingress, Hook::tc_egress}) {
    const bool out = hook == Hook::tc_egress;
    const Bytes frame = out ? bytes(Ethernet{} / v4_from_host() / Tcp{.destination = 443} / Payload(1200))
                            : bytes(Ethernet{} / Ipv4{} / Tcp{.destination = 80} / Payload(1200));
    // send() compares the counters with the segments.
    CHECK(lab.send(hook, frame, {.segments = 44}) == allowed(NW_REASON_POLICY));
    const Bytes closed = out ? bytes(Ethernet{} / v4_from_host() / Tcp{.destination = 444} / Payload(1200))
                             : bytes(Ethernet{} / Ipv4{} / Tcp{.destination = 81} / Payload(1200));
    CHECK(lab.send(hook, closed, {.segments = 7}) == denied(NW_REASON_TIER_DEFAULT));
  }
}

TEST_CASE("T-G1 merged packets above 64 KB have length 0; others may not", "[malformed]") {
  Lab lab;
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{.total_length = 0} / Tcp{} / Payload(100), {.segments = 50}) ==
        allowed(NW_REASON_POLICY));
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{.total_length = 0} / Tcp{.source = 2} / Payload(100), {.segments = 1}) ==
        denied(NW_REASON_MALFORMED));
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv6{.payload_length = 0} / Tcp{} / Payload(100), {.segments = 50}) ==
        allowed(NW_REASON_POLICY));
}

TEST_CASE("T-G5 a wrong checksum changes no verdict, and a reset with one ends nothing", "[malformed]") {
  const auto spoilt = [](Bytes frame, std::size_t at) {
    frame[at] ^= 0x5a;
    return frame;
  };
  constexpr std::size_t kIpSum = 14 + 10, kTcpSum4 = 14 + 20 + 16, kTcpSum6 = 14 + 40 + 16;
  for (const auto hook : kIngressHooks) {
    Lab lab;
    for (const auto& [port, wanted] : {std::pair{80, allowed(NW_REASON_POLICY)}, std::pair{81, denied(NW_REASON_TIER_DEFAULT)}}) {
      const Tcp tcp{.source = 5000, .destination = static_cast<std::uint16_t>(port)};
      for (const auto at : {kIpSum, kTcpSum4}) {
        CHECK(lab.send(hook, spoilt(Ethernet{} / Ipv4{} / tcp, at)) == wanted);
        lab.forget_flows();
      }
      CHECK(lab.send(hook, spoilt(Ethernet{} / Ipv6{} / tcp, kTcpSum6)) == wanted);
      lab.forget_flows();
    }
    const auto from_peer = [](std::uint8_t flags) -> Bytes { return Ethernet{} / Ipv4{} / Tcp{.source = 5000, .destination = 80, .flags = flags}; };
    REQUIRE(lab.send(hook, from_peer(kSyn)) == allowed(NW_REASON_POLICY));
    REQUIRE(lab.send(Hook::tc_egress, Ethernet{} / v4_from_host() / Tcp{.source = 80, .destination = 5000, .flags = kSyn | kAck}) ==
            allowed(NW_REASON_ESTABLISHED));
    REQUIRE(lab.send(hook, from_peer(kAck)) == allowed(NW_REASON_ESTABLISHED));
    // The host will not believe it. Traffic takes the mark away again.
    CHECK(lab.send(hook, spoilt(from_peer(kRst), kTcpSum4)) == allowed(NW_REASON_ESTABLISHED));
    CHECK(lab.send(hook, from_peer(kAck)) == allowed(NW_REASON_ESTABLISHED));
    lab.pass_time(kSettings.reset_seen_ns + kSecond);
    CHECK(lab.send(hook, from_peer(kAck)) == allowed(NW_REASON_ESTABLISHED));
  }
}
