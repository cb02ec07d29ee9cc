// Every policy of a small universe, with every packet that it can tell apart.
#include <catch2/catch_test_macros.hpp>

#include "reference.h"

namespace nodewall::compile::test {
namespace {

constexpr unsigned kRules = 12;  // source any or A, destination any or B, three actions

resolve::ResolvedRule numbered(unsigned number, std::int32_t index) {
  constexpr model::Action kActions[] = {model::Action::Allow, model::Action::Deny, model::Action::Pass};
  auto made = rule(kActions[number / 4], "p", index);
  if (number & 1) made.source.in = {0};
  if (number & 2) made.destination.in = {1};
  return made;
}

}  // namespace

TEST_CASE("every list of three rules in two tiers answers every pair of addresses as a scan does") {
  resolve::Resolved resolved;
  resolved.sets = {{{cidr("10.0.0.1")}}, {{cidr("10.0.0.2")}}};
  resolved.endpoints.resize(1);
  resolved.endpoints[0].host_endpoint = "hep";
  auto& tiers = resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers;
  std::vector<resolve::PacketQuery> packets;
  for (const auto* source : {"10.0.0.1", "10.0.0.3"})
    for (const auto* destination : {"10.0.0.2", "10.0.0.4"}) packets.push_back(packet(source, destination, 6));
  std::size_t judged = 0;
  for (unsigned policy = 0; policy < kRules * kRules * kRules * 2; ++policy) {
    const auto first = policy % kRules, second = policy / kRules % kRules, third = policy / kRules / kRules % kRules;
    const auto end = policy < kRules * kRules * kRules ? model::TierAction::Deny : model::TierAction::Pass;
    tiers = {{.name = "one", .rules = {numbered(first, 0), numbered(second, 1)}, .end = end},
             {.name = "two", .rules = {numbered(third, 2)}, .end = model::TierAction::Deny}};
    const auto image = compile(resolved, assign_slots({}, resolved));
    REQUIRE(image);
    for (const auto& it : packets) {
      ++judged;
      if (evaluate(*image, 0, it) == scan(resolved, 0, it)) continue;
      CAPTURE(first, second, third, end == model::TierAction::Pass, to_string(it.source), to_string(it.destination));
      REQUIRE(evaluate(*image, 0, it) == scan(resolved, 0, it));
    }
  }
  CHECK(judged == 2 * 1728 * 4);
}

// 256 classes are as many as two digits tell apart: of the numbers none is left over.
TEST_CASE("every address has the class it should have, with 256 classes as with a few more or less") {
  for (std::uint32_t count = 250; count <= 258; ++count) {
    CAPTURE(count);
    resolve::Resolved resolved;
    auto& endpoint = resolved.endpoints.emplace_back();
    endpoint.host_endpoint = "hep";
    std::vector<resolve::ResolvedRule> each;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto address = test::address("2001:db8::");
      address.bytes[14] = static_cast<std::uint8_t>(i >> 8);
      address.bytes[15] = static_cast<std::uint8_t>(i);
      resolved.sets.push_back({{Cidr{address, 128}}});
      each.push_back(rule(i % 3 == 0 ? model::Action::Deny : model::Action::Allow, "p", static_cast<std::int32_t>(i)));
      each.back().source.in = {i};
    }
    auto last = rule(model::Action::Allow, "q", 0);
    last.source.in = {count - 1};
    endpoint.chains[NW_CHAIN_INGRESS].tiers = {{.name = "t", .rules = {last}, .end = model::TierAction::Deny}};
    endpoint.chains[NW_CHAIN_EGRESS].tiers = {{.name = "t", .rules = each, .end = model::TierAction::Deny}};
    const auto image = compile(resolved, assign_slots({}, resolved));
    REQUIRE(image);
    CHECK(image->cost.address_classes == count + 2);
    for (const auto& set : resolved.sets)
      for (const auto direction : {NW_INGRESS, NW_EGRESS}) {
        auto asked = packet("2001:db8:1::", "2001:db8:2::", 6, 80, direction);
        asked.source = set.members[0].address;
        CAPTURE(to_string(asked.source), direction);
        REQUIRE(evaluate(*image, 0, asked) == scan(resolved, 0, asked));
      }
  }
}

TEST_CASE("every port and every ICMP type and code has the class it should have") {
  resolve::Resolved resolved;
  resolved.endpoints.resize(1);
  resolved.endpoints[0].host_endpoint = "hep";
  auto by_port = rule(model::Action::Allow, "p", 0), by_type = rule(model::Action::Allow, "p", 1);
  by_port.protocols.reset().set(6);
  by_port.destination.ports = {{{1, 1}, {22, 25}, {1024, 32767}, {65535, 65535}}};
  by_type.v6 = false;
  by_type.protocols.reset().set(1);
  by_type.icmp = model::Icmp{.type = 3, .code = {}};
  by_type.not_icmp = model::Icmp{.type = 3, .code = 4};
  resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers = {{.name = "t", .rules = {by_port, by_type}, .end = model::TierAction::Deny}};
  const auto image = compile(resolved, assign_slots({}, resolved));
  REQUIRE(image);
  std::size_t wrong = 0;
  for (std::uint32_t value = 0; value < 65536; ++value) {
    auto tcp = packet("10.0.0.1", "10.0.0.2", 6, static_cast<std::uint16_t>(value));
    auto icmp = packet("10.0.0.1", "10.0.0.2", 1);
    icmp.icmp_type = static_cast<std::uint8_t>(value >> 8);
    icmp.icmp_code = static_cast<std::uint8_t>(value & 255);
    for (const auto& it : {tcp, icmp}) wrong += evaluate(*image, 0, it) == scan(resolved, 0, it) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace nodewall::compile::test
