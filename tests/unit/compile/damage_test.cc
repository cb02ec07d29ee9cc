// Damaged images, limits, and how far a lookup can go.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdio>
#include <cstring>

#include "reference.h"

namespace {

thread_local std::size_t lines_touched = 0;

}  // namespace

// The program's walk over an image whose accesses are counted.
struct counted_image {
  const std::vector<nw_line>* lines;
};
using nw_image = counted_image;

static inline const nw_line* nw_image_line(nw_image image, __u32 index) {
  ++lines_touched;
  return index < image.lines->size() ? &(*image.lines)[index] : nullptr;
}

#include "maps/policy_walk.h"

namespace nodewall::compile::test {
namespace {

resolve::ResolvedRule tcp_port(std::uint16_t port, std::int32_t index) {
  auto made = rule(model::Action::Allow, "p", index);
  made.protocols.reset();
  made.protocols.set(6);
  made.destination.ports = {{{port, port}}};
  return made;
}

// `count` rules, each with a source network and a port of its own, and as many with a destination network.
resolve::Resolved many_rules(std::uint32_t count) {
  resolve::Resolved resolved;
  auto& endpoint = resolved.endpoints.emplace_back();
  endpoint.host_endpoint = "hep";
  endpoint.chains[NW_CHAIN_INGRESS].tiers.push_back({.name = "default", .rules = {}, .end = model::TierAction::Deny});
  auto& rules = endpoint.chains[NW_CHAIN_INGRESS].tiers.back().rules;
  for (std::uint32_t i = 0; i < 2 * count; ++i) {
    rules.push_back(tcp_port(static_cast<std::uint16_t>(1 + i % 50000), static_cast<std::int32_t>(i)));
    Cidr net{Address::v4(0x10000000U + i * 2654435U), 28};
    Cidr six{cidr("2001:db8::/32").address, 80};
    for (unsigned k = 0; k < 4; ++k) six.address.bytes[5 + k] = static_cast<std::uint8_t>(i * 2654435761U >> 8 * k);
    const auto [low, high] = std::minmax({net.masked(), six.masked()});
    resolved.sets.push_back({{low, high}});
    (i % 2 == 0 ? rules.back().source : rules.back().destination).in = {i};
  }
  return resolved;
}

nw_query random_query(std::mt19937_64& random) {
  nw_query query{};
  query.is_v4 = random() & 1;
  query.source_low = query.is_v4 ? random() & 0xffffffff : random();
  query.destination_low = query.is_v4 ? random() & 0xffffffff : random();
  if (!query.is_v4) {
    query.source_high = 0x20010db800000000ULL | (random() & 0xffffffff);
    query.destination_high = 0x20010db800000000ULL | (random() & 0xffffffff);
  }
  query.protocol = random() % 3 == 0 ? random() & 255 : 6;
  query.source_port = random() & 0xffff;
  query.destination_port = random() & 0xffff;
  return query;
}

}  // namespace

TEST_CASE("a damaged image yields an answer or a fault, and is never read outside") {
  const auto rules = GENERATE(200U, 700U);  // the latter have a table of IPv6 addresses
  auto resolved = many_rules(rules);
  auto& endpoint = resolved.endpoints[0];
  endpoint.chains[NW_CHAIN_FORWARD_INGRESS] = endpoint.chains[NW_CHAIN_INGRESS];
  endpoint.chains[NW_CHAIN_FORWARD_INGRESS].tiers[0].rules[7].action = model::Action::Log;
  endpoint.staged[NW_CHAIN_PRE_DNAT] = endpoint.chains[NW_CHAIN_INGRESS];
  const auto image = compile(resolved, assign_slots({}, resolved));
  REQUIRE(image);
  std::mt19937_64 random(11);
  std::size_t faults = 0;
  for (int round = 0; round < 3000; ++round) {
    auto lines = image->lines;
    nw_image_header header;
    std::memcpy(&header, lines.data(), sizeof(header));
    // The first tables are large and empty: most damage goes into the parts behind them and into the header.
    const auto from = round % 3 == 0 ? 0 : header.v4_root + 4096;
    const auto end = round % 3 == 0 ? 1 : lines.size();
    for (unsigned flips = 1 + random() % 20; flips > 0; --flips)
      lines[from + random() % (end - from)].words[random() & 15] ^= 1U << (random() & 31);
    if (round % 5 == 0) lines.resize(1 + random() % lines.size());
    lines.shrink_to_fit();
    for (int i = 0; i < 20; ++i) {
      auto query = random_query(random);
      query.slot = random() % 3;
      query.variant = random() % NW_VARIANTS;
      query.chain = random() % NW_CHAINS;
      nw_answer answer{};
      nw_walk(counted_image{&lines}, &query, &answer);
      faults += answer.rule == NW_WALK_FAULT;
      CHECK((answer.rule != NW_WALK_FAULT || answer.verdict == NW_DENY));
    }
  }
  CHECK(faults > 1000);
}

TEST_CASE("a lookup touches a bounded number of lines whatever the number of rules") {
  std::size_t few = 0;
  for (const std::uint32_t count : {10U, 1000U, 30000U}) {
    const auto resolved = many_rules(count);
    const auto image = compile(resolved, assign_slots({}, resolved));
    REQUIRE(image);
    std::mt19937_64 random(5);
    std::size_t most = 0, total = 0;
    for (int i = 0; i < 20000; ++i) {
      auto query = random_query(random);
      const auto& set = resolved.sets[random() % resolved.sets.size()].members;
      const auto& net = set[random() % set.size()];
      query.is_v4 = net.address.family == Family::v4;
      query.source_low = query.is_v4 ? net.address.v4_host_order() : net.address.low();
      query.source_high = query.is_v4 ? 0 : net.address.high();
      if (query.is_v4) query.destination_low &= 0xffffffff;
      lines_touched = 0;
      nw_answer answer{};
      nw_walk(counted_image{&image->lines}, &query, &answer);
      REQUIRE(answer.rule != NW_WALK_FAULT);
      most = std::max(most, lines_touched);
      total += lines_touched;
    }
    std::printf("%u rules: %.1f lines a lookup, at most %zu\n", 2 * count, static_cast<double>(total) / 20000, most);
    if (few == 0) few = most;
    CHECK(most <= few + 16);
    CHECK(most <= 32);
  }
}

TEST_CASE("T-K3 too many classes of ports are refused with policy, rule and number") {
  resolve::Resolved resolved;
  auto& endpoint = resolved.endpoints.emplace_back();
  endpoint.chains[NW_CHAIN_INGRESS].tiers.push_back({.name = "default", .rules = {}, .end = model::TierAction::Deny});
  for (std::int32_t i = 0; i < 80000; ++i) {
    auto made = tcp_port(static_cast<std::uint16_t>(1 + i / 2), i);
    if (i % 2 != 0) made.protocols.flip(6).set(17);
    endpoint.chains[NW_CHAIN_INGRESS].tiers.back().rules.push_back(made);
  }
  const auto image = compile(resolved, assign_slots({}, resolved));
  REQUIRE_FALSE(image);
  CHECK(image.error().code == Errc::limit);
  CHECK(image.error().what == "policy 'p', rule 65535: too many classes of protocol and destination port (at most 65536)");
}

TEST_CASE("T-K3 combinations of networks that do not fit are refused with a policy and a rule") {
  resolve::Resolved resolved;
  std::mt19937_64 random(9);
  auto& endpoint = resolved.endpoints.emplace_back();
  endpoint.chains[NW_CHAIN_INGRESS].tiers.push_back({.name = "default", .rules = {}, .end = model::TierAction::Deny});
  constexpr std::uint32_t kHosts = 2000;
  for (std::uint32_t i = 0; i < 40; ++i) {  // random halves of two large networks, in every combination
    for (unsigned side = 0; side < 2; ++side) {
      std::vector<Cidr> members;
      for (std::uint32_t host = 0; host < kHosts; ++host)
        if (random() & 1) members.push_back({Address::v4((10U + side) << 24 | host), 32});
      resolved.sets.push_back({std::move(members)});
    }
    auto made = rule(model::Action::Allow, "wide", static_cast<std::int32_t>(i));
    made.source.in = {2 * i};
    made.destination.in = {2 * i + 1};
    endpoint.chains[NW_CHAIN_INGRESS].tiers.back().rules.push_back(made);
  }
  const auto slots = assign_slots({}, resolved);
  for (const CompileLimits limits : {CompileLimits{.diagram_nodes = 20000}, CompileLimits{.diagram_steps = 20000}}) {
    const auto image = compile(resolved, slots, limits);
    REQUIRE_FALSE(image);
    CHECK(image.error().code == Errc::limit);
    CHECK(image.error().what.starts_with("policy 'wide', rule "));
  }
  const auto image = compile(resolved, slots);
  REQUIRE(image);
  CHECK(image->cost.bytes < 100'000'000);
}

TEST_CASE("a policy that has no slot is an error and not a wrong image") {
  const auto resolved = many_rules(1);
  const auto slots = assign_slots({}, resolved);
  auto without_rules = slots;
  without_rules.rules.clear();
  REQUIRE_FALSE(compile(resolved, without_rules));
  auto without_endpoints = slots;
  without_endpoints.endpoints.clear();
  REQUIRE_FALSE(compile(resolved, without_endpoints));
  auto beyond = slots;
  beyond.rules.at({NW_INGRESS, {"default", "p", 0}}) = NW_MAX_RULE_COUNTERS;
  const auto refused = compile(resolved, beyond);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::limit);
}

}  // namespace nodewall::compile::test
