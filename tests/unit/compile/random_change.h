// Random changes of a policy, small ones mostly, as a day of them brings: for tests that go on from one policy to the next.
#pragma once

#include <functional>

#include "random_policy.h"
#include "resolve/address_sets.h"

namespace nodewall::compile::test {

class Story {
 public:
  explicit Story(Random& random) : random_(random), normal_(chance(random, 80)), calm_(chance(random, 50)) {
    begin();
    asked_.sets = policy_.sets;
  }

  [[nodiscard]] const resolve::Resolved& policy() const { return policy_; }
  // The sets of the last policies too: what went is to be asked for as well.
  [[nodiscard]] const resolve::Resolved& asked() const { return asked_; }

  void go_on() {
    past_.push_back(policy_);
    if (past_.size() > 12) past_.erase(past_.begin());
    for (auto changes = 1 + below(random_, 3); changes > 0; --changes) change();
    if (normal_) normalize();
    asked_.sets.insert(asked_.sets.end(), policy_.sets.begin(), policy_.sets.end());
    if (asked_.sets.size() > 60) asked_.sets.erase(asked_.sets.begin(), asked_.sets.end() - 60);
  }

 private:
  using Rules = SharedList<resolve::ResolvedRule>;

  void begin() {
    policy_ = random_policy(random_);
    if (chance(random_, 15))  // many endpoints that have lists in common
      for (std::size_t i = policy_.endpoints.size(); i < 12; ++i) {
        policy_.endpoints.push_back(policy_.endpoints[below(random_, i)]);
        policy_.endpoints.back().host_endpoint = "hep" + std::to_string(i);
      }
    if (normal_) normalize();
  }

  void normalize() {
    for (auto& set : policy_.sets) {
      std::vector<Cidr> members(set.members.begin(), set.members.end());
      auto normal = resolve::normalized(members);
      if (normal != members) set.members = CidrList(std::move(normal));
    }
  }

  void change() {
    const auto kind = below(random_, calm_ && !chance(random_, 10) ? 84 : 100);
    if (kind < 42) edit_rule();
    else if (kind < 84) change_members();
    else if (kind < 89) exchange_sets();
    else if (kind < 93) policy_ = past_[below(random_, past_.size())];
    else change_structure();
  }

  resolve::AddressSet& some_set() { return policy_.sets[below(random_, policy_.sets.size())]; }

  // The rules of some list of the policy; null: it has none there.
  Rules* some_rules() {
    auto& endpoint = policy_.endpoints[below(random_, policy_.endpoints.size())];
    const auto chain = below(random_, NW_CHAIN_PRE_DNAT + 1);
    auto& list = endpoint.staged[chain] && chance(random_, 30) ? *endpoint.staged[chain] : endpoint.chains[chain];
    if (list.tiers.empty() || chance(random_, 20)) return list.profile_rules.empty() ? nullptr : &list.profile_rules;
    return &list.tiers[below(random_, list.tiers.size())].rules;
  }

  static void each_list(resolve::Resolved& policy, const std::function<void(Rules&)>& see) {
    const auto see_chain = [&](resolve::ChainPolicy& chain) {
      for (auto& tier : chain.tiers) see(tier.rules);
      see(chain.profile_rules);
    };
    for (auto& endpoint : policy.endpoints) {
      for (auto& chain : endpoint.chains) see_chain(chain);
      for (auto& chain : endpoint.staged)
        if (chain) see_chain(*chain);
    }
  }

  // A rule stands in several lists, and changes in all of them: mostly.
  void edit_rule() {
    auto* rules = some_rules();
    if (rules == nullptr || rules->empty()) return;
    auto& place = (*rules)[below(random_, rules->size())];
    const auto before = place;
    const auto after = edited(before);
    if (chance(random_, 20)) {
      place = after;
      return;
    }
    each_list(policy_, [&](Rules& list) { std::ranges::replace(list, before, after); });
  }

