// Chains beside the host's own, Log rules and staged policies, by hand.
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "reference.h"

namespace nodewall::compile::test {
namespace {

constexpr auto kFrom = "10.0.0.1";
constexpr auto kTo = "10.1.0.1";
constexpr std::uint32_t kSlot = 0;

struct Policy {
  resolve::Resolved resolved;
  Slots slots;
  TableImage image;

  Policy() { resolved.endpoints.emplace_back().host_endpoint = "hep"; }

  resolve::EndpointPolicy& endpoint() { return resolved.endpoints[0]; }
  resolve::SetIndex set(const char* net) {
    resolved.sets.push_back({{cidr(net)}});
    return static_cast<resolve::SetIndex>(resolved.sets.size() - 1);
  }
  void compile_it() {
    slots = assign_slots({}, resolved);
    auto made = compile(resolved, slots);
    if (!made) FAIL(made.error().message());
    image = std::move(*made);
  }
  [[nodiscard]] nw_image_header header() const {
    nw_image_header header;
    std::memcpy(&header, image.lines.data(), sizeof(header));
    return header;
  }
  [[nodiscard]] ChainAnswer judge(std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& packet) const {
    return test::ask(image, kSlot, variant, chain, packet);
  }
  [[nodiscard]] std::uint32_t counter(std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& packet) const {
    return ImageReader(image.lines).ask(kSlot, variant, chain, packet).counter;
  }
  [[nodiscard]] bool logged(std::uint32_t chain, const resolve::PacketQuery& packet) const {
    return judge(NW_VARIANT_LOG, chain, packet).verdict == NW_LOG;
  }
};

resolve::ResolvedRule of_protocol(model::Action action, std::uint8_t protocol, std::int32_t index, std::string policy = "p") {
  auto made = rule(action, std::move(policy), index);
  made.protocols.reset();
  made.protocols.set(protocol);
  return made;
}

resolve::ResolvedRule log_rule(std::int32_t index) { return rule(model::Action::Log, "p", index); }

const ChainAnswer kNext = {NW_NEXT, NW_REASON_NONE, {}, false};

}  // namespace

TEST_CASE("a policy of no new kind makes the two chains of the host and nothing else") {
  Policy policy;
  policy.compile_it();
  CHECK(policy.header().chains == (nw_chain_bit(NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS) | nw_chain_bit(NW_VARIANT_ENFORCED, NW_CHAIN_EGRESS)));
  CHECK(policy.image.cost.rules == 2);  // the end of the profiles, each way
  for (std::uint32_t variant = 0; variant < NW_VARIANTS; ++variant)
    for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
      if (variant == NW_VARIANT_ENFORCED && chain <= NW_CHAIN_EGRESS) continue;
      CHECK(policy.judge(variant, chain, packet(kFrom, kTo, 6)) == kNext);
    }
}

TEST_CASE("a forward chain is open behind its last tier, and Pass leads there") {
  for (const std::uint32_t chain : {NW_CHAIN_FORWARD_INGRESS, NW_CHAIN_FORWARD_EGRESS}) {
    Policy policy;
    policy.endpoint().chains[chain].tiers = {
        {.name = "one", .rules = {of_protocol(model::Action::Deny, 6, 0), of_protocol(model::Action::Pass, 17, 1)}, .end = model::TierAction::Pass},
        {.name = "two", .rules = {of_protocol(model::Action::Pass, 17, 2), of_protocol(model::Action::Deny, 50, 3)}, .end = model::TierAction::Pass}};
    policy.compile_it();
    const auto judged = [&](std::uint8_t protocol) { return policy.judge(NW_VARIANT_ENFORCED, chain, packet(kFrom, kTo, protocol)); };
    const ChainAnswer open = {NW_ALLOW, NW_REASON_FORWARDED, {}, false};
    CHECK(judged(6) == ChainAnswer{NW_DENY, NW_REASON_POLICY, {"default", "p", 0}, false});
    CHECK(judged(50) == ChainAnswer{NW_DENY, NW_REASON_POLICY, {"default", "p", 3}, false});
    CHECK(judged(17) == open);
    CHECK(judged(1) == open);
    CHECK(policy.counter(NW_VARIANT_ENFORCED, chain, packet(kFrom, kTo, 1)) == NW_NO_COUNTER);
    CHECK((policy.header().chains & nw_chain_bit(NW_VARIANT_ENFORCED, chain)) != 0);
    policy.endpoint().chains[chain].tiers[1].end = model::TierAction::Deny;
    policy.compile_it();
    CHECK(judged(17) == open);
    CHECK(judged(1) == ChainAnswer{NW_DENY, NW_REASON_TIER_DEFAULT, {"two", "", -1}, false});
  }
}

