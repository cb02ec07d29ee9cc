// resolve(): the endpoints of this node, the policies and profiles of each, and what has to be said about them.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <span>
#include <strings.h>
#include <utility>

#include "resolve/failsafe_shadow.h"
#include "resolve/interfaces.h"
#include "resolve/rules.h"
#include "resolve/tiers.h"

namespace nodewall::resolve {
namespace {

using model::Kind;
using Severity = Conditions::Severity;

struct BothDirections {
  std::vector<ResolvedRule> ingress, egress;
};

class Resolver {
 public:
  Resolver(const model::ResourceSet& resources, const NodeFacts& facts)
      : resources_(resources), facts_(facts), inventory_(resources), rule_context_{inventory_, sets_, conditions_} {
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
    const auto tiers = ordered_tiers(resources_, conditions_);
    for (const auto& endpoint : own) resolved.endpoints.push_back(resolve_endpoint(endpoint, tiers));
    report_policies(own, tiers);
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

  static bool is_enforced(const model::GlobalNetworkPolicy& policy) { return !policy.pre_dnat && !policy.do_not_track; }

  static bool selects(const model::GlobalNetworkPolicy& policy, const KnownEndpoint& endpoint) {
    if (policy.namespace_selector || policy.service_account_selector) return false;
    return !policy.selector || policy.selector->matches(endpoint.labels);
  }

  EndpointPolicy resolve_endpoint(const KnownEndpoint& endpoint, const std::vector<OrderedTier>& tiers) {
    EndpointPolicy result;
    result.host_endpoint = endpoint.name;
    result.profiles = endpoint.spec->profiles;
    for (const auto& tier : tiers) add_tier(endpoint, tier, result);
    for (const auto& profile : result.profiles) add_profile(endpoint, profile, result);
    if (result.policies.empty() && result.profiles.empty()) {
      conditions_.add(Severity::warning, {Kind::HostEndpoint, endpoint.name}, "NoPolicyAndNoProfile",
                      "no policy selects it and it has no profile: all but the failsafe ports is closed");
    }
    return result;
  }

  void add_tier(const KnownEndpoint& endpoint, const OrderedTier& tier, EndpointPolicy& to) {
    ResolvedTier ingress{tier.name, {}, tier.end};
    ResolvedTier egress = ingress;
    bool has_ingress = false, has_egress = false;
    for (const auto& policy : tier.policies) {
      if (!is_enforced(*policy.spec) || !selects(*policy.spec, endpoint)) continue;
      to.policies.push_back(tier.name + "/" + policy.id.name);
      const auto& rules = rules_of(policy, tier.name);
      for (const auto type : model::effective_types(*policy.spec)) {
        const bool is_ingress = type == model::PolicyType::Ingress;
        (is_ingress ? has_ingress : has_egress) = true;
        const auto& from = is_ingress ? rules.ingress : rules.egress;
        auto& list = is_ingress ? ingress.rules : egress.rules;
        list.insert(list.end(), from.begin(), from.end());
      }
    }
    if (has_ingress) to.chains[NW_CHAIN_INGRESS].tiers.push_back(std::move(ingress));
    if (has_egress) to.chains[NW_CHAIN_EGRESS].tiers.push_back(std::move(egress));
  }

  // A policy's rules are the same for every endpoint: resolved once, and only when an endpoint needs them.
  const BothDirections& rules_of(const OrderedPolicy& policy, const std::string& tier) {
    const auto known = policies_.find(policy.id.name);
    if (known != policies_.end()) return known->second;
    BothDirections made;
    for (const auto type : model::effective_types(*policy.spec)) {
      if (type == model::PolicyType::Ingress)
        made.ingress = resolve_list(policy.spec->ingress, {policy.id, tier, "ingress"}, settings_.failsafe_inbound);
      else
        made.egress = resolve_list(policy.spec->egress, {policy.id, tier, "egress"}, settings_.failsafe_outbound);
    }
    return policies_.emplace(policy.id.name, std::move(made)).first->second;
  }

  std::vector<ResolvedRule> resolve_list(const std::vector<model::Rule>& rules, const RuleList& list,
                                         const std::vector<model::FailsafePort>& failsafe) {
    auto made = resolve_rules(rules, list, rule_context_);
    report_shadowed_rules(made, failsafe, list.owner, list.direction, conditions_);
    return made;
  }

  const model::Profile* find_profile(const std::string& name) const {
    const auto built_in = built_in_.find(name);
    if (built_in != built_in_.end()) return &built_in->second;
    const auto found = resources_.find({Kind::Profile, name});
    return found == resources_.end() ? nullptr : &std::get<model::Profile>(found->second.spec);
  }

  void add_profile(const KnownEndpoint& endpoint, const std::string& name, EndpointPolicy& to) {
    const auto& rules = rules_of_profile(endpoint, name);
    auto& ingress = to.chains[NW_CHAIN_INGRESS].profile_rules;
    auto& egress = to.chains[NW_CHAIN_EGRESS].profile_rules;
    ingress.insert(ingress.end(), rules.ingress.begin(), rules.ingress.end());
    egress.insert(egress.end(), rules.egress.begin(), rules.egress.end());
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
    for (auto* list : {&made.ingress, &made.egress})
      for (auto& rule : *list)
        if (rule.action == model::Action::Pass) rule.action = model::Action::Deny;
    return made;
  }

  void report_policies(const std::vector<KnownEndpoint>& own, const std::vector<OrderedTier>& tiers) {
    for (const auto& tier : tiers) {
      for (const auto& policy : tier.policies) {
        report_not_enforced(policy);
        const auto selected = [&](const KnownEndpoint& it) { return selects(*policy.spec, it); };
        if (std::ranges::any_of(own, selected)) continue;
        const bool namespaced = policy.spec->namespace_selector || policy.spec->service_account_selector;
        conditions_.add(namespaced ? Severity::warning : Severity::info, policy.id, "SelectsNothing",
                        namespaced ? "a policy with namespaceSelector or serviceAccountSelector selects no host endpoint"
                                   : "it selects no host endpoint of this node");
      }
    }
  }

  void report_not_enforced(const OrderedPolicy& policy) {
    const auto say = [&](std::string what) { conditions_.add(Severity::warning, policy.id, "NotEnforced", std::move(what)); };
    if (policy.spec->pre_dnat) say("preDNAT policies are accepted and not enforced");
    else if (policy.spec->do_not_track) say("doNotTrack policies are accepted and not enforced");
    else if (policy.spec->apply_on_forward)
      say("applyOnForward: the policy is enforced on the host's own traffic, not on what it forwards");
  }

  const model::ResourceSet& resources_;
  const NodeFacts& facts_;
  Inventory inventory_;
  SetTable sets_;
  Conditions conditions_;
  RuleContext rule_context_;
  Settings settings_;
  std::map<std::string, model::Profile> built_in_;
  std::map<std::string, BothDirections> policies_, profiles_;  // by name
};

}  // namespace

Resolved resolve(const model::ResourceSet& resources, const NodeFacts& facts) { return Resolver(resources, facts).run(); }

}  // namespace nodewall::resolve
