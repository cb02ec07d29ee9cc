#include "resolve/rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "resolve/port_match.h"

namespace nodewall::resolve {
namespace {

using Severity = Conditions::Severity;

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmpV6 = 58;

std::uint8_t icmp_number(bool is_v4) { return is_v4 ? kIcmp : kIcmpV6; }

// Resolves one rule; what it has to say about it goes to the conditions.
class RuleResolver {
 public:
  RuleResolver(const model::Rule& rule, std::size_t index, const RuleList& list, RuleContext& context)
      : rule_(rule), index_(index), list_(list), context_(context) {}

  void append_to(std::vector<ResolvedRule>& out) {
    if (rule_.http) {
      say(Severity::warning, "NotEnforced", "http is not looked at; the rule matches by its other criteria");
    }
    ResolvedRule base;
    base.action = rule_.action;
    base.origin = {list_.tier, list_.owner.name, static_cast<std::int32_t>(index_),
                   list_.owner.kind == model::Kind::StagedGlobalNetworkPolicy};
    restrict_families(base);
    restrict_protocols(base);
    if (!resolve_side(rule_.source, "source", base.source)) return;
    if (!resolve_side(rule_.destination, "destination", base.destination)) return;
    const auto before = out.size();
    split_ports(base, out);
    if (out.size() == before) matches_nothing("its criteria exclude each other, or a port name stands for no port of a host endpoint");
  }

 private:
  void say(Severity severity, std::string type, std::string_view what) {
    context_.conditions.add(severity, list_.owner, std::move(type),
                            fmt::format("{} rule {}: {}", list_.direction, index_, what));
  }

  // A Deny that denies nothing leaves something open that a person wanted closed.
  void matches_nothing(std::string_view why) {
    const bool denies = rule_.action == model::Action::Deny;
    say(denies ? Severity::error : Severity::warning, "RuleMatchesNothing",
        fmt::format("{}; the rule {}", why, denies ? "denies nothing" : "matches nothing"));
  }

  // A list without anything of a family skips the rule for that family.
  void restrict_families(ResolvedRule& base) const {
    const auto by_list = [&](const std::vector<Cidr>& nets) {
      if (nets.empty()) return;
      const auto has = [&](Family family) {
        return std::ranges::any_of(nets, [&](const Cidr& net) { return net.address.family == family; });
      };
      base.v4 = base.v4 && has(Family::v4);
      base.v6 = base.v6 && has(Family::v6);
    };
    base.v4 = rule_.ip_version != Family::v6;
    base.v6 = rule_.ip_version != Family::v4;
    for (const auto* entity : {&rule_.source, &rule_.destination}) {
      by_list(entity->nets);
      by_list(entity->not_nets);
    }
  }

  void restrict_protocols(ResolvedRule& base) const {
    base.protocols.set();
    if (rule_.protocol) {
      base.protocols.reset().set(rule_.protocol->number);
      if (rule_.protocol->number == kIcmp) base.v6 = false;
      if (rule_.protocol->number == kIcmpV6) base.v4 = false;
    }
    if (rule_.not_protocol) base.protocols.reset(rule_.not_protocol->number);
  }

  // False: the side can match no address.
  bool resolve_side(const model::EntityRule& entity, std::string_view side, Side& to) {
    if (const auto* needs = what_needs_a_cluster(entity)) {
      matches_nothing(fmt::format("{}.{} refers to a cluster", side, needs));
      return false;
    }
    if (!entity.nets.empty()) to.in.push_back(context_.sets.intern(entity.nets));
    if (!entity.not_nets.empty()) to.not_in.push_back(context_.sets.intern(entity.not_nets));
    // global() by itself: whatever is known here is global.
    const model::Selector all;
    const auto* selector = entity.selector ? &*entity.selector : entity.namespace_selector ? &all : nullptr;
    if (selector != nullptr) {
      const auto set = context_.inventory.addresses(*selector, context_.sets);
      if (context_.sets.at(set).members.empty()) {
        say(Severity::warning, "SelectsNothing",
            fmt::format("{} selector {} selects no address; the rule matches nothing", side, selector->canonical()));
        return false;
      }
      to.in.push_back(set);
    }
    if (entity.not_selector) exclude(*entity.not_selector, side, to);
    return true;
  }