TEST_CASE("an untracked and a preDNAT chain leave what no rule of theirs decides to the next stage") {
  for (const std::uint32_t chain : {NW_CHAIN_UNTRACKED_INGRESS, NW_CHAIN_UNTRACKED_EGRESS, NW_CHAIN_PRE_DNAT}) {
    Policy policy;
    policy.endpoint().chains[chain].tiers = {
        {.name = "t", .rules = {of_protocol(model::Action::Allow, 6, 0), of_protocol(model::Action::Pass, 17, 1)}, .end = model::TierAction::Pass}};
    policy.compile_it();
    CHECK(policy.judge(NW_VARIANT_ENFORCED, chain, packet(kFrom, kTo, 6)) == ChainAnswer{NW_ALLOW, NW_REASON_POLICY, {"default", "p", 0}, false});
    CHECK(policy.judge(NW_VARIANT_ENFORCED, chain, packet(kFrom, kTo, 17)) == kNext);
    CHECK(policy.judge(NW_VARIANT_ENFORCED, chain, packet(kFrom, kTo, 50)) == kNext);
    CHECK(policy.counter(NW_VARIANT_ENFORCED, chain, packet(kFrom, kTo, 50)) == NW_NO_COUNTER);
  }
}

TEST_CASE("a rule asked for the host's own and for forwarded packets is one entry of the rule table") {
  Policy policy;
  auto& chains = policy.endpoint().chains;
  chains[NW_CHAIN_INGRESS].tiers = {{.name = "t", .rules = {of_protocol(model::Action::Allow, 6, 0)}, .end = model::TierAction::Deny}};
  policy.compile_it();
  const auto before = policy.image.cost.rules;
  chains[NW_CHAIN_FORWARD_INGRESS] = chains[NW_CHAIN_INGRESS];
  policy.compile_it();
  CHECK(policy.image.cost.rules == before);
  const auto tcp = packet(kFrom, kTo, 6);
  CHECK(policy.counter(NW_VARIANT_ENFORCED, NW_CHAIN_FORWARD_INGRESS, tcp) == policy.counter(NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS, tcp));
}

TEST_CASE("a packet is logged if a Log rule comes before the rule that decides") {
  Policy policy;
  auto deny_source = rule(model::Action::Deny, "p", 0), log_destination = log_rule(1), allow_both = rule(model::Action::Allow, "p", 2),
       log_protocol = of_protocol(model::Action::Log, 6, 3), log_later = log_rule(5);
  deny_source.source.in = {policy.set("10.0.0.9/32")};
  log_destination.destination.in = {policy.set("10.1.0.0/24")};
  allow_both.source.in = {policy.set("10.0.0.0/24")};
  allow_both.destination.in = {policy.set("10.2.0.0/24")};
  log_later.source.in = allow_both.source.in;
  auto& chain = policy.endpoint().chains[NW_CHAIN_INGRESS];
  chain.tiers = {{.name = "t",
                  .rules = {deny_source, log_destination, allow_both, log_protocol, of_protocol(model::Action::Allow, 17, 4), log_later},
                  .end = model::TierAction::Deny}};
  policy.compile_it();
  const auto logged = [&](const char* from, const char* to, std::uint8_t protocol) {
    return policy.logged(NW_CHAIN_INGRESS, packet(from, to, protocol));
  };
  CHECK_FALSE(logged("10.0.0.9", "10.1.0.1", 6));  // denied before
  CHECK(logged("10.0.0.1", "10.1.0.1", 6));
  CHECK_FALSE(logged("10.0.0.1", "10.2.0.1", 6));  // allowed before the second Log
  CHECK(logged("10.9.0.1", "10.2.0.1", 6));
  CHECK_FALSE(logged("10.9.0.1", "10.2.0.1", 17));
  CHECK_FALSE(logged("10.0.0.1", "10.3.0.1", 17));
  CHECK(logged("10.0.0.1", "10.3.0.1", 50));
  CHECK_FALSE(logged("10.9.0.1", "10.3.0.1", 50));  // no rule at all: the end of the tier
  CHECK(policy.judge(NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS, packet("10.0.0.1", "10.1.0.1", 6)).verdict == NW_DENY);
  CHECK((policy.header().chains & nw_chain_bit(NW_VARIANT_LOG, NW_CHAIN_INGRESS)) != 0);
  CHECK((policy.header().chains & nw_chain_bit(NW_VARIANT_LOG, NW_CHAIN_EGRESS)) == 0);
}

