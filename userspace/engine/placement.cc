#include "engine/placement.h"

#include <algorithm>
#include <optional>
#include <set>

namespace nodewall::engine {
namespace {

using KeepsPolicy = std::function<bool(const std::string&)>;

// By slot that a governed interface points to: who governs its interfaces from now on.
using Successors = std::map<std::uint32_t, std::map<std::string, std::vector<std::uint32_t>>>;

Successors successors(const resolve::Resolved& resolved, const InterfaceEntries& live) {
  std::map<std::uint32_t, std::string> governor;
  for (const auto& assignment : resolved.assignments) {
    governor.emplace(assignment.ifindex, resolved.endpoints[assignment.endpoint].host_endpoint);
  }
  Successors result;
  for (const auto& [ifindex, entry] : live) {
    // Entries of interfaces that nobody governs are gone before the image changes.
    const auto found = governor.find(ifindex);
    if (found != governor.end()) result[entry.endpoint][found->second].push_back(ifindex);
  }
  return result;
}

std::map<std::uint32_t, std::string> owners_of(const compile::Slots& slots) {
  std::map<std::uint32_t, std::string> owners;
  for (const auto& [name, slot] : slots.endpoints) owners.emplace(slot, name);
  return owners;
}

// Who the slot is for in the next image; nobody: its interfaces part.
std::optional<std::string> heir(const Successors::mapped_type& next, const std::string& owner, const KeepsPolicy& keeps_policy) {
  if (next.size() == 1) return next.begin()->first;
  if (next.contains(owner) && keeps_policy(owner)) return owner;
  return std::nullopt;
}

std::uint32_t lowest_free(const std::set<std::uint32_t>& used) {
  std::uint32_t slot = 0;
  while (used.contains(slot)) ++slot;
  return slot;
}

}  // namespace

Placement place_endpoints(const compile::Slots& previous, const resolve::Resolved& resolved, const InterfaceEntries& live,
                          const KeepsPolicy& keeps_policy) {
  auto owners = owners_of(previous);
  Placement result{.slots = compile::assign_slots(previous, resolved), .aliases = {}};
  std::map<std::string, std::set<std::uint32_t>> heirs;
  std::set<std::uint32_t> used;
  for (const auto& [slot, next] : successors(resolved, live)) {
    used.insert(slot);
    if (const auto name = heir(next, owners[slot], keeps_policy)) heirs[*name].insert(slot);
  }
  std::set<std::string> unplaced;
  for (auto& [name, slot] : result.slots.endpoints) {
    const auto before = previous.endpoints.find(name);
    const auto& own = heirs[name];
    if (!own.empty()) {
      slot = before != previous.endpoints.end() && own.contains(before->second) ? before->second : *own.begin();
    } else if (before == previous.endpoints.end() || !used.insert(before->second).second) {
      unplaced.insert(name);
    } else {
      slot = before->second;
    }
    for (const auto other : own) {
      if (other != slot) result.aliases.emplace(other, name);
    }
  }
  for (const auto& name : unplaced) {
    const auto slot = lowest_free(used);
    used.insert(slot);
    result.slots.endpoints[name] = slot;
  }
  return result;
}

Parting part_interfaces(const compile::Slots& previous, const resolve::Resolved& resolved, const InterfaceEntries& live,
                        const KeepsPolicy& keeps_policy) {
  Parting result{.entries = live, .aliases = {}};
  auto owners = owners_of(previous);
  std::set<std::uint32_t> used;
  for (const auto& [name, slot] : previous.endpoints) used.insert(slot);
  for (const auto& [ifindex, entry] : live) used.insert(entry.endpoint);
  for (const auto& [slot, next] : successors(resolved, live)) {
    if (!owners.contains(slot) || heir(next, owners[slot], keeps_policy)) continue;
    for (auto it = std::next(next.begin()); it != next.end(); ++it) {
      const auto own = lowest_free(used);
      used.insert(own);
      result.aliases.emplace(own, owners[slot]);
      for (const auto ifindex : it->second) result.entries[ifindex].endpoint = own;
    }
  }
  return result;
}

WithAliases with_aliases(const resolve::Resolved& resolved, const compile::Slots& slots, const Aliases& aliases) {
  WithAliases result{resolved, slots};
  for (const auto& [slot, name] : aliases) {
    const auto found = std::ranges::find(resolved.endpoints, name, &resolve::EndpointPolicy::host_endpoint);
    if (found == resolved.endpoints.end()) continue;
    auto& alias = result.resolved.endpoints.emplace_back(*found);
    alias.host_endpoint += " in slot " + std::to_string(slot);  // no object has such a name
    result.slots.endpoints.emplace(alias.host_endpoint, slot);
  }
  return result;
}

InterfaceEntries entries_before_flip(const InterfaceEntries& live, const InterfaceEntries& wanted) {
  InterfaceEntries entries;
  for (const auto& [ifindex, entry] : live) {
    const auto found = wanted.find(ifindex);
    if (found == wanted.end()) continue;
    auto before = entry;
    // A packet may meet either image: it is asked about the chains of both.
    before.flags |= found->second.flags & NW_INTERFACE_CHAINS;
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
