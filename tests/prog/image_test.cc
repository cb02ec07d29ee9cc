// An image in several parts and in either bank (maps/policy.h), rule counters in several parts, and the caches before the tables of
// interfaces and addresses (maps/endpoint.h).
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <set>

#include "compile/image_reader.h"
#include "harness/random.h"
#include "lab.h"

using namespace packet;
using namespace prog;
using nodewall::test::Random;

namespace {

constexpr std::uint32_t kPolicy = NW_REASON_POLICY, kDefault = NW_REASON_TIER_DEFAULT;

nodewall::Address v4(std::uint32_t number) {
  return *nodewall::parse_address(std::to_string(number >> 24) + "." + std::to_string(number >> 16 & 255) + "." +
                                  std::to_string(number >> 8 & 255) + "." + std::to_string(number & 255));
}

// Another address with the line of the cache that the host's own one has.
std::string beside_own_address() {
  const auto line = [](const nodewall::Address& address) { return nodewall::kernel::local_line(address); };
  std::uint32_t other = 0x0a010001;
  while (line(v4(other)) != line(v4(0x0a000001))) ++other;
  return to_string(v4(other));
}

// Scattered, so that most have a line of their own: the diagrams, which stand behind them, are in a later part of the image.
const std::set<std::uint32_t>& peers() {
  static const auto made = [] {
    std::set<std::uint32_t> numbers;
    for (Random random(7); numbers.size() < 200'000;)
      numbers.insert(static_cast<std::uint32_t>(11U << 24) + static_cast<std::uint32_t>(random.below(100U << 24)));
    return numbers;
  }();
  return made;
}

// Who is in the networks may use one port; nobody else may anything.
std::vector<nw_line> image_for(std::vector<nodewall::Cidr> members, std::uint16_t port) {
  using namespace nodewall;
  resolve::Resolved resolved;
  resolved.sets.push_back({.members = std::move(members)});
  resolve::ResolvedRule rule;
  rule.action = model::Action::Allow;
  rule.protocols.set(kTcp);
  rule.source.in = {0};
  rule.destination.ports = {{port, port}};
  resolve::ResolvedTier tier;
  tier.name = "default";
  tier.rules.push_back(rule);
  resolved.endpoints.push_back({.host_endpoint = "host", .chains = {}, .staged = {}, .policies = {}, .staged_policies = {}, .profiles = {}});
  for (const auto chain : {NW_CHAIN_INGRESS, NW_CHAIN_EGRESS}) resolved.endpoints.back().chains[chain].tiers.push_back(tier);
  auto image = compile::compile(resolved, compile::assign_slots({}, resolved));
  if (!image) FAIL(image.error().message());
  return std::move(image->lines);
}

std::vector<nw_line> image_for(std::uint16_t port) {
  std::vector<nodewall::Cidr> members;
  for (const auto number : peers()) members.push_back({.address = v4(number), .prefix = 32});
  return image_for(std::move(members), port);
}

void set_image(Lab& lab, const std::vector<nw_line>& lines) { REQUIRE(lab.datapath().set_policy(lines, lab.datapath().generation() + 1)); }

bool equal(const std::vector<nw_line>& a, const std::vector<nw_line>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(nw_line)) == 0;
}

}  // namespace

TEST_CASE("a policy of several parts is answered from all of them, whichever bank it is in", "[image]") {
  Lab lab;
  const std::vector<nw_line> images[] = {image_for(80), image_for(81)};
  REQUIRE(images[0].size() > NW_CHUNK_LINES);
  Random random(1);
  for (int round = 0; round < 4; ++round) {
    set_image(lab, images[round % 2]);
    lab.forget_flows();
    for (int i = 0; i < 30; ++i) {
      const auto peer = *std::next(peers().begin(), static_cast<std::ptrdiff_t>(random.below(peers().size())));
      const auto hook = kIngressHooks[i % 2];
      CAPTURE(round, peer);
      const auto frame = [&](std::uint32_t from, std::uint16_t port) -> Bytes {
        return Ethernet{} / Ipv4{.source = to_string(v4(from))} / Tcp{.destination = port};
      };
      CHECK(lab.send(hook, frame(peer, static_cast<std::uint16_t>(80 + round % 2))) == allowed(kPolicy));
      CHECK(lab.send(hook, frame(peer, static_cast<std::uint16_t>(81 - round % 2))) == denied(kDefault));
      if (!peers().contains(peer + 1)) CHECK(lab.send(hook, frame(peer + 1, static_cast<std::uint16_t>(80 + round % 2))) == denied(kDefault));
    }
  }
}

