// Many changes, one after the other, of policies in which trees are deep, rows long and lines used again.
#include <catch2/catch_test_macros.hpp>

#include "compile/compiler.h"
#include "random_policy.h"

namespace nodewall::compile::test {
namespace {

// Some networks nest, some rules have wide ports.
resolve::Resolved many_rules(Random& random, std::size_t count) {
  std::vector<resolve::AddressSet> sets;
  std::vector<resolve::ResolvedRule> rules;
  for (std::size_t i = 0; i < count; ++i) {
    const auto address = static_cast<std::uint32_t>(0x0a000000 + below(random, 1 << 18) * 64);
    sets.push_back({{Cidr{Address::v4(address), static_cast<std::uint8_t>(chance(random, 20) ? 14 : 26)}.masked()}});
    auto& made = rules.emplace_back(rule(chance(random, 50) ? model::Action::Allow : model::Action::Deny, "p", static_cast<std::int32_t>(i)));
    (chance(random, 30) ? made.destination : made.source).in = {static_cast<resolve::SetIndex>(i)};
    if (chance(random, 30)) made.source.in = {static_cast<resolve::SetIndex>(below(random, i + 1))};
    made.protocols.reset();
    made.protocols.set(chance(random, 70) ? 6 : 17);
    const auto port = static_cast<std::uint16_t>(1 + below(random, 3000));
    made.destination.ports = {{model::PortRange{port, chance(random, 10) ? std::uint16_t{65535} : port}}};
  }
  return one_endpoint(std::move(sets), std::move(rules));
}

void edit(Random& random, resolve::Resolved& policy) {
  auto& rules = policy.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules;
  auto& changed = rules[below(random, rules.size())];
  const auto port = static_cast<std::uint16_t>(1 + below(random, 4000));
  switch (below(random, 4)) {
    case 0:
    case 1: changed.destination.ports = {{model::PortRange{port, chance(random, 10) ? std::uint16_t{65535} : port}}}; break;
    case 2: policy.sets[below(random, policy.sets.size())].members = {Cidr{Address::v4(0x0a000000U + port * 64U), 26}}; break;
    default: changed.source.in = {static_cast<resolve::SetIndex>(below(random, policy.sets.size()))};
  }
}

resolve::PacketQuery some_packet(Random& random, const resolve::Resolved& policy) {
  auto made = packet("10.0.0.1", "10.0.0.2", chance(random, 70) ? 6 : 17, static_cast<std::uint16_t>(1 + below(random, 4000)));
  const auto inside = [&](Address& address) {
    address = policy.sets[below(random, policy.sets.size())].members[0].address;
    address.bytes[15] = static_cast<std::uint8_t>(random());
  };
  inside(made.source);
  inside(made.destination);
  return made;
}

// Every address has the class it would have in a fresh image, as far as a rule can tell.
void compare_addresses(const TableImage& kept, const TableImage& fresh, const Slots& slots, Family family) {
  const ImageReader one(kept.lines), other(fresh.lines);
  auto starts = one.regions(family, {}).value();
  const auto more = other.regions(family, {}).value();
  starts.insert(starts.end(), more.begin(), more.end());
  auto asked = packet("10.0.0.1", "10.0.0.2", 6, 80);
  asked.destination = address_at(family, 1);
  const auto slot = slots.endpoints.at("hep");
  for (const auto start : starts)
    for (const auto position : {start, static_cast<Uint128>(start - 1)}) {
      asked.source = address_at(family, position);
      if (test::ask(kept, slot, NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS, asked) == test::ask(fresh, slot, NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS, asked))
        continue;
      CAPTURE(to_string(asked.source));
      FAIL("other answers");
    }
}

Address in_cluster(Random& random, Family family, unsigned cluster) {
  auto address = family == Family::v4 ? Address::v4(0x0a000000) : cidr("2001:db8::/32").address;
  address.bytes[13] = static_cast<std::uint8_t>(cluster);
  address.bytes[14] = static_cast<std::uint8_t>(random());
  address.bytes[15] = static_cast<std::uint8_t>(random());
  if (family == Family::v6) {
    for (unsigned i = 4; i < 8; ++i) address.bytes[i] = static_cast<std::uint8_t>(i < 6 ? cluster : random());
  }
  return address;
}

}  // namespace

TEST_CASE("hundreds of edits of many rules are taken over, and the image does not grow without end") {
  Random random(11);
  auto policy = many_rules(random, 1500);
  const auto slots = assign_slots({}, policy);
  Compiler compiler;
  std::size_t kept = 0, most = 0, first = 0;
  for (int round = 0; round < 600; ++round) {
    const auto next = std::make_shared<const resolve::Resolved>(policy);
    REQUIRE(compiler.update(next, std::make_shared<const Slots>(slots)));
    kept += compiler.changes() ? 1 : 0;
    if (round == 0) first = compiler.image().lines.size();
    most = std::max(most, compiler.image().lines.size());
    for (int i = 0; i < 5; ++i) {
      const auto asked = some_packet(random, policy);
      CAPTURE(round, to_string(asked.source), to_string(asked.destination), asked.protocol, asked.destination_port);
      REQUIRE(evaluate(compiler.image(), slots.endpoints.at("hep"), asked) == scan(*next, 0, asked));
    }
    edit(random, policy);
  }
  CHECK(kept > 500);
  CHECK(most < 3 * first + 20000);
}

// Half of the rules are about all ports of TCP or of UDP, and each needs a line for every class that comes into these. New ports of TCP take
// classes that are in them already, as long as there are any; then everything is compiled anew, and there are again.
TEST_CASE("another port touches few lines, however many rules are about all ports of its protocol") {
  std::vector<resolve::AddressSet> sets;
  std::vector<resolve::ResolvedRule> rules;
  for (std::uint32_t i = 0; i < 1600; ++i) {
    sets.push_back({{Cidr{Address::v4(0x0a000000U + i * 64U), 26}}});
    auto& made = rules.emplace_back(rule(model::Action::Allow, "p", static_cast<std::int32_t>(i)));
    made.source.in = {i};
    made.protocols.reset();
    made.protocols.set(i % 2 == 0 ? 6 : 17);
    if (i % 4 < 2) made.destination.ports = {{model::PortRange{static_cast<std::uint16_t>(1 + i), static_cast<std::uint16_t>(i < 800 ? 1 + i : 60000)}}};
  }
  auto policy = one_endpoint(std::move(sets), std::move(rules));
  const auto slots = assign_slots({}, policy);
  Compiler compiler;
  std::size_t kept = 0, most = 0;
  for (std::uint32_t round = 0; round < 300; ++round) {
    const auto next = std::make_shared<const resolve::Resolved>(policy);
    REQUIRE(compiler.update(next, std::make_shared<const Slots>(slots)));
    std::size_t lines = 0;
    if (compiler.changes()) {
      ++kept;
      for (const auto& range : *compiler.changes()) lines += range.count;
    }
    most = std::max(most, lines);
    auto& changed = policy.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules[round * 4 % 1600];
    const auto port = static_cast<std::uint16_t>(3000 + round * 37);
    changed.destination.ports = {{model::PortRange{port, port}}};
  }
  CHECK(kept > 280);
  CHECK(most < 800);
}

TEST_CASE("members that come and go by the thousand in a few places leave the address tables as a fresh compilation makes them") {
  for (const auto family : {Family::v4, Family::v6}) {
    Random random(12);
    const auto bits = static_cast<std::uint8_t>(family == Family::v4 ? 32 : 128);
    std::vector<Cidr> members;
    for (unsigned i = 0; i < 4000; ++i) members.push_back({in_cluster(random, family, i % 3), bits});
    std::ranges::sort(members);
    members.erase(std::unique(members.begin(), members.end()), members.end());
    auto allow = rule(model::Action::Allow, "p", 0);
    allow.source.in = {0};
    auto policy = one_endpoint({{members}}, {allow});
    const auto slots = assign_slots({}, policy);
    Compiler compiler;
    std::size_t kept = 0;
    for (int round = 0; round < 2000; ++round) {
      const auto next = std::make_shared<const resolve::Resolved>(policy);
      REQUIRE(compiler.update(next, std::make_shared<const Slots>(slots)));
      kept += compiler.changes() ? 1 : 0;
      if (round % 500 == 499) compare_addresses(compiler.image(), *compile(*next, slots), slots, family);
      auto& set = policy.sets[0].members;
      if (chance(random, 40)) {
        set = set.without(set[below(random, set.size())]);
      } else {
        set = set.with({in_cluster(random, family, 1), bits});
      }
    }
    CHECK(kept == 1999);
  }
}

}  // namespace nodewall::compile::test
