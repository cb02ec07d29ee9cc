// resolve(): the endpoints of this node, the policies and profiles of each, and what has to be said about them.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <strings.h>
#include <utility>

#include "resolve/interfaces.h"
#include "resolve/resolver.h"
#include "resolve/rule_memory.h"
#include "resolve/tiers.h"

namespace nodewall::resolve {
namespace {

using model::Kind;
using Severity = Conditions::Severity;

constexpr std::size_t kSpareSets = 16;  // that nobody needs any more, and are still kept

struct BothDirections {
  SharedList<ResolvedRule> ingress, egress;
};

// One round of it.
class Resolution {
 public:
  Resolution(const model::ResourceSet& resources, const NodeFacts& facts, InventoryMemory& inventory, RuleMemory& rules, std::uint64_t round)
      : resources_(resources), facts_(facts), round_(round), inventory_(resources, inventory, round), sets_(inventory.sets, round),
        rule_memory_(rules), rule_context_{inventory_, sets_, conditions_} {
    for (const auto& profile : model::built_in_resources())
      built_in_.emplace(profile.metadata.name, std::get<model::Profile>(profile.spec));
  }

  Resolved run() {
    Resolved resolved;
    std::vector<Condition> of_settings;
    resolved.settings = settings_ = resolve_settings(resources_, facts_.node, of_settings);
    for (auto& it : of_settings) conditions_.add(it.severity, it.object, std::move(it.type), std::move(it.message));
    const auto own = own_endpoints();
    resolved.assignments = assign_interfaces(own, facts_, settings_, conditions_);
    resolved.local_addresses = local_addresses(facts_);
    resolved.broadcast_addresses = broadcast_addresses(facts_);
    const auto tiers = ordered_tiers(resources_, World::enforced, conditions_);
    for (const auto& endpoint : own) resolved.endpoints.push_back(resolve_endpoint(endpoint, tiers));
    report_policies(own, tiers, false);
    if (has_staged(resources_)) add_staged(own, resolved.endpoints);
    resolved.sets = sets_.take();
    resolved.conditions = conditions_.take();
    return resolved;
  }

 private:
  std::vector<KnownEndpoint> own_endpoints() {
    std::vector<KnownEndpoint> own;
    for (const auto& endpoint : inventory_.endpoints()) {
      const auto& node = endpoint.spec->node;
      if (node == facts_.node) {
        own.push_back(endpoint);
      } else if (::strcasecmp(node.c_str(), facts_.node.c_str()) == 0) {
        conditions_.add(Severity::warning, {Kind::HostEndpoint, endpoint.name}, "NodeNameMismatch",
                        fmt::format("its node is {}, this node is {}: the case of letters counts, and it is not enforced here", node,
                                    facts_.node));
      }
    }
    return own;
  }

  static bool selects(const model::GlobalNetworkPolicy& policy, const KnownEndpoint& endpoint) {
    if (policy.namespace_selector || policy.service_account_selector) return false;
    return !policy.selector || policy.selector->matches(endpoint.labels);
  }

  static bool is_wildcard(const KnownEndpoint& endpoint) { return endpoint.spec->interface_name == "*"; }

  EndpointPolicy resolve_endpoint(const KnownEndpoint& endpoint, const std::vector<OrderedTier>& tiers) {
    EndpointPolicy result;
    result.host_endpoint = endpoint.name;
    result.profiles = endpoint.spec->profiles;
    result.chains = chains_of(endpoint, tiers, result.policies);
    const bool has_tiers = !result.chains[NW_CHAIN_INGRESS].tiers.empty() || !result.chains[NW_CHAIN_EGRESS].tiers.empty();
    if (!has_tiers && result.profiles.empty()) {
      conditions_.add(Severity::warning, {Kind::HostEndpoint, endpoint.name}, "NoPolicyAndNoProfile",
                      "no policy selects it and it has no profile: all but the failsafe ports is closed");
    }
    return result;
  }

  // What the staged policies would make of the endpoints; only chains that would be others.
  void add_staged(const std::vector<KnownEndpoint>& own, std::vector<EndpointPolicy>& endpoints) {
    const auto tiers = ordered_tiers(resources_, World::staged, conditions_);
    for (std::size_t i = 0; i < own.size(); ++i) {
      std::vector<std::string> selected;
      auto chains = chains_of(own[i], tiers, selected);
      for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain)
        if (chains[chain] != endpoints[i].chains[chain]) endpoints[i].staged[chain] = std::move(chains[chain]);
      for (const auto& tier : tiers)
        for (const auto& policy : tier.policies)
          if (policy.is_staged() && selects(*policy.spec, own[i])) endpoints[i].staged_policies.push_back(tier.name + "/" + policy.id.name);
    }
    report_policies(own, tiers, true);
    report_staged();
  }

  using Chains = std::array<ChainPolicy, NW_CHAINS>;

