// Hand-made policies, one criterion or one way through tiers at a time.
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <set>

#include "reference.h"

namespace nodewall::compile::test {
namespace {

struct Policy {
  resolve::Resolved resolved;

  Policy() { endpoint("hep"); }

  resolve::EndpointPolicy& endpoint(const char* name) {
    auto& made = resolved.endpoints.emplace_back();
    made.host_endpoint = name;
    return made;
  }
  resolve::SetIndex set(std::vector<Cidr> members) {
    std::ranges::sort(members);
    resolved.sets.push_back({std::move(members)});
    return static_cast<resolve::SetIndex>(resolved.sets.size() - 1);
  }
  resolve::ResolvedTier& tier(const char* name, model::TierAction end) {
    auto& tiers = resolved.endpoints[0].chains[NW_CHAIN_INGRESS].tiers;
    tiers.push_back({.name = name, .rules = {}, .end = end});
    return tiers.back();
  }
  resolve::Judgement judge(const resolve::PacketQuery& packet, const char* endpoint = "hep") const {
    const auto slots = assign_slots({}, resolved);
    const auto image = compile(resolved, slots);
    REQUIRE(image);
    return evaluate(*image, slots.endpoints.at(endpoint), packet);
  }
};

resolve::PacketQuery icmp(const char* from, const char* to, std::uint8_t protocol, std::uint8_t type, std::uint8_t code) {
  auto made = packet(from, to, protocol);
  made.icmp_type = type;
  made.icmp_code = code;
  return made;
}

// One Allow rule in a tier that denies the rest.
bool allows(Policy policy, resolve::ResolvedRule rule, const resolve::PacketQuery& packet) {
  rule.action = model::Action::Allow;
  policy.tier("default", model::TierAction::Deny).rules = {std::move(rule)};
  return policy.judge(packet).allow;
}

resolve::ResolvedRule any() { return rule(model::Action::Allow, "p", 0); }

resolve::ResolvedRule of_protocol(std::uint8_t protocol) {
  auto made = any();
  made.protocols.reset();
  made.protocols.set(protocol);
  return made;
}

constexpr auto kFrom = "10.0.0.1";
constexpr auto kTo = "10.1.0.1";

}  // namespace

TEST_CASE("a source network matches its first and last address and no neighbour") {
  Policy policy;
  auto rule = any();
  rule.source.in = {policy.set({cidr("10.0.0.0/24"), cidr("2001:db8:0:1::/64")})};
  CHECK(allows(policy, rule, packet("10.0.0.0", kTo, 6)));
  CHECK(allows(policy, rule, packet("10.0.0.255", kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet("9.255.255.255", kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet("10.0.1.0", kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet(kTo, "10.0.0.1", 6)));
  CHECK(allows(policy, rule, packet("2001:db8:0:1::", "::5", 6)));
  CHECK(allows(policy, rule, packet("2001:db8:0:1:ffff:ffff:ffff:ffff", "::5", 6)));
  CHECK_FALSE(allows(policy, rule, packet("2001:db8:0:2::", "::5", 6)));
  CHECK_FALSE(allows(policy, rule, packet("2001:db8::ffff:ffff:ffff:ffff", "::5", 6)));
}

TEST_CASE("the ends of both address spaces are addresses like any other") {
  Policy policy;
  auto rule = any();
  rule.destination.in = {policy.set({cidr("0.0.0.0"), cidr("255.255.255.255"), cidr("::"), cidr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                                     cidr("2001:db8::ffff:ffff:ffff:ffff")})};
  for (const auto* in : {"0.0.0.0", "255.255.255.255"}) CHECK(allows(policy, rule, packet(kFrom, in, 6)));
  for (const auto* out : {"0.0.0.1", "255.255.255.254", "128.0.0.0"}) CHECK_FALSE(allows(policy, rule, packet(kFrom, out, 6)));
  for (const auto* in : {"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::ffff:ffff:ffff:ffff"})
    CHECK(allows(policy, rule, packet("::9", in, 6)));
  for (const auto* out : {"::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "2001:db8::ffff:ffff:ffff:fffe", "2001:db8:0:1::"})
    CHECK_FALSE(allows(policy, rule, packet("::9", out, 6)));
}

TEST_CASE("a negated network excludes its addresses in a rule of either family") {
  Policy policy;
  auto rule = any();
  rule.destination.not_in = {policy.set({cidr("10.0.0.0/8")})};
  CHECK_FALSE(allows(policy, rule, packet(kFrom, kTo, 6)));
  CHECK(allows(policy, rule, packet(kFrom, "11.0.0.0", 6)));
  CHECK(allows(policy, rule, packet("::1", "::2", 6)));
  rule.v6 = false;  // as resolved from notNets
  CHECK_FALSE(allows(policy, rule, packet("::1", "::2", 6)));
}

TEST_CASE("an address must be in every set and in no negated set") {
  Policy policy;
  auto rule = any();
  rule.source.in = {policy.set({cidr("10.0.0.0/8")}), policy.set({cidr("10.0.0.0/9"), cidr("11.0.0.0/8")})};
  rule.source.not_in = {policy.set({cidr("10.0.0.0/24")}), policy.set({cidr("10.0.2.0/24")})};
  CHECK(allows(policy, rule, packet("10.0.1.1", kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet("10.0.0.1", kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet("10.0.2.1", kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet("10.200.0.1", kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet("11.0.0.1", kTo, 6)));
}

TEST_CASE("T-P2: an empty set matches nothing and its negation everything") {
  Policy policy;
  const auto none = policy.set({});
  auto rule = any();
  rule.source.in = {none};
  CHECK_FALSE(allows(policy, rule, packet(kFrom, kTo, 6)));
  rule.source.in = {};
  rule.source.not_in = {none};
  CHECK(allows(policy, rule, packet(kFrom, kTo, 6)));
  CHECK(allows(policy, rule, packet("::1", "::2", 6)));
}

TEST_CASE("a set of all IPv4 addresses matches no IPv6 address") {
  Policy policy;
  auto rule = any();
  rule.source.in = {policy.set({cidr("0.0.0.0/0")})};
  CHECK(allows(policy, rule, packet(kFrom, kTo, 6)));
  CHECK_FALSE(allows(policy, rule, packet("::1", "::2", 6)));
}

TEST_CASE("a rule for one family leaves the other alone") {
  auto rule = any();
  rule.v6 = false;
  CHECK(allows({}, rule, packet(kFrom, kTo, 6)));
  CHECK_FALSE(allows({}, rule, packet("::1", "::2", 6)));
}

TEST_CASE("a port range matches from its first to its last port, of its protocols only") {
  auto rule = of_protocol(6);
  rule.destination.ports = {{{80, 81}, {65535, 65535}}};
  for (const int port : {80, 81, 65535}) CHECK(allows({}, rule, packet(kFrom, kTo, 6, static_cast<std::uint16_t>(port))));
  for (const int port : {0, 79, 82, 65534}) CHECK_FALSE(allows({}, rule, packet(kFrom, kTo, 6, static_cast<std::uint16_t>(port))));
  CHECK_FALSE(allows({}, rule, packet(kFrom, kTo, 17, 80)));
  rule.protocols.set();
  CHECK(allows({}, rule, packet(kFrom, kTo, 17, 80)));
  CHECK(allows({}, rule, packet(kFrom, kTo, 132, 80)));
  CHECK_FALSE(allows({}, rule, packet(kFrom, kTo, 50, 80)));
  CHECK_FALSE(allows({}, rule, icmp(kFrom, kTo, 1, 0, 80)));
}

TEST_CASE("a rule with an empty list of ports matches nothing") {
  auto rule = of_protocol(6);
  rule.destination.ports.emplace();
  CHECK_FALSE(allows({}, rule, packet(kFrom, kTo, 6, 80)));
}

TEST_CASE("a source port is looked at beside the destination port") {
  auto rule = of_protocol(17);
  rule.source.ports = {{{1024, 2000}}};
  rule.destination.ports = {{{53, 53}}};
  auto query = packet(kFrom, kTo, 17, 53);
  query.source_port = 1024;
  CHECK(allows({}, rule, query));
  query.source_port = 1023;
  CHECK_FALSE(allows({}, rule, query));
  query.source_port = 2000;
  query.destination_port = 54;
  CHECK_FALSE(allows({}, rule, query));
}

TEST_CASE("ICMP is matched by type and code, and excluded by them") {
  auto rule = of_protocol(1);
  rule.v6 = false;
  rule.icmp = model::Icmp{.type = 8, .code = {}};
  CHECK(allows({}, rule, icmp(kFrom, kTo, 1, 8, 0)));
  CHECK(allows({}, rule, icmp(kFrom, kTo, 1, 8, 255)));
  CHECK_FALSE(allows({}, rule, icmp(kFrom, kTo, 1, 9, 0)));
  CHECK_FALSE(allows({}, rule, packet(kFrom, kTo, 6, 8 << 8)));
  rule.not_icmp = model::Icmp{.type = 8, .code = 3};
  CHECK(allows({}, rule, icmp(kFrom, kTo, 1, 8, 2)));
  CHECK(allows({}, rule, icmp(kFrom, kTo, 1, 8, 4)));
  CHECK_FALSE(allows({}, rule, icmp(kFrom, kTo, 1, 8, 3)));
}

TEST_CASE("ICMPv6 type and code are not those of ICMP") {
  auto rule = of_protocol(58);
  rule.v4 = false;
  rule.icmp = model::Icmp{.type = 128, .code = 0};
  CHECK(allows({}, rule, icmp("::1", "::2", 58, 128, 0)));
  CHECK_FALSE(allows({}, rule, icmp("::1", "::2", 58, 128, 1)));
  CHECK_FALSE(allows({}, rule, icmp(kFrom, kTo, 1, 128, 0)));
}

TEST_CASE("of rules by source, by destination, by both and by none the first decides") {
  for (unsigned first = 0; first < 4; ++first) {
    Policy policy;
    const auto source = policy.set({cidr(kFrom)}), destination = policy.set({cidr(kTo)});
    auto& rules = policy.tier("default", model::TierAction::Deny).rules;
    for (unsigned i = 0; i < 4; ++i) {
      const auto kind = (first + i) % 4;
      auto made = rule(i == 0 ? model::Action::Allow : model::Action::Deny, "p" + std::to_string(kind), static_cast<std::int32_t>(i));
      made.protocols.reset(99);
      if (kind & 1) made.source.in = {source};
      if (kind & 2) made.destination.in = {destination};
      rules.push_back(made);
    }
    const auto judged = policy.judge(packet(kFrom, kTo, 6, 80));
    CHECK(judged.allow);
    CHECK(judged.origin.policy == "p" + std::to_string(first));
  }
}

TEST_CASE("Pass goes on with the next tier, and a tier that denies ends there") {
  Policy policy;
  const auto passed = policy.set({cidr("10.0.0.0/24")}), allowed = policy.set({cidr("10.0.0.0/16")});
  auto& first = policy.tier("first", model::TierAction::Deny);
  first.rules = {rule(model::Action::Pass, "a", 0), rule(model::Action::Deny, "a", 1)};
  first.rules[0].source.in = {passed};
  first.rules[1].source.in = {policy.set({cidr("10.0.0.0/23")})};
  auto& second = policy.tier("second", model::TierAction::Pass);
  second.rules = {rule(model::Action::Deny, "b", 0), rule(model::Action::Pass, "b", 1), rule(model::Action::Deny, "b", 2)};
  second.rules[0].source.in = {policy.set({cidr("10.0.0.7")})};
  second.rules[1].source.in = {policy.set({cidr("10.0.0.8/29")})};
  second.rules[2].destination.in = {policy.set({cidr("10.9.0.0/16")})};
  auto& third = policy.tier("third", model::TierAction::Deny);
  third.rules = {rule(model::Action::Allow, "c", 0)};
  third.rules[0].source.in = {allowed};

  const auto judged = [&](const char* from, const char* to) { return policy.judge(packet(from, to, 6, 80)); };
  CHECK(judged("10.0.0.1", kTo) == resolve::Judgement{true, NW_REASON_POLICY, {"default", "c", 0}});
  CHECK(judged("10.0.0.7", kTo) == resolve::Judgement{false, NW_REASON_POLICY, {"default", "b", 0}});
  CHECK(judged("10.0.0.1", "10.9.0.1") == resolve::Judgement{false, NW_REASON_POLICY, {"default", "b", 2}});
  CHECK(judged("10.0.0.9", "10.9.0.1") == resolve::Judgement{true, NW_REASON_POLICY, {"default", "c", 0}});
  CHECK(judged("10.0.1.1", kTo) == resolve::Judgement{false, NW_REASON_POLICY, {"default", "a", 1}});
  CHECK(judged("10.0.9.1", kTo) == resolve::Judgement{false, NW_REASON_TIER_DEFAULT, {"first", "", -1}});
}

TEST_CASE("after the last tier the profiles decide, and deny what none of their rules matches") {
  Policy policy;
  policy.tier("first", model::TierAction::Pass).rules = {of_protocol(17)};
  auto in_profile = of_protocol(6);
  in_profile.origin = {"", "profile", 0};
  auto passing = of_protocol(132);
  passing.action = model::Action::Pass;
  passing.origin = {"", "profile", 1};
  policy.resolved.endpoints[0].chains[NW_CHAIN_INGRESS].profile_rules = {in_profile, passing};
  CHECK(policy.judge(packet(kFrom, kTo, 17)).reason == NW_REASON_POLICY);
  CHECK(policy.judge(packet(kFrom, kTo, 6)) == resolve::Judgement{true, NW_REASON_PROFILE, {"", "profile", 0}});
  CHECK(policy.judge(packet(kFrom, kTo, 132)) == resolve::Judgement{false, NW_REASON_PROFILE, {"", "profile", 1}});
  CHECK(policy.judge(packet(kFrom, kTo, 50)) == resolve::Judgement{false, NW_REASON_NO_PROFILE, {}});
}

TEST_CASE("an endpoint without policy denies everything under no_profile") {
  CHECK(Policy{}.judge(packet(kFrom, kTo, 6)) == resolve::Judgement{false, NW_REASON_NO_PROFILE, {}});
  CHECK(Policy{}.judge(packet("::1", "::2", 6, 1, NW_EGRESS)) == resolve::Judgement{false, NW_REASON_NO_PROFILE, {}});
}

TEST_CASE("endpoints and directions do not mix") {
  Policy policy;
  policy.tier("default", model::TierAction::Deny).rules = {of_protocol(6)};
  auto& other = policy.endpoint("other");
  other.chains[NW_CHAIN_EGRESS].tiers = {{.name = "default", .rules = {of_protocol(17)}, .end = model::TierAction::Deny}};
  CHECK(policy.judge(packet(kFrom, kTo, 6)).allow);
  CHECK_FALSE(policy.judge(packet(kFrom, kTo, 6, 0, NW_EGRESS)).allow);
  CHECK_FALSE(policy.judge(packet(kFrom, kTo, 6), "other").allow);
  CHECK(policy.judge(packet(kFrom, kTo, 17, 0, NW_EGRESS), "other").allow);
  CHECK_FALSE(policy.judge(packet(kFrom, kTo, 6, 0, NW_EGRESS), "other").allow);
}

TEST_CASE("a slot that nobody has is a fault") {
  const Policy policy;
  const auto image = compile(policy.resolved, assign_slots({}, policy.resolved));
  REQUIRE(image);
  CHECK(evaluate(*image, 1, packet(kFrom, kTo, 6)).reason == NW_REASON_FAULT_ENDPOINT);
  Slots sparse = assign_slots({}, policy.resolved);
  sparse.endpoints["hep"] = 3;
  const auto other = compile(policy.resolved, sparse);
  REQUIRE(other);
  CHECK(evaluate(*other, 1, packet(kFrom, kTo, 6)).reason == NW_REASON_FAULT_ENDPOINT);
  CHECK(evaluate(*other, 3, packet(kFrom, kTo, 6)).reason == NW_REASON_NO_PROFILE);
}

TEST_CASE("endpoints that list the same profiles in another order share what they can") {
  Policy policy;
  auto first = of_protocol(6), second = of_protocol(6);
  first.origin = {"", "one", 0};
  second.origin = {"", "two", 0};
  second.action = model::Action::Deny;
  policy.resolved.endpoints[0].chains[NW_CHAIN_INGRESS].profile_rules = {first, second};
  policy.endpoint("other").chains[NW_CHAIN_INGRESS].profile_rules = {second, first};
  CHECK(policy.judge(packet(kFrom, kTo, 6)).origin.policy == "one");
  CHECK(policy.judge(packet(kFrom, kTo, 6), "other").origin.policy == "two");
}

TEST_CASE("rules that share an origin are one entry of the rule table with the slot of their direction") {
  Policy policy;
  auto one = of_protocol(6), two = of_protocol(17);
  policy.tier("default", model::TierAction::Deny).rules = {one, two};
  policy.resolved.endpoints[0].chains[NW_CHAIN_EGRESS] = policy.resolved.endpoints[0].chains[NW_CHAIN_INGRESS];
  auto slots = assign_slots({}, policy.resolved);
  slots.rules.at({NW_EGRESS, one.origin}) = 77;
  const auto image = compile(policy.resolved, slots);
  REQUIRE(image);
  CHECK(image->cost.rules == 4);  // the rule and the end, each way
  CHECK(image->origins.size() == 4);
  nw_image_header header;
  std::memcpy(&header, image->lines.data(), sizeof(header));
  std::set<std::uint32_t> counters;
  for (std::uint32_t i = 0; i < header.rule_count; ++i) {
    nw_image_rule entry;
    std::memcpy(&entry, reinterpret_cast<const char*>(&image->lines[header.rule_base]) + i * sizeof(entry), sizeof(entry));
    counters.insert(entry.counter);
  }
  CHECK(counters.contains(77));
  CHECK(counters.contains(slots.rules.at({NW_INGRESS, one.origin})));
}

TEST_CASE("an image says of each direction which addresses its chains look at, in any variant") {
  const auto needs = [](const Policy& policy) {
    const auto image = compile(policy.resolved, assign_slots({}, policy.resolved));
    REQUIRE(image);
    return reinterpret_cast<const nw_image_header*>(image->lines.data())->needs;
  };
  Policy policy;
  const auto peers = policy.set({cidr("10.0.0.0/24")});
  auto& chains = policy.resolved.endpoints[0].chains;
  CHECK(needs(policy) == 0);
  auto from_peers = any();
  from_peers.source.in = {peers};
  policy.tier("default", model::TierAction::Deny).rules = {from_peers};
  CHECK(needs(policy) == NW_NEEDS_SOURCE);
  CHECK(nw_chain_needs(needs(policy), NW_CHAIN_EGRESS) == 0);
  auto to_peers = any();
  to_peers.destination.in = {peers};
  chains[NW_CHAIN_EGRESS].tiers.push_back({.name = "default", .rules = {to_peers}, .end = model::TierAction::Deny});
  CHECK(needs(policy) == (NW_NEEDS_SOURCE | NW_NEEDS_DESTINATION << 2));
  policy.resolved.endpoints[0].staged[NW_CHAIN_INGRESS] = chains[NW_CHAIN_EGRESS];
  CHECK(needs(policy) == (NW_NEEDS_SOURCE | NW_NEEDS_DESTINATION | NW_NEEDS_DESTINATION << 2));
}

TEST_CASE("the same policy compiles to the same bytes") {
  Policy policy;
  auto rule = any();
  rule.source.in = {policy.set({cidr("10.0.0.0/24"), cidr("2001:db8::/64")})};
  policy.tier("default", model::TierAction::Deny).rules = {rule, of_protocol(6)};
  const auto slots = assign_slots({}, policy.resolved);
  const auto one = compile(policy.resolved, slots), two = compile(policy.resolved, slots);
  REQUIRE(one);
  REQUIRE(two);
  CHECK(one->lines.size() == two->lines.size());
  CHECK(std::memcmp(one->lines.data(), two->lines.data(), one->lines.size() * sizeof(nw_line)) == 0);
}

}  // namespace nodewall::compile::test
