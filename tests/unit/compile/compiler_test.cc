// A compiler that goes on from the last policy answers as one that begins anew: random sequences of changes, each compared with a fresh
// compilation, the plain scan and the oracle. NODEWALL_SEED repeats a run.
#include <catch2/catch_test_macros.hpp>

#include <cstring>

#include "compile/compiler.h"
#include "oracle/oracle.h"
#include "random_policy.h"

namespace nodewall::compile::test {
namespace {

// The rules of some list of the policy; null: it has none there.
std::vector<resolve::ResolvedRule>* some_rules(Random& random, resolve::Resolved& policy) {
  auto& endpoint = policy.endpoints[below(random, policy.endpoints.size())];
  const auto chain = below(random, NW_CHAIN_PRE_DNAT + 1);
  auto& list = endpoint.staged[chain] && chance(random, 30) ? *endpoint.staged[chain] : endpoint.chains[chain];
  if (list.tiers.empty() || chance(random, 20)) return list.profile_rules.empty() ? nullptr : &list.profile_rules;
  return &list.tiers[below(random, list.tiers.size())].rules;
}

void edit_rule(Random& random, resolve::Resolved& policy) {
  auto* rules = some_rules(random, policy);
  if (rules == nullptr || rules->empty()) return;
  auto& rule = (*rules)[below(random, rules->size())];
  auto made = random_rule(random, policy.sets.size(), {});
  made.origin = rule.origin;
  if (!chance(random, 10)) made.action = rule.action;
  switch (below(random, 4)) {
    case 0: rule = made; break;
    case 1: rule.source.in = made.source.in; break;
    case 2: rule.destination = made.destination; break;
    default:
      if (!rule.icmp && !rule.not_icmp) rule.destination.ports = random_ports(random);
  }
}

bool overlap(const Cidr& a, const Cidr& b) { return a.contains(b.address) || b.contains(a.address); }

void change_members(Random& random, resolve::Resolved& policy) {
  auto& set = policy.sets[below(random, policy.sets.size())].members;
  if (!set.empty() && chance(random, 40)) {
    set = set.without(set[below(random, set.size())]);
    return;
  }
  const auto net = random_net(random);
  if (chance(random, 90) && std::ranges::any_of(set, [&](const Cidr& it) { return overlap(it, net); })) return;
  set = set.with(net);
}

void change_structure(Random& random, resolve::Resolved& policy) {
  auto* rules = some_rules(random, policy);
  switch (below(random, 6)) {
    case 0: policy.sets[below(random, policy.sets.size())] = random_set(random); break;
    case 1: policy.sets.insert(policy.sets.end() - static_cast<std::ptrdiff_t>(below(random, 2)), random_set(random)); break;
    case 2:
      if (rules != nullptr && !rules->empty()) rules->erase(rules->begin() + static_cast<std::ptrdiff_t>(below(random, rules->size())));
      break;
    case 3:
      if (rules != nullptr && !rules->empty()) std::swap(rules->front(), rules->back());
      break;
    case 4: {
      auto& endpoint = policy.endpoints[below(random, policy.endpoints.size())];
      endpoint.chains[NW_CHAIN_EGRESS] = random_chain(random, policy.sets.size(), NW_CHAIN_EGRESS);
      break;
    }
    default: policy = random_policy(random); break;
  }
}

void change(Random& random, resolve::Resolved& policy) {
  const auto kind = below(random, 100);
  if (kind < 45) edit_rule(random, policy);
  else if (kind < 90) change_members(random, policy);
  else change_structure(random, policy);
}

// The lines of the image before with the changed ones copied over are the lines of the image.
void apply(std::vector<nw_line>& copy, const TableImage& image, const std::optional<std::vector<LineRange>>& changes) {
  if (!changes) {
    copy = image.lines;
    return;
  }
  REQUIRE(copy.size() <= image.lines.size());
  copy.resize(image.lines.size());
  for (const auto& range : *changes) {
    REQUIRE(range.first + range.count <= image.lines.size());
    std::copy_n(image.lines.begin() + range.first, range.count, copy.begin() + range.first);
  }
  REQUIRE(std::memcmp(copy.data(), image.lines.data(), copy.size() * sizeof(nw_line)) == 0);
}

struct Answers {
  const resolve::Resolved& policy;
  const TableImage& kept;
  const TableImage& fresh;
  const Slots& slots;

  void compare(std::size_t endpoint, const resolve::PacketQuery& packet) const {
    const auto slot = slots.endpoints.at(policy.endpoints[endpoint].host_endpoint);
    const ImageReader kept_reader(kept.lines), fresh_reader(fresh.lines);
    for (const std::uint32_t variant : {NW_VARIANT_ENFORCED, NW_VARIANT_LOG, NW_VARIANT_STAGED})
      for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
        const auto answer = test::ask(kept, slot, variant, chain, packet);
        CAPTURE(to_string(packet.source), to_string(packet.destination), packet.protocol, packet.source_port, packet.destination_port,
                endpoint, variant, chain);
        REQUIRE(answer == scan(policy, endpoint, variant, chain, packet));
        REQUIRE(answer == test::ask(fresh, slot, variant, chain, packet));
        REQUIRE(kept_reader.ask(slot, variant, chain, packet).counter == fresh_reader.ask(slot, variant, chain, packet).counter);
        const auto& it = policy.endpoints[endpoint];
        if (variant != NW_VARIANT_ENFORCED || !it.has(chain)) continue;
        REQUIRE(oracle::judge_chain(policy, it.chains[chain], variant, chain, packet) ==
                oracle::ChainVerdict{answer.verdict, answer.reason, answer.origin});
      }
  }
};

}  // namespace

TEST_CASE("after any sequence of changes a compiler's image answers as a fresh one, and the changed lines are all that changed") {
  const auto first = seed();
  std::size_t kept = 0, changed = 0;
  for (std::uint64_t round = 0; round < 60; ++round) {
    CAPTURE(first + round);
    Random random(first + round);
    Compiler compiler;
    Slots slots;
    std::vector<nw_line> copy;
    auto policy = random_policy(random);
    for (int step = 0; step < 40; ++step) {
      CAPTURE(step);
      slots = assign_slots(slots, policy);
      const auto next = std::make_shared<const resolve::Resolved>(policy);
      REQUIRE(compiler.update(next, slots));
      kept += compiler.changes() ? 1 : 0;
      changed += 1;
      apply(copy, compiler.image(), compiler.changes());
      const auto fresh = compile(*next, slots);
      REQUIRE(fresh);
      const Answers answers{*next, compiler.image(), *fresh, slots};
      for (int i = 0; i < 12; ++i) answers.compare(below(random, policy.endpoints.size()), random_packet(random, policy));
      for (auto changes = 1 + below(random, 3); changes > 0; --changes) change(random, policy);
    }
  }
  CHECK(kept * 3 > changed);  // or nothing was tried
  std::cout << kept << " of " << changed << " changes were taken over\n";
}

}  // namespace nodewall::compile::test