TEST_CASE("IPv6 networks of a table are found, and nothing beside them", "[image]") {
  using namespace nodewall;
  Lab lab;
  Random random(3);
  std::set<std::uint32_t> subnets;  // of 2001:db8::/32, each a /64
  while (subnets.size() < 3000) subnets.insert(static_cast<std::uint32_t>(random.below(1U << 31)) + (1U << 30));
  const auto address = [](std::uint64_t high) { return to_string(compile::address_at(Family::v6, compile::Uint128{high} << 64 | 9)); };
  const auto high = [](std::uint32_t subnet) { return 0x20010db8'00000000ULL + subnet; };
  std::vector<Cidr> members;
  for (const auto subnet : subnets) members.push_back(Cidr{*parse_address(address(high(subnet))), 64}.masked());
  const auto lines = image_for(std::move(members), 80);
  REQUIRE(reinterpret_cast<const nw_image_header*>(lines.data())->v6_table != 0);
  set_image(lab, lines);
  const auto send = [&](std::uint64_t from) {
    return lab.send(Hook::tc_ingress, Ethernet{} / Ipv6{.source = address(from)} / Tcp{.destination = 80});
  };
  std::size_t at = 0;
  for (const auto subnet : subnets) {
    if (at++ % 60 != 0) continue;
    CAPTURE(subnet);
    CHECK(send(high(subnet)) == allowed(kPolicy));
    for (const auto beside : {subnet - 1, subnet + 1})
      if (!subnets.contains(beside)) CHECK(send(high(beside)) == denied(kDefault));
  }
  for (const auto outside : {0x20010000'00000000ULL, high(0), 0x20010db9'00000000ULL, 0x3fff0000'00000000ULL}) CHECK(send(outside) == denied(kDefault));
}

TEST_CASE("a bank that goes live again has what changed in both images since", "[image]") {
  const auto catches_up_each = GENERATE(0, 1, 3);  // 0: never
  CAPTURE(catches_up_each);
  Lab lab;
  auto lines = image_for(80);
  auto& datapath = lab.datapath();
  Random random(2);
  set_image(lab, lines);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    std::vector<nodewall::kernel::LineRange> changed;
    for (int i = 0; i < 20; ++i) {
      const auto line = 1 + random.below(lines.size() - 1);
      lines[line].words[random.below(16)] ^= 1U << random.below(32);
      changed.push_back({static_cast<std::uint32_t>(line), 1});
    }
    if (round == 5) {  // a part less, and nobody says what else is different
      lines.resize(NW_CHUNK_LINES - 7);
      reinterpret_cast<nw_image_header*>(lines.data())->line_count = static_cast<std::uint32_t>(lines.size());
      set_image(lab, lines);
    } else if (round == 8) {  // and one more again
      lines.resize(NW_CHUNK_LINES + 9);
      reinterpret_cast<nw_image_header*>(lines.data())->line_count = static_cast<std::uint32_t>(lines.size());
      set_image(lab, lines);
    } else {
      REQUIRE(datapath.set_policy(lines, datapath.generation() + 1, changed));
    }
    const auto read = datapath.read_policy();
    REQUIRE(read);
    CHECK(equal(*read, lines));
    if (catches_up_each == 0 || round % catches_up_each != 0) continue;
    REQUIRE(datapath.catch_up(lines));
    CHECK(equal(*datapath.read_policy(), lines));
  }
}

TEST_CASE("a rule counts in its own slot, whichever part of the counters that is in", "[image]") {
  Lab lab;
  constexpr std::uint32_t kSlot = 3 * NW_PART_COUNTS + 5;
  REQUIRE(lab.datapath().reserve_rule_counters(kSlot + 1));
  auto lines = image_of(standard_policy()).lines;
  const auto header = *reinterpret_cast<const nw_image_header*>(lines.data());
  auto* rules = reinterpret_cast<nw_image_rule*>(&lines[header.rule_base]);
  for (std::uint32_t i = 0; i < header.rule_count; ++i) rules[i].counter = kSlot;
  set_image(lab, lines);
  const auto packets = [&] {
    const auto read = lab.datapath().rule_counters();
    REQUIRE(read);
    std::vector<std::uint64_t> counts;
    for (const auto& count : *read) counts.push_back(count.packets);
    return counts;
  };
  auto before = packets();
  CHECK(lab.send(Hook::tc_ingress, Ethernet{} / Ipv4{} / Tcp{.destination = 80}) == allowed(kPolicy));
  ++before.at(kSlot);
  CHECK(packets() == before);
}

TEST_CASE("an interface counts in its own block, whichever part of the counters that is in", "[image]") {
  Lab lab;
  const Bytes frame = Ethernet{} / Ipv4{} / Tcp{.destination = 80};
  for (const auto block : {std::uint32_t{17}, std::uint32_t{NW_MAX_INTERFACES - 1}}) {
    const auto packets = [&](std::uint32_t of) {
      const auto counts = lab.datapath().counters(of);
      REQUIRE(counts);
      return (*counts)[nw_counter_index(0, NW_INGRESS, kPolicy)].packets;
    };
    const auto own = packets(block), others = packets(block % 16);
    const auto run = lab.datapath().run(Hook::tc_ingress, frame, nw_interface{.endpoint = 0, .counter = block, .flags = 0, .pad = 0}, 1);
    REQUIRE(run);
    CHECK(packets(block) == own + 1);
    CHECK(packets(block % 16) == others);
  }
  CHECK_FALSE(lab.datapath().counters(NW_MAX_INTERFACES));
}

TEST_CASE("T-S1 an address of the host is refused as a source, though another one has its line of the cache", "[image]") {
  Lab lab(allow_all());
  const auto name = beside_own_address();
  for (const auto hook : kIngressHooks) {
    const auto from = [&](const std::string& source) { return lab.send(hook, Ethernet{} / Ipv4{.source = source} / Tcp{.destination = 80}); };
    CHECK(from(name) == allowed(kPolicy));
    lab.set_local(name.c_str(), NW_LOCAL_ADDRESS);
    CHECK(from(name) == denied(NW_REASON_MARTIAN));
    CHECK(from("10.0.0.1") == denied(NW_REASON_MARTIAN));
    lab.set_local("10.0.0.99", NW_LOCAL_ADDRESS);
    lab.forget_flows();
  }
}

TEST_CASE("an address is the host's own by its own entry, though another one has its line of the cache", "[image]") {
  Lab lab(deny_all());
  const auto name = beside_own_address();
  for (const auto hook : kIngressHooks) {
    const auto to = [&](const std::string& destination) {
      return lab.send(hook, Ethernet{} / Ipv4{.destination = destination} / Tcp{.destination = 80});
    };
    CHECK(to("10.0.0.1") == denied(kDefault));
    CHECK(to(name) == allowed(NW_REASON_FORWARDED));
    lab.set_local(name.c_str(), NW_LOCAL_ADDRESS);
    CHECK(to("10.0.0.1") == denied(kDefault));
    CHECK(to(name) == denied(kDefault));
    lab.set_local("10.0.0.99", NW_LOCAL_ADDRESS);
    CHECK(to(name) == allowed(NW_REASON_FORWARDED));
  }
}

TEST_CASE("an interface is judged by its own entry, though another one has its line of the cache", "[image]") {
  Lab lab(deny_all());
  auto& datapath = lab.datapath();
  const Bytes frame = Ethernet{} / Ipv4{} / Tcp{.destination = 80};
  const nw_interface entry{}, beyond_cache{.endpoint = 5000, .counter = 0, .flags = 0, .pad = 0};
  for (const auto hook : kIngressHooks) {
    const auto missing_before = lab.packets(NW_INGRESS, NW_REASON_FAULT_ENDPOINT);
    const auto odd = datapath.run(hook, frame, beyond_cache, 1);
    REQUIRE(odd);
    CHECK(odd->reason == NW_REASON_FAULT_ENDPOINT);
    CHECK(lab.packets(NW_INGRESS, NW_REASON_FAULT_ENDPOINT) == missing_before + 1);
    CHECK(lab.send(hook, frame) == denied(kDefault));
    // The entry of ifindex 1, which a test run has, goes; the line is another one's then.
    REQUIRE(datapath.set_interfaces({{1 + NW_CACHE_LINES, entry}}));
    const auto denied_before = lab.packets(NW_INGRESS, kDefault);
    const auto run = datapath.run(hook, frame, entry, 1);
    REQUIRE(run);
    CHECK(run->return_code == (hook == Hook::xdp ? 2 : -1));  // passes: nobody governs it
    CHECK(lab.packets(NW_INGRESS, kDefault) == denied_before);
    REQUIRE(datapath.run(hook, frame, beyond_cache, 1));  // so that the next run puts its entry back
  }
}
