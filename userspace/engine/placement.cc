#include "engine/placement.h"

#include <algorithm>
#include <optional>
#include <set>

namespace nodewall::engine {
namespace {

using Owners = std::map<std::uint32_t, std::string>;  // by slot

Owners owners_of(const compile::Slots& slots) {
  Owners owners;
  for (const auto& [name, slot] : slots.endpoints) owners.emplace(slot, name);
  return owners;
}

// By slot whose owner goes: who governs its interfaces from now on.
std::map<std::uint32_t, std::set<std::string>> successors(const compile::Slots& previous,
                                                          const resolve::Resolved& resolved,
                                                          const InterfaceEntries& live) {
  std::set<std::string> stays;
  for (const auto& endpoint : resolved.endpoints) stays.insert(endpoint.host_endpoint);
  std::map<std::uint32_t, std::string> governor;
  for (const auto& assignment : resolved.assignments) {
    governor.emplace(assignment.ifindex, resolved.endpoints[assignment.endpoint].host_endpoint);
  }
  const auto owners = owners_of(previous);
  std::map<std::uint32_t, std::set<std::string>> result;
  for (const auto& [ifindex, entry] : live) {
    const auto owner = owners.find(entry.endpoint);
    if (owner != owners.end() && stays.contains(owner->second)) continue;
    auto& next = result[entry.endpoint];
    // Entries of interfaces that nobody governs are gone before the image changes.
    const auto found = governor.find(ifindex);
    if (found != governor.end()) next.insert(found->second);
  }
  return result;
}

}  // namespace

compile::Slots place_endpoints(const compile::Slots& previous, const resolve::Resolved& resolved,
                               const InterfaceEntries& live) {
  compile::Slots base = previous;
  const auto owners = owners_of(previous);
  std::set<std::uint32_t> avoid;
  for (const auto& [slot, next] : successors(previous, resolved, live)) {
    const auto owner = owners.find(slot);
    const bool inherits = owner != owners.end() && next.size() == 1 &&
                          !base.endpoints.contains(*next.begin());
    if (inherits) {
      base.endpoints.erase(owner->second);
      base.endpoints.emplace(*next.begin(), slot);
    } else if (!next.empty()) {
      avoid.insert(slot);
    }
  }
  compile::Slots slots = compile::assign_slots(base, resolved);
  std::set<std::uint32_t> used;
  for (const auto& [name, slot] : slots.endpoints) used.insert(slot);
  std::uint32_t free = 0;
  for (auto& [name, slot] : slots.endpoints) {
    if (base.endpoints.contains(name) || !avoid.contains(slot)) continue;
    while (used.contains(free) || avoid.contains(free)) ++free;
    slot = free;
    used.insert(free);
  }
  return slots;
}

InterfaceEntries entries_before_flip(const InterfaceEntries& live, const InterfaceEntries& wanted,
                                     const compile::Slots& previous, const compile::Slots& next) {
  const auto has = [](const compile::Slots& slots, std::uint32_t slot) {
    return std::ranges::any_of(slots.endpoints, [&](const auto& it) { return it.second == slot; });
  };
  const auto owner = [](const compile::Slots& slots, std::uint32_t slot) -> std::string {
    for (const auto& [name, number] : slots.endpoints) {
      if (number == slot) return name;
    }
    return {};
  };
  InterfaceEntries entries;
  for (const auto& [ifindex, entry] : live) {
    const auto found = wanted.find(ifindex);
    if (found == wanted.end()) continue;
    const bool old_goes = !has(next, entry.endpoint);
    const auto name = owner(previous, found->second.endpoint);
    const bool new_is_live = !name.empty() && name == owner(next, found->second.endpoint);
    auto before = old_goes && new_is_live ? found->second : entry;
    // A packet may meet either image: it is asked about the chains of both.
    before.flags |= (entry.flags | found->second.flags) & NW_INTERFACE_CHAINS;
    entries.emplace(ifindex, before);
  }
  return entries;
}

model::IngressHook ingress_hook(const resolve::Settings& settings, std::string_view interface) {
  for (const auto& rule : settings.ingress_hooks) {
    std::string_view pattern = rule.interface;
    const bool prefix = pattern.ends_with('*');
    if (prefix) pattern.remove_suffix(1);
    if (prefix ? interface.starts_with(pattern) : interface == pattern) return rule.hook;
  }
  return model::IngressHook::Auto;
}

}  // namespace nodewall::engine
