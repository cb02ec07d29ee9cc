// IPv6 networks that are found by the table (maps/policy.h: v6_table), wherever they are.
#include <catch2/catch_test_macros.hpp>
#include <functional>

#include "compile/compiler.h"
#include "random_policy.h"

namespace nodewall::compile::test {
namespace {

Address address_of(std::uint64_t high, std::uint64_t low) { return address_at(Family::v6, Uint128{high} << 64 | low); }

resolve::Resolved policy_of(std::vector<Cidr> members) {
  std::ranges::sort(members);
  members.erase(std::unique(members.begin(), members.end()), members.end());
  auto allow = rule(model::Action::Allow, "p", 0);
  allow.source.in = {0};
  return one_endpoint({{std::move(members)}}, {allow});
}

nw_image_header header_of(const TableImage& image) {
  nw_image_header header;
  std::memcpy(&header, image.lines.data(), sizeof(header));
  return header;
}

// Anywhere in the space: most of it is before and behind the table.
std::size_t wrong_elsewhere(const TableImage& image, const Slots& slots, const resolve::Resolved& policy, Random& random) {
  auto asked = packet("2001:db8::1", "2001:db8::2", 6, 80);
  std::size_t wrong = 0;
  for (int i = 0; i < 1000; ++i) {
    asked.source = address_of(random(), random());
    wrong += evaluate(image, slots.endpoints.at("hep"), asked).allow == in_set(policy.sets[0], asked.source) ? 0 : 1;
  }
  return wrong;
}

// The first and the last address of some networks, and those beside them: who may use the port of the set `number`.
std::size_t wrong_edges(const TableImage& image, const Slots& slots, const resolve::Resolved& policy, std::size_t number, std::size_t each) {
  auto asked = packet("2001:db8::1", "2001:db8::2", 6, static_cast<std::uint16_t>(80 + number));
  std::size_t wrong = 0, at = 0;
  for (const auto& set : policy.sets)
    for (const auto& net : set.members) {
      if (set.members.size() > 1 && at++ % each != 0) continue;
      const Uint128 first = position_of(net.address), last = first | (net.prefix == 128 ? Uint128{0} : ~Uint128{0} >> net.prefix);
      for (const Uint128 position : {static_cast<Uint128>(first - 1), first, last, static_cast<Uint128>(last + 1)}) {
        asked.source = address_at(Family::v6, position);
        const bool allowed = evaluate(image, slots.endpoints.at("hep"), asked).allow;
        wrong += allowed == in_set(policy.sets[number], asked.source) ? 0 : 1;
      }
    }
  return wrong;
}

using Net = std::function<Cidr(Random&, std::uint32_t)>;

}  // namespace

TEST_CASE("every edge of many IPv6 networks is where it is, however they are spread") {
  const auto net = [](std::uint64_t high, std::uint64_t low, unsigned prefix) {
    return Cidr{address_of(high, low), static_cast<std::uint8_t>(prefix)}.masked();
  };
  const std::vector<std::pair<const char*, Net>> spreads = {
      {"all over the space", [&](Random& random, std::uint32_t) { return net(random(), random(), static_cast<unsigned>(12 + below(random, 117))); }},
      {"one behind the other", [&](Random&, std::uint32_t i) { return net(0x20010db8'00000000 + 2 * i, 0, 64); }},
      {"in three places", [&](Random& random, std::uint32_t i) { return net((std::uint64_t{0x2001} + i % 3 * 0x500) << 48 | below(random, 1 << 20), random(), i % 2 == 0 ? 64 : 128); }},
      {"at both ends of the space",
       [&](Random& random, std::uint32_t i) { return net(i % 2 == 0 ? below(random, 5000) : ~std::uint64_t{0} - below(random, 5000), i % 3 == 0 ? ~std::uint64_t{0} : 0, i % 5 == 0 ? 64 : 128); }},
      {"up to the end of the space, and nothing before the first",
       [&](Random& random, std::uint32_t i) { return i == 0 ? net(0xff00'0000'0000'0000, 0, 8) : net(0x2001'0db8'0000'0000 + below(random, std::uint64_t{1} << 40), 0, 64); }},
      {"with a width that is not the parts'", [&](Random& random, std::uint32_t) { return net(0xfd00'0000'0000'0000 + below(random, 0x0000'0001'2345'6789), 0, 64); }},
  };
  for (const auto& [name, spread] : spreads) {
    CAPTURE(name);
    Random random(3);
    std::vector<Cidr> members;
    for (std::uint32_t i = 0; i < 4000; ++i) members.push_back(spread(random, i));
    const auto policy = policy_of(std::move(members));
    const auto slots = assign_slots({}, policy);
    const auto image = compile(policy, slots);
    REQUIRE(image);
    CHECK(header_of(*image).v6_table != 0);
    CHECK(wrong_edges(*image, slots, policy, 0, 7) == 0);
    CHECK(wrong_elsewhere(*image, slots, policy, random) == 0);
  }
}

TEST_CASE("networks that cover many parts of the table come and go, and its other addresses stay as they are") {
  Random random(4);
  std::vector<Cidr> members;
  for (std::uint32_t i = 0; i < 3000; ++i)
    members.push_back(Cidr{address_of(0x2001'0db8'0000'0000 + below(random, std::uint64_t{1} << 33), 0), static_cast<std::uint8_t>(48 + below(random, 17))}.masked());
  auto policy = policy_of(std::move(members));
  const auto wide = [&] {
    return Cidr{address_of(0x2000'0000'0000'0000 + below(random, std::uint64_t{1} << 58), 0), static_cast<std::uint8_t>(10 + below(random, 40))}.masked();
  };
  policy.sets.push_back({{wide()}});
  auto also = rule(model::Action::Allow, "p", 1);
  also.source.in = {1};
  also.destination.ports = {{{81, 81}}};
  auto& rules = policy.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules;
  for (auto* one : {&rules[0], &also}) {
    one->protocols.reset();
    one->protocols.set(6);
  }
  rules[0].destination.ports = {{{80, 80}}};
  rules.push_back(also);
  const auto slots = assign_slots({}, policy);
  Compiler compiler;
  std::size_t kept = 0;
  for (int round = 0; round < 60; ++round) {
    const auto next = std::make_shared<const resolve::Resolved>(policy);
    REQUIRE(compiler.update(next, std::make_shared<const Slots>(slots)));
    kept += compiler.changes() ? 1 : 0;
    REQUIRE(header_of(compiler.image()).v6_table != 0);
    CHECK(wrong_edges(compiler.image(), slots, *next, 0, 97) == 0);
    CHECK(wrong_edges(compiler.image(), slots, *next, 1, 97) == 0);
    policy.sets[1].members = {wide()};
    auto& set = policy.sets[0].members;
    if (round % 2 == 0) set = set.without(set[below(random, set.size())]);
  }
  CHECK(kept > 20);
}

}  // namespace nodewall::compile::test
