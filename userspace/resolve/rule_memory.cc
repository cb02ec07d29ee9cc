#include "resolve/rule_memory.h"

#include <algorithm>
#include <span>

#include "resolve/failsafe_shadow.h"

namespace nodewall::resolve {
namespace {

bool names_ports(const model::Rule& rule) {
  const auto is_name = [](const model::Port& port) { return std::holds_alternative<std::string>(port); };
  return std::ranges::any_of(std::array{&rule.source, &rule.destination}, [&](const model::EntityRule* entity) {
    return std::ranges::any_of(entity->ports, is_name) || std::ranges::any_of(entity->not_ports, is_name);
  });
}

}  // namespace

// In the same order as they were used: each use gives the next set its number.
bool RuleMemory::holds(const Part& part, RuleContext& context) {
  if (part.names_ports && !context.inventory.same_endpoints()) return false;
  return std::ranges::all_of(part.uses, [&](const SetUse& use) {
    const auto index = use.selected ? context.inventory.addresses(use.selected, context.sets) : context.sets.intern(use.set);
    return index == use.index && context.sets.at(index).members.empty() == use.empty;
  });
}

RuleMemory::Part RuleMemory::make(const std::vector<model::Rule>& rules, std::size_t first, const RuleList& list,
                                  const std::vector<model::FailsafePort>& failsafe, RuleContext& context) {
  Part part{.first = first, .names_ports = std::ranges::any_of(rules, names_ports), .made = {}, .uses = {}, .said = {}, .shadowed = {}};
  Conditions said, shadowed;
  RuleContext own{context.inventory, context.sets, said};
  context.sets.note_uses(&part.uses);
  auto made = resolve_rules(rules, first, list, own);
  context.sets.note_uses(nullptr);
  report_shadowed_rules(made, failsafe, list.owner, list.direction, shadowed);
  if (list.owner.kind == model::Kind::Profile)
    for (auto& rule : made)
      if (rule.action == model::Action::Pass) rule.action = model::Action::Deny;
  part.made = std::move(made);
  part.said = said.take();
  part.shadowed = shadowed.take();
  return part;
}

SharedList<ResolvedRule> RuleMemory::resolve(const SharedList<model::Rule>& rules, const RuleList& list,
                                             const std::vector<model::FailsafePort>& failsafe, RuleContext& context, std::uint64_t round) {
  auto& known = lists_[{list.owner, list.direction}];
  const bool same_list = known.tier == list.tier && known.failsafe == failsafe;
  const auto is_as_before = [&](std::size_t i) {
    if (!same_list || i >= known.written.chunks() || known.parts[i].first != rules.first_of_chunk(i)) return false;
    const auto &before = known.written.chunk(i), &now = rules.chunk(i);
    return &before == &now || before == now;
  };
  SharedList<ResolvedRule> made;
  known.parts.resize(std::max(known.parts.size(), rules.chunks()));
  for (std::size_t i = 0; i < rules.chunks(); ++i) {
    auto& part = known.parts[i];
    if (!is_as_before(i) || !holds(part, context)) part = make(rules.chunk(i), rules.first_of_chunk(i), list, failsafe, context);
    made.append(part.made);
  }
  known.parts.resize(rules.chunks());
  for (const auto& part : known.parts) context.conditions.add_all(part.said);
  for (const auto& part : known.parts) context.conditions.add_all(part.shadowed);
  known.tier = list.tier;
  known.failsafe = failsafe;
  known.written = rules;
  known.round = round;
  return made;
}

void RuleMemory::drop_others(std::uint64_t round) {
  std::erase_if(lists_, [&](const auto& it) { return it.second.round != round; });
}

}  // namespace nodewall::resolve