  Chains chains_of(const KnownEndpoint& endpoint, const std::vector<OrderedTier>& tiers, std::vector<std::string>& selected) {
    Chains chains;
    for (const auto& tier : tiers) add_tier(endpoint, tier, chains, selected);
    for (const auto& profile : endpoint.spec->profiles) add_profile(endpoint, profile, chains);
    return chains;
  }

  void add_tier(const KnownEndpoint& endpoint, const OrderedTier& tier, Chains& chains, std::vector<std::string>& selected) {
    std::array<std::optional<ResolvedTier>, NW_CHAINS> made;
    for (const auto& policy : tier.policies) {
      if (!selects(*policy.spec, endpoint) || !can_enforce(policy, endpoint)) continue;
      selected.push_back(tier.name + "/" + policy.id.name);
      const auto& rules = rules_of(policy, tier.name);
      for (const auto type : model::effective_types(*policy.spec)) {
        const auto& from = type == model::PolicyType::Ingress ? rules.ingress : rules.egress;
        for (const auto chain : chains_of_policy(*policy.spec, type)) add_rules(tier, chain, from, policy.is_staged(), made[chain]);
      }
    }
    for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain)
      if (made[chain]) chains[chain].tiers.push_back(std::move(*made[chain]));
  }

  static void add_rules(const OrderedTier& tier, std::uint32_t chain, const SharedList<ResolvedRule>& rules, bool staged,
                        std::optional<ResolvedTier>& to) {
    // Untracked and preDNAT stages leave to the next what no rule of theirs decides.
    const auto end = end_of(chain) == ChainEnd::next ? model::TierAction::Pass : tier.end;
    if (!to) to = ResolvedTier{.name = tier.name, .rules = {}, .end = end, .staged = true};
    to->staged = to->staged && staged;
    to->rules.append(rules);
  }

  // The chains that a policy is in, by its kind.
  static std::vector<std::uint32_t> chains_of_policy(const model::GlobalNetworkPolicy& policy, model::PolicyType type) {
    const bool ingress = type == model::PolicyType::Ingress;
    if (policy.do_not_track) return {ingress ? NW_CHAIN_UNTRACKED_INGRESS : NW_CHAIN_UNTRACKED_EGRESS};
    if (policy.pre_dnat) return ingress ? std::vector<std::uint32_t>{NW_CHAIN_PRE_DNAT} : std::vector<std::uint32_t>{};
    std::vector<std::uint32_t> chains = {ingress ? NW_CHAIN_INGRESS : NW_CHAIN_EGRESS};
    if (policy.apply_on_forward) chains.push_back(ingress ? NW_CHAIN_FORWARD_INGRESS : NW_CHAIN_FORWARD_EGRESS);
    return chains;
  }

  bool can_enforce(const OrderedPolicy& policy, const KnownEndpoint& endpoint) {
    if (!policy.spec->do_not_track || !is_wildcard(endpoint)) return true;
    conditions_.add(Severity::warning, policy.id, "NotEnforced",
                    fmt::format("doNotTrack: not enforced on host endpoint {}, for its interfaceName is *", endpoint.name));
    return false;
  }

  // A policy's rules are the same for every endpoint: resolved once, and only when an endpoint needs them.
  const BothDirections& rules_of(const OrderedPolicy& policy, const std::string& tier) {
    const auto known = policies_.find(policy.id);
    if (known != policies_.end()) return known->second;
    BothDirections made;
    // What is forwarded passes no failsafe port: there the rules of an applyOnForward policy decide.
    const std::vector<model::FailsafePort> none;
    const auto& inbound = policy.spec->apply_on_forward ? none : settings_.failsafe_inbound;
    const auto& outbound = policy.spec->apply_on_forward ? none : settings_.failsafe_outbound;
    for (const auto type : model::effective_types(*policy.spec)) {
      if (type == model::PolicyType::Ingress)
        made.ingress = resolve_list(policy.spec->ingress, {policy.id, tier, "ingress"}, inbound);
      else
        made.egress = resolve_list(policy.spec->egress, {policy.id, tier, "egress"}, outbound);
    }
    return policies_.emplace(policy.id, std::move(made)).first->second;
  }

  SharedList<ResolvedRule> resolve_list(const SharedList<model::Rule>& rules, const RuleList& list,
                                        const std::vector<model::FailsafePort>& failsafe) {
    return rule_memory_.resolve(rules, list, failsafe, rule_context_, round_);
  }

  const model::Profile* find_profile(const std::string& name) const {
    const auto built_in = built_in_.find(name);
    if (built_in != built_in_.end()) return &built_in->second;
    const auto found = resources_.find({Kind::Profile, name});
    return found == resources_.end() ? nullptr : &std::get<model::Profile>(found->second.spec);
  }