  resolve::ResolvedRule edited(resolve::ResolvedRule rule) {
    auto made = random_rule(random_, policy_.sets.size(), {});
    made.origin = rule.origin;
    if (calm_ || !chance(random_, 5)) made.action = rule.action;
    const bool icmp = rule.protocols == made.protocols && (rule.icmp || rule.not_icmp || made.icmp || made.not_icmp);
    switch (calm_ ? 1 + below(random_, 8) : below(random_, 9)) {
      case 0: return made;
      case 1: rule.source.in = made.source.in; break;
      case 2: rule.source.not_in = made.source.not_in; break;
      case 3: std::swap(rule.destination.in, rule.source.in); break;
      case 4: rule.destination = made.destination; break;
      case 5:
        if (!rule.icmp && !rule.not_icmp) rule.source.ports = chance(random_, 30) ? std::nullopt : std::optional(random_ports(random_));
        break;
      case 6:
        if (!icmp) break;
        rule.icmp = made.icmp;
        rule.not_icmp = made.not_icmp;
        break;
      case 7:
        if (!calm_) rule.action = rule.action == model::Action::Allow ? model::Action::Deny : model::Action::Allow;
        break;
      default: break;
    }
    if (!rule.icmp && !rule.not_icmp && chance(random_, 50) && (!calm_ || rule.destination.ports)) rule.destination.ports = random_ports(random_);
    if (rule.icmp || rule.not_icmp) rule.destination.ports.reset();
    return rule;
  }

  static bool overlap(const Cidr& a, const Cidr& b) { return a.contains(b.address) || b.contains(a.address); }

  // What was taken from a set is given back to it, or to another.
  void change_members() {
    auto& set = some_set().members;
    if (!set.empty() && chance(random_, 40)) {
      taken_.push_back(set[below(random_, set.size())]);
      set = set.without(taken_.back());
      return;
    }
    const bool back = !taken_.empty() && chance(random_, 50);
    const auto net = back ? taken_[below(random_, taken_.size())] : random_net(random_);
    if (!normal_ && chance(random_, 90) && std::ranges::any_of(set, [&](const Cidr& it) { return overlap(it, net); })) return;
    set = set.with(net);
  }

  void exchange_sets() {
    auto& one = some_set();
    auto& other = some_set();
    if (chance(random_, 50)) std::swap(one, other);
    else one = other;
    if (chance(random_, 50)) change_members();
  }

  void change_structure() {
    auto* rules = some_rules();
    switch (below(random_, 7)) {
      case 0: some_set() = random_set(random_); break;
      case 1: policy_.sets.insert(policy_.sets.end() - static_cast<std::ptrdiff_t>(below(random_, 2)), random_set(random_)); break;
      case 2:
        if (rules != nullptr && !rules->empty()) rules->erase(rules->begin() + static_cast<std::ptrdiff_t>(below(random_, rules->size())));
        break;
      case 3:
        if (rules != nullptr && !rules->empty()) std::swap(rules->front(), rules->back());
        break;
      case 4: {
        auto& endpoint = policy_.endpoints[below(random_, policy_.endpoints.size())];
        endpoint.chains[NW_CHAIN_EGRESS] = random_chain(random_, policy_.sets.size(), NW_CHAIN_EGRESS);
        break;
      }
      case 5: {
        const auto chain = static_cast<std::uint32_t>(below(random_, NW_CHAIN_PRE_DNAT + 1));
        auto& endpoint = policy_.endpoints[below(random_, policy_.endpoints.size())];
        if (endpoint.staged[chain]) endpoint.staged[chain].reset();
        else endpoint.staged[chain] = random_staged(random_, policy_.sets.size(), chain, endpoint.chains[chain]);
        break;
      }
      default:
        if (chance(random_, 30)) begin();
    }
  }

  Random& random_;
  bool normal_ = true;  // the sets are as resolve() makes them: no member covers another
  bool calm_ = false;   // next to nothing that is compiled anew
  resolve::Resolved policy_, asked_;
  std::vector<resolve::Resolved> past_;
  std::vector<Cidr> taken_;
};

}  // namespace nodewall::compile::test