  void exclude(const model::Selector& selector, std::string_view side, Side& to) {
    const auto set = context_.inventory.addresses(selector, context_.sets);
    if (context_.sets.at(set).members.empty()) {
      say(Severity::warning, "SelectsNothing",
          fmt::format("{} notSelector {} selects no address; it excludes nothing", side, selector.canonical()));
      return;
    }
    to.not_in.push_back(set);
  }

  static const char* what_needs_a_cluster(const model::EntityRule& entity) {
    if (entity.services) return "services";
    if (entity.service_accounts) return "serviceAccounts";
    if (entity.namespace_selector && !entity.namespace_selector->is_global()) return "namespaceSelector";
    return nullptr;
  }

  void split_ports(const ResolvedRule& base, std::vector<ResolvedRule>& out) {
    const auto sources = port_alternatives(rule_.source, base.protocols, context_.inventory, context_.sets);
    const auto destinations = port_alternatives(rule_.destination, base.protocols, context_.inventory, context_.sets);
    for (const auto& source : sources) {
      for (const auto& destination : destinations) {
        ResolvedRule next = base;
        next.protocols &= source.protocols & destination.protocols;
        add_to(next.source, source);
        add_to(next.destination, destination);
        // A side without ports leaves the other side's protocols alone, which have ports.
        split_icmp(std::move(next), out);
      }
    }
  }

  static void add_to(Side& side, const PortAlternative& alternative) {
    side.in.insert(side.in.end(), alternative.in.begin(), alternative.in.end());
    side.not_in.insert(side.not_in.end(), alternative.not_in.begin(), alternative.not_in.end());
    side.ports = alternative.ports;
    for (auto* list : {&side.in, &side.not_in}) {
      std::ranges::sort(*list);
      const auto doubles = std::ranges::unique(*list);
      list->erase(doubles.begin(), doubles.end());
    }
  }

  // After this a rule with icmp or not_icmp is of one family and of that family's ICMP alone.
  void split_icmp(ResolvedRule rule, std::vector<ResolvedRule>& out) const {
    if (!rule_.icmp && !rule_.not_icmp) {
      add(std::move(rule), out);
      return;
    }
    for (const bool is_v4 : {true, false}) {
      if (!(is_v4 ? rule.v4 : rule.v6)) continue;
      ResolvedRule of_family = rule;
      of_family.v4 = is_v4;
      of_family.v6 = !is_v4;
      split_icmp_of(std::move(of_family), icmp_number(is_v4), out);
    }
  }

  void split_icmp_of(ResolvedRule rule, std::uint8_t number, std::vector<ResolvedRule>& out) const {
    const bool excludes_all = rule_.not_icmp && !rule_.not_icmp->type;
    if (rule.protocols.test(number) && !excludes_all) {
      ResolvedRule icmp = rule;
      icmp.protocols.reset().set(number);
      if (rule_.icmp && rule_.icmp->type) icmp.icmp = rule_.icmp;
      icmp.not_icmp = rule_.not_icmp;
      add(std::move(icmp), out);
    }
    if (rule_.icmp) return;  // nothing but ICMP has a type
    rule.protocols.reset(number);
    add(std::move(rule), out);
  }

  static void add(ResolvedRule rule, std::vector<ResolvedRule>& out) {
    if (rule.protocols.none() || (!rule.v4 && !rule.v6)) return;
    out.push_back(std::move(rule));
  }

  const model::Rule& rule_;
  std::size_t index_;
  const RuleList& list_;
  RuleContext& context_;
};

}  // namespace

std::vector<ResolvedRule> resolve_rules(const std::vector<model::Rule>& rules, std::size_t first, const RuleList& list, RuleContext& context) {
  std::vector<ResolvedRule> out;
  out.reserve(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) RuleResolver(rules[i], first + i, list, context).append_to(out);
  return out;
}

}  // namespace nodewall::resolve
