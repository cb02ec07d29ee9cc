// Tiers and policies in the order in which they are evaluated.
#pragma once

#include <string>
#include <vector>

#include "model/resources.h"
#include "resolve/conditions.h"

namespace nodewall::resolve {

struct OrderedPolicy {
  model::ResourceId id;  // of a GlobalNetworkPolicy, or of the staged one that stands for it
  const model::GlobalNetworkPolicy* spec = nullptr;

  [[nodiscard]] bool is_staged() const { return id.kind == model::Kind::StagedGlobalNetworkPolicy; }
};

struct OrderedTier {
  std::string name;
  model::TierAction end = model::TierAction::Deny;
  std::vector<OrderedPolicy> policies;  // in order; of every kind, selecting whatever
};

// The policies as they are, or as they would be with the staged ones: each added, in the place of the one of its tier and name, or that
// one left out.
enum class World : std::uint8_t { enforced, staged };
bool has_staged(const model::ResourceSet& resources);

// Tiers that have a policy. Keeps pointers into `resources`.
std::vector<OrderedTier> ordered_tiers(const model::ResourceSet& resources, World world, Conditions& conditions);

}  // namespace nodewall::resolve