TEST_CASE("Log rules are asked across tiers and in profiles, and Pass leads past those of its tier") {
  Policy policy;
  auto& chain = policy.endpoint().chains[NW_CHAIN_EGRESS];
  auto in_profile = of_protocol(model::Action::Log, 50, 0);
  chain.tiers = {{.name = "one",
                  .rules = {of_protocol(model::Action::Pass, 6, 0), of_protocol(model::Action::Log, 6, 1), of_protocol(model::Action::Deny, 17, 2)},
                  .end = model::TierAction::Pass},
                 {.name = "two", .rules = {of_protocol(model::Action::Log, 17, 3)}, .end = model::TierAction::Pass}};
  chain.profile_rules = {of_protocol(model::Action::Pass, 132, 0), in_profile, of_protocol(model::Action::Log, 132, 2)};
  policy.compile_it();
  const auto logged = [&](std::uint8_t protocol) { return policy.logged(NW_CHAIN_EGRESS, packet(kFrom, kTo, protocol, 0, NW_EGRESS)); };
  CHECK_FALSE(logged(6));
  CHECK_FALSE(logged(17));
  CHECK(logged(50));
  CHECK_FALSE(logged(132));  // Pass in a profile denies
  CHECK_FALSE(logged(1));
  chain.tiers[0].end = model::TierAction::Deny;
  policy.compile_it();
  CHECK_FALSE(logged(50));
}

TEST_CASE("a Log rule for everything logs what nothing before it decides") {
  Policy policy;
  auto& chain = policy.endpoint().chains[NW_CHAIN_PRE_DNAT];
  chain.tiers = {{.name = "t", .rules = {of_protocol(model::Action::Allow, 6, 0), log_rule(1)}, .end = model::TierAction::Pass}};
  policy.compile_it();
  CHECK_FALSE(policy.logged(NW_CHAIN_PRE_DNAT, packet(kFrom, kTo, 6)));
  CHECK(policy.logged(NW_CHAIN_PRE_DNAT, packet(kFrom, kTo, 17)));
  CHECK(policy.counter(NW_VARIANT_LOG, NW_CHAIN_PRE_DNAT, packet(kFrom, kTo, 17)) == NW_NO_COUNTER);
  chain.tiers[0].rules.erase(chain.tiers[0].rules.begin());
  policy.compile_it();
  CHECK(policy.logged(NW_CHAIN_PRE_DNAT, packet(kFrom, kTo, 6)));
}

TEST_CASE("Log rules that no packet comes to make no entry") {
  Policy policy;
  auto impossible = log_rule(0);
  impossible.destination.ports.emplace();
  auto& tiers = policy.endpoint().chains[NW_CHAIN_INGRESS].tiers;
  tiers = {{.name = "t", .rules = {impossible, rule(model::Action::Allow, "p", 1), log_rule(2)}, .end = model::TierAction::Pass},
           {.name = "u", .rules = {log_rule(0)}, .end = model::TierAction::Pass}};
  policy.compile_it();
  CHECK((policy.header().chains & nw_chain_bit(NW_VARIANT_LOG, NW_CHAIN_INGRESS)) == 0);
  CHECK_FALSE(policy.logged(NW_CHAIN_INGRESS, packet(kFrom, kTo, 6)));
}