  void add_profile(const KnownEndpoint& endpoint, const std::string& name, Chains& chains) {
    const auto& rules = rules_of_profile(endpoint, name);
    chains[NW_CHAIN_INGRESS].profile_rules.append(rules.ingress);
    chains[NW_CHAIN_EGRESS].profile_rules.append(rules.egress);
  }

  const BothDirections& rules_of_profile(const KnownEndpoint& endpoint, const std::string& name) {
    const auto* profile = find_profile(name);
    if (profile == nullptr) {
      conditions_.add(Severity::error, {Kind::HostEndpoint, endpoint.name}, "ProfileMissing",
                      fmt::format("profile {} does not exist: what no policy decides is denied", name));
    }
    const auto known = profiles_.find(name);
    if (known != profiles_.end()) return known->second;
    return profiles_.emplace(name, profile == nullptr ? missing_profile(name) : resolve_profile(*profile, name)).first->second;
  }

  static BothDirections missing_profile(const std::string& name) {
    ResolvedRule deny;
    deny.action = model::Action::Deny;
    deny.protocols.set();
    deny.origin = {"", name, -1};
    return {{deny}, {deny}};
  }

  BothDirections resolve_profile(const model::Profile& profile, const std::string& name) {
    const model::ResourceId id{Kind::Profile, name};
    BothDirections made;
    made.ingress = resolve_list(profile.ingress, {id, "", "ingress"}, settings_.failsafe_inbound);
    made.egress = resolve_list(profile.egress, {id, "", "egress"}, settings_.failsafe_outbound);
    return made;
  }

  void report_policies(const std::vector<KnownEndpoint>& own, const std::vector<OrderedTier>& tiers, bool staged) {
    for (const auto& tier : tiers) {
      for (const auto& policy : tier.policies) {
        if (policy.is_staged() != staged) continue;
        const auto selected = [&](const KnownEndpoint& it) { return selects(*policy.spec, it); };
        if (std::ranges::any_of(own, selected)) continue;
        const bool namespaced = policy.spec->namespace_selector || policy.spec->service_account_selector;
        conditions_.add(namespaced ? Severity::warning : Severity::info, policy.id, "SelectsNothing",
                        namespaced ? "a policy with namespaceSelector or serviceAccountSelector selects no host endpoint"
                                   : "it selects no host endpoint of this node");
      }
    }
  }

  void report_staged() {
    for (const auto& [id, resource] : resources_) {
      const auto* staged = std::get_if<model::StagedGlobalNetworkPolicy>(&resource.spec);
      if (staged == nullptr || staged->action != model::StagedAction::Delete) continue;
      const auto tier = [](const model::GlobalNetworkPolicy& it) { return it.tier.value_or(std::string(model::kDefaultTier)); };
      const auto found = resources_.find({Kind::GlobalNetworkPolicy, id.name});
      if (found != resources_.end() && tier(std::get<model::GlobalNetworkPolicy>(found->second.spec)) == tier(staged->policy)) continue;
      conditions_.add(Severity::warning, id, "DeletesNothing",
                      fmt::format("stagedAction Delete: there is no GlobalNetworkPolicy {} in tier {}", id.name, tier(staged->policy)));
    }
  }

  const model::ResourceSet& resources_;
  const NodeFacts& facts_;
  const std::uint64_t round_;
  Inventory inventory_;
  SetTable sets_;
  Conditions conditions_;
  RuleMemory& rule_memory_;
  RuleContext rule_context_;
  Settings settings_;
  std::map<std::string, model::Profile> built_in_;
  std::map<model::ResourceId, BothDirections> policies_;
  std::map<std::string, BothDirections> profiles_;  // by name
};

}  // namespace

struct Resolver::Memory {
  InventoryMemory inventory;
  RuleMemory rules;
  std::uint64_t round = 0;

  void drop_others(std::size_t sets_in_use);
};

// What the last round did not ask for.
void Resolver::Memory::drop_others(std::size_t sets_in_use) {
  rules.drop_others(round);
  std::erase_if(inventory.selectors, [&](const auto& it) { return it.second->round != round; });
  // A look at all of them now and then.
  if (inventory.sets.size() > sets_in_use + sets_in_use / 8 + kSpareSets) inventory.sets.drop_unused();
}

Resolver::Resolver() : memory_(std::make_unique<Memory>()) {}
Resolver::Resolver(Resolver&&) noexcept = default;
Resolver& Resolver::operator=(Resolver&&) noexcept = default;
Resolver::~Resolver() = default;

Resolved Resolver::resolve(const model::ResourceSet& resources, const NodeFacts& facts) {
  ++memory_->round;
  auto resolved = Resolution(resources, facts, memory_->inventory, memory_->rules, memory_->round).run();
  memory_->drop_others(resolved.sets.size());
  return resolved;
}

Resolved resolve(const model::ResourceSet& resources, const NodeFacts& facts) { return Resolver().resolve(resources, facts); }

}  // namespace nodewall::resolve
