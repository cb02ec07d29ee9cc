// Random changes of resources, one after the other: what a resolver that remembers says is what one says that begins.
//
//   NODEWALL_SEED=n     begins with story n
//   NODEWALL_SECONDS=n  goes on for so long
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>

#include "harness/generator.h"
#include "resolve/resolver.h"

using namespace nodewall;
using namespace nodewall::test;

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Story {
 public:
  explicit Story(std::uint64_t seed) : random_(seed), shape_(random_.percent(15) ? Shape{.policies = 4, .rules = 200, .sets = 6, .nets = 20} : random_shape(random_)) {
    current_ = random_scenario(random_, shape_);
    other_ = random_scenario(random_, shape_);
  }

  [[nodiscard]] const Scenario& current() const { return current_; }

  void go_on() {
    past_.push_back(current_);
    if (past_.size() > 6) past_.erase(past_.begin());
    for (auto changes = random_.below(4); changes > 0; --changes) change();
  }

 private:
  void change() {
    const auto kind = random_.below(100);
    if (kind < 30) change_members();
    else if (kind < 55) change_rules();
    else if (kind < 65) exchange_object();
    else if (kind < 72) change_labels();
    else if (kind < 80) change_endpoint();
    else if (kind < 84) change_profile();
    else if (kind < 88) change_failsafe();
    else if (kind < 91) change_policy();
    else if (kind < 94) change_facts();
    else if (kind < 97) read_again();
    else current_ = random_.pick(past_);
  }

  // A resource of that kind; null: there is none.
  template <typename Spec>
  model::Resource* some() {
    std::vector<model::Resource*> all;
    for (auto& [id, resource] : current_.resources)
      if (std::holds_alternative<Spec>(resource.spec)) all.push_back(&resource);
    return all.empty() ? nullptr : random_.pick(all);
  }
  template <typename Spec>
  Spec* some_spec() {
    auto* resource = some<Spec>();
    return resource == nullptr ? nullptr : &std::get<Spec>(resource->spec);
  }

  Cidr some_net() {
    for (const auto* from : {&other_, &current_})
      for (const auto& [id, resource] : from->resources)
        if (const auto* set = std::get_if<model::GlobalNetworkSet>(&resource.spec); set != nullptr && !set->nets.empty() && random_.percent(40))
          return random_.pick(set->nets);
    return random_.pick(random_.pick(current_.facts.interfaces).addresses);
  }

  void change_members() {
    auto* set = some_spec<model::GlobalNetworkSet>();
    if (set == nullptr) return;
    auto net = some_net();
    if (random_.percent(20)) net.prefix = static_cast<std::uint8_t>(random_.below((net.address.family == Family::v4 ? 32U : 128U) + 1));
    const auto place = set->nets.empty() ? 0 : random_.below(set->nets.size());
    if (set->nets.empty() || random_.percent(35)) set->nets.push_back(net);
    else if (random_.percent(60)) set->nets.erase(set->nets.begin() + static_cast<std::ptrdiff_t>(place));
    else if (random_.percent(50)) set->nets[place] = net;
    else set->nets.insert(set->nets.begin() + static_cast<std::ptrdiff_t>(place), set->nets[random_.below(set->nets.size())]);
    if (random_.percent(5)) set->nets.clear();
  }

  SharedList<model::Rule>* some_rules() {
    const bool ingress = random_.percent(60);
    if (random_.percent(15))
      if (auto* profile = some_spec<model::Profile>()) return ingress ? &profile->ingress : &profile->egress;
    if (random_.percent(20))
      if (auto* staged = some_spec<model::StagedGlobalNetworkPolicy>()) return ingress ? &staged->policy.ingress : &staged->policy.egress;
    auto* policy = some_spec<model::GlobalNetworkPolicy>();
    return policy == nullptr ? nullptr : ingress ? &policy->ingress : &policy->egress;
  }

  void change_rules() {
    auto* rules = some_rules();
    if (rules == nullptr) return;
    auto rule = random_rule(random_, true);
    const auto place = rules->empty() ? 0 : random_.below(rules->size());
    if (rules->empty() || random_.percent(15)) rules->push_back(rule);
    else if (random_.percent(15)) rules->erase(rules->begin() + static_cast<std::ptrdiff_t>(place));
    else if (random_.percent(15)) rules->insert(rules->begin() + static_cast<std::ptrdiff_t>(place), rule);
    else if (random_.percent(40)) (*rules)[place] = rule;
    else if (random_.percent(50)) (*rules)[place].source = rule.source;
    else (*rules)[place].destination.ports = rule.destination.ports;
  }

  void exchange_object() {
    const auto& from = random_.percent(70) ? other_.resources : current_.resources;
    if (from.empty()) return;
    const auto [id, resource] = random_.pick(from);
    if (random_.percent(30)) current_.resources.erase(id);
    else current_.resources.insert_or_assign(id, resource);
    if (random_.percent(20)) other_ = random_scenario(random_, shape_);
  }

  void change_labels() {
    auto* resource = random_.percent(50) ? some<model::GlobalNetworkSet>() : some<model::HostEndpoint>();
    if (resource == nullptr) return;
    auto& labels = resource->metadata.labels;
    if (!labels.empty() && random_.percent(50)) labels.erase(labels.begin());
    else labels = random_.pick(other_.resources).second.metadata.labels;
  }

  void change_endpoint() {
    auto* endpoint = some_spec<model::HostEndpoint>();
    if (endpoint == nullptr) return;
    switch (random_.below(4)) {
      case 0: endpoint->expected_ips.push_back(some_net().address); break;
      case 1: if (endpoint->expected_ips.size() > 1) endpoint->expected_ips.pop_back(); break;
      case 2: if (!endpoint->ports.empty()) endpoint->ports.back().port ^= 1; break;
      default: endpoint->node = endpoint->node == "node1" ? "node2" : "node1";
    }
  }

  void change_profile() {
    auto* profile = some_spec<model::Profile>();
    if (profile != nullptr) profile->labels_to_apply = random_.pick(other_.resources).second.metadata.labels;
  }

  void change_failsafe() {
    auto* felix = some_spec<model::FelixConfiguration>();
    if (felix == nullptr) return;
    auto& ports = random_.percent(50) ? felix->failsafe_inbound : felix->failsafe_outbound;
    if (ports && random_.percent(40)) {
      ports.reset();
      return;
    }
    if (!ports) ports.emplace();
    constexpr std::array<std::uint16_t, 5> kPorts = {22, 53, 80, 443, 8080};
    for (const std::uint8_t protocol : {6, 17}) ports->push_back({.protocol = {protocol}, .port = random_.pick(kPorts), .net = {}});
  }

  void change_policy() {
    auto* policy = some_spec<model::GlobalNetworkPolicy>();
    if (policy == nullptr) return;
    const auto* like = std::get_if<model::GlobalNetworkPolicy>(&random_.pick(other_.resources).second.spec);
    if (like == nullptr) return;
    policy->tier = like->tier;
    policy->order = like->order;
    policy->selector = like->selector;
    if (!policy->pre_dnat && !policy->do_not_track) policy->apply_on_forward = like->apply_on_forward;
  }

  void change_facts() {
    if (random_.percent(30)) current_.facts.node = current_.facts.node == "node1" ? "node2" : "node1";
    else if (current_.facts.interfaces.size() > 1 && random_.percent(50)) current_.facts.interfaces.pop_back();
    else current_.facts = other_.facts;
  }

  // As a reader makes it who has no memory: nothing is shared with what was before.
  void read_again() {
    for (auto& [id, resource] : current_.resources) {
      const auto copy = [](auto& list) { list = std::vector(list.begin(), list.end()); };
      if (auto* set = std::get_if<model::GlobalNetworkSet>(&resource.spec)) copy(set->nets);
      if (auto* policy = std::get_if<model::GlobalNetworkPolicy>(&resource.spec)) {
        copy(policy->ingress);
        copy(policy->egress);
      }
    }
  }

  Random random_;
  Shape shape_;
  Scenario current_, other_;
  std::vector<Scenario> past_;
};

// Said one by one: the whole does not fit on a screen.
void check_same(const resolve::Resolved& remembered, const resolve::Resolved& fresh) {
  CHECK(remembered.sets.size() == fresh.sets.size());
  CHECK((remembered.sets == fresh.sets));
  CHECK((remembered.endpoints == fresh.endpoints));
  CHECK((remembered.conditions == fresh.conditions));
  REQUIRE((remembered == fresh));
}

}  // namespace

TEST_CASE("a resolver that remembers answers as one that begins, whatever changes") {
  const auto seconds = number_from("NODEWALL_SECONDS", 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  const auto first = number_from("NODEWALL_SEED", std::random_device{}());
  std::cout << "NODEWALL_SEED=" << first << "\n";
  for (auto seed = first; seed < first + 150 || std::chrono::steady_clock::now() < end; ++seed) {
    CAPTURE(seed);
    Story story(seed);
    resolve::Resolver resolver;
    for (int i = 0; i < 25; ++i) {
      CAPTURE(i);
      const auto& [resources, facts] = story.current();
      check_same(resolver.resolve(resources, facts), resolve::resolve(resources, facts));
      story.go_on();
    }
  }
}