TEST_CASE("rules between two Log rules cost one entry of the rule table, however many there are") {
  Policy policy;
  auto& tiers = policy.endpoint().chains[NW_CHAIN_INGRESS].tiers;
  tiers = {{.name = "t", .rules = {}, .end = model::TierAction::Deny}};
  for (std::int32_t i = 0; i < 100; ++i)
    tiers[0].rules.push_back(of_protocol(model::Action::Deny, static_cast<std::uint8_t>(i), i));
  policy.compile_it();
  const auto before = policy.image.cost.rules;
  tiers[0].rules.push_back(log_rule(100));
  policy.compile_it();
  CHECK(policy.image.cost.rules == before + 2);
}

TEST_CASE("a staged variant says what staged policies would, with counters of their own") {
  Policy policy;
  auto& endpoint = policy.endpoint();
  endpoint.chains[NW_CHAIN_INGRESS].tiers = {{.name = "t", .rules = {of_protocol(model::Action::Allow, 6, 0)}, .end = model::TierAction::Deny}};
  auto staged = of_protocol(model::Action::Deny, 17, 0);  // of a policy with the same name
  staged.origin.staged = true;
  endpoint.staged[NW_CHAIN_INGRESS] = endpoint.chains[NW_CHAIN_INGRESS];
  auto& tiers = endpoint.staged[NW_CHAIN_INGRESS]->tiers;
  tiers[0].rules.insert(tiers[0].rules.begin(), staged);
  tiers[0].end = model::TierAction::Pass;
  tiers.push_back({.name = "new", .rules = {}, .end = model::TierAction::Deny, .staged = true});
  policy.compile_it();
  const auto judged = [&](std::uint8_t protocol) { return policy.judge(NW_VARIANT_STAGED, NW_CHAIN_INGRESS, packet(kFrom, kTo, protocol)); };
  CHECK(judged(17) == ChainAnswer{NW_DENY, NW_REASON_POLICY, {"default", "p", 0, true}, true});
  CHECK(judged(6) == ChainAnswer{NW_ALLOW, NW_REASON_POLICY, {"default", "p", 0}, false});
  CHECK(judged(50) == ChainAnswer{NW_DENY, NW_REASON_TIER_DEFAULT, {"new", "", -1, true}, true});
  CHECK(policy.judge(NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS, packet(kFrom, kTo, 17)).reason == NW_REASON_TIER_DEFAULT);
  CHECK(policy.counter(NW_VARIANT_STAGED, NW_CHAIN_INGRESS, packet(kFrom, kTo, 17)) == policy.slots.rules.at({NW_INGRESS, staged.origin}));
  CHECK(policy.counter(NW_VARIANT_STAGED, NW_CHAIN_INGRESS, packet(kFrom, kTo, 6)) ==
        policy.counter(NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS, packet(kFrom, kTo, 6)));
  CHECK((policy.header().chains >> NW_VARIANT_STAGED * NW_CHAINS) == 1);
}

TEST_CASE("staged policies make a variant of a chain that has no enforced one") {
  Policy policy;
  auto staged = of_protocol(model::Action::Deny, 17, 0);
  staged.origin.staged = true;
  policy.endpoint().staged[NW_CHAIN_FORWARD_EGRESS].emplace().tiers = {
      {.name = "t", .rules = {staged}, .end = model::TierAction::Pass, .staged = true}};
  policy.compile_it();
  CHECK(policy.judge(NW_VARIANT_ENFORCED, NW_CHAIN_FORWARD_EGRESS, packet(kFrom, kTo, 17)) == kNext);
  CHECK(policy.judge(NW_VARIANT_STAGED, NW_CHAIN_FORWARD_EGRESS, packet(kFrom, kTo, 17)) ==
        ChainAnswer{NW_DENY, NW_REASON_POLICY, {"default", "p", 0, true}, true});
  CHECK(policy.judge(NW_VARIANT_STAGED, NW_CHAIN_FORWARD_EGRESS, packet(kFrom, kTo, 6)) == ChainAnswer{NW_ALLOW, NW_REASON_FORWARDED, {}, false});
}

}  // namespace nodewall::compile::test
