// The programs against an independent reading of the same bytes (reference.h), at every hook.
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <iomanip>
#include <random>
#include <sstream>

#include "harness/random.h"
#include "lab.h"
#include "reference.h"
#include "samples.h"

using namespace packet;
using namespace prog;
using nodewall::test::Random;

namespace {

constexpr std::uint8_t kHeaders[] = {0, 43, 44, 51, 60, 135};

std::uint64_t chosen_seed() {
  const char* given = std::getenv("NODEWALL_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

std::string hex(const Bytes& bytes) {
  std::ostringstream text;
  for (const auto byte : bytes) text << std::hex << std::setw(2) << std::setfill('0') << int{byte};
  return text.str();
}

const std::vector<Sample>& samples_at(Hook hook) {
  static const auto in = samples(), out = samples_of_host();
  return hook == Hook::tc_egress ? out : in;
}

// A test run takes no frame without an Ethernet header, and at tc none that ends inside a fixed IP header.
bool can_run(Hook hook, const Bytes& frame) {
  if (hook == Hook::xdp) return frame.size() >= 14;
  const bool v4 = frame.size() > 13 && frame[12] == 8 && frame[13] == 0, v6 = frame.size() > 13 && frame[12] == 0x86 && frame[13] == 0xdd;
  return frame.size() > 14U + (v4 ? 20 : v6 ? 40 : 0);
}

class Judge {
 public:
  // True when something was compared.
  bool agrees(Hook hook, const Bytes& frame) {
    if (!can_run(hook, frame)) return false;
    const auto run = lab_.datapath().run(hook, frame, nw_interface{}, 1);
    INFO(name(hook) << " " << hex(frame));
    REQUIRE(run);
    const Outcome seen{run->return_code == (hook == Hook::xdp ? 2 : -1), run->reason};
    if (seen.allow) lab_.forget_flows();
    const auto wanted = reference(frame, hook);
    REQUIRE(seen == wanted);
    return true;
  }

 private:
  Lab lab_;
};

Packet header(std::uint8_t kind, std::uint16_t length) {
  if (kind == 44) return Fragment{};
  return Extension{.kind = kind, .length = length};
}

Bytes chained(Hook hook, const std::vector<Packet>& chain, std::uint16_t port) {
  Packet packet = Ethernet{} / (hook == Hook::tc_egress ? v6_from_host() : Ipv6{});
  for (const auto& link : chain) packet = packet / link;
  return packet / Tcp{.destination = port};
}

constexpr std::uint8_t kTelling[] = {0, 1, 2, 4, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 64, 127, 128, 132, 135, 136, 224, 255};

// One to four changes among the headers, now and then another length.
Bytes changed(Bytes frame, Random& random) {
  for (std::size_t left = random.between(1, 4); left > 0; --left) {
    auto& byte = frame[12 + random.below(std::min<std::size_t>(frame.size() - 12, 90))];
    if (random.percent(50)) byte = random.pick(kTelling);
    else if (random.percent(50)) byte = static_cast<std::uint8_t>(byte ^ 1U << random.below(8));
    else byte = static_cast<std::uint8_t>(random.next());
  }
  if (random.percent(10)) frame.resize(random.between(14, frame.size()));
  if (random.percent(5)) frame.resize(frame.size() + random.between(1, 64), 0x11);
  return frame;
}

}  // namespace

TEST_CASE("T-61 T-62 behind every ordered pair of extension headers of 8 to 64 bytes a packet is read as the RFCs have it, at every hook", "[shapes]") {
  Judge judge;
  for (const auto hook : kHooks)
    for (const auto a : kHeaders)
      for (const auto b : kHeaders)
        for (const std::uint16_t length : {8, 24, 64})
          for (const std::uint16_t port : {80, 81, 443}) {
            CHECK(judge.agrees(hook, chained(hook, {header(a, length)}, port)));
            CHECK(judge.agrees(hook, chained(hook, {header(a, length), header(b, 72 - length)}, port)));
          }
}

TEST_CASE("T-62 random chains of extension headers, whole or cut, are read as the RFCs have it, at every hook", "[shapes]") {
  const auto seed = chosen_seed();
  INFO("NODEWALL_SEED=" << seed);
  Random random(seed);
  Judge judge;
  for (int round = 0; round < 1000; ++round) {
    std::vector<Packet> chain;
    for (std::size_t left = random.between(3, 9); left > 0; --left) {
      const auto kind = random.pick(kHeaders);
      const auto length = static_cast<std::uint16_t>(8 * random.between(1, 8));
      if (kind == 44) chain.push_back(Fragment{.offset = static_cast<std::uint16_t>(random.percent(80) ? 0 : random.below(4)), .more = random.percent(20)});
      else chain.push_back(Extension{.kind = kind, .length = length, .routing_type = static_cast<std::uint8_t>(random.percent(90) ? 2 : 0)});
    }
    const std::uint16_t port = random.percent(50) ? 80 : 443;
    for (const auto hook : kHooks) {
      auto frame = chained(hook, chain, port);
      judge.agrees(hook, frame);
      frame.resize(random.between(54, frame.size()));
      const auto payload = frame.size() - 54;
      frame[18] = static_cast<std::uint8_t>(payload >> 8);
      frame[19] = static_cast<std::uint8_t>(payload);
      judge.agrees(hook, frame);
    }
  }
}

TEST_CASE("T-G4 every sample that is cut at any byte, alone or with its length, is read as the RFCs have it, at every hook", "[shapes]") {
  Judge judge;
  for (const auto hook : kHooks)
    for (const auto& sample : samples_at(hook))
      for (std::size_t bytes = 14; bytes <= sample.frame.size(); ++bytes) {
        CAPTURE(sample.what, bytes);
        Bytes frame(sample.frame.begin(), sample.frame.begin() + static_cast<std::ptrdiff_t>(bytes));
        judge.agrees(hook, frame);
        const bool v4 = sample.what[3] == '4';
        if (frame[12] == 0x88 || bytes < (v4 ? 34U : 54U)) continue;
        const auto length = bytes - (v4 ? 14 : 54), at = std::size_t{v4 ? 16U : 18U};
        frame[at] = static_cast<std::uint8_t>(length >> 8);
        frame[at + 1] = static_cast<std::uint8_t>(length);
        judge.agrees(hook, frame);
        judge.agrees(hook, padded(frame, 120, 0x50));
      }
}

TEST_CASE("T-G4 T-XD2 frames with changed bytes have the verdict of an independent reading, at XDP and at tc", "[shapes]") {
  const auto seed = chosen_seed();
  INFO("NODEWALL_SEED=" << seed);
  Random random(seed);
  Judge judge;
  int compared = 0;
  for (int round = 0; round < 20'000; ++round)
    for (const auto hook : kHooks) compared += judge.agrees(hook, changed(random.pick(samples_at(hook)).frame, random)) ? 1 : 0;
  CHECK(compared > 40'000);
}

TEST_CASE("T-41 T-42 T-43 T-45 T-46 T-64 T-65 T-66 T-67 T-68 T-69 T-F4 T-F5 T-F6 T-F8: at egress the host's own packets are read alike", "[shapes]") {
  Judge judge;
  const auto v4 = [](auto change) {
    auto header = v4_from_host();
    change(header);
    return header;
  };
  const auto v6 = [](auto change) {
    auto header = v6_from_host();
    change(header);
    return header;
  };
  const auto check = [&](const Bytes& frame, std::uint32_t reason) {
    CHECK(judge.agrees(Hook::tc_egress, frame));
    CHECK(reference(frame, Hook::tc_egress).reason == reason);
  };
  const Tcp tcp{.destination = 443};
  for (std::size_t length = 0; length <= 40; length += 4)
    check(Ethernet{} / v4([&](Ipv4& ip) { ip.options = Bytes(length, 1); }) / tcp, NW_REASON_POLICY);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.options = {7, 40, 4, 0}; }) / tcp, NW_REASON_MALFORMED);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.header_words = 4; }) / tcp, NW_REASON_MALFORMED);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.total_length = 41; }) / tcp, NW_REASON_SHORT);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.options = {137, 3, 4, 0}; }) / tcp, NW_REASON_SOURCE_ROUTE);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.version = 6; }) / tcp, NW_REASON_MALFORMED);
  check(Ethernet{} / v6([](Ipv6& ip) { ip.version = 4; }) / tcp, NW_REASON_MALFORMED);
  check(Ethernet{} / v6([](Ipv6& ip) { ip.next = 60; }) / Payload(7), NW_REASON_SHORT);
  for (const std::uint8_t protocol : {59, 50, 253})
    check(Ethernet{} / v6([&](Ipv6& ip) { ip.next = protocol; }) / Payload(bytes(tcp)), NW_REASON_TIER_DEFAULT);
  check(Ethernet{} / v6_from_host() / Extension{.kind = 60} / Extension{.kind = 0} / tcp, NW_REASON_V6_EXT_LIMIT);
  check(Ethernet{} / v6_from_host() / Extension{.kind = 43, .routing_type = 0} / tcp, NW_REASON_SOURCE_ROUTE);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.offset = 5, ip.protocol = kTcp; }) / Payload(bytes(tcp)), NW_REASON_FRAG_NO_FIRST);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.offset = 1, ip.protocol = kTcp; }) / Payload(bytes(tcp)), NW_REASON_FRAG_TINY);
  check(Ethernet{} / v4([](Ipv4& ip) { ip.more = true, ip.protocol = kTcp; }) / Payload(first(tcp, 16)), NW_REASON_FRAG_TINY);
  check(Ethernet{} / v6_from_host() / Fragment{.offset = 5, .next = kTcp} / Payload(bytes(tcp)), NW_REASON_FRAG_NO_FIRST);
  check(Ethernet{} / v6_from_host() / Fragment{.offset = 1, .next = kTcp} / Payload(bytes(tcp)), NW_REASON_FRAG_TINY);
  check(Ethernet{} / v6_from_host() / Fragment{.more = true, .next = 60} / Payload(first(Extension{.kind = 60, .length = 16, .next = kTcp} / tcp, 35)),
        NW_REASON_FRAG_TINY);
}
