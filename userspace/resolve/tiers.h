// Tiers and policies in the order in which they are evaluated.
#pragma once

#include <string>
#include <vector>

#include "model/resources.h"
#include "resolve/conditions.h"

namespace nodewall::resolve {

struct OrderedPolicy {
  model::ResourceId id;
  const model::GlobalNetworkPolicy* spec = nullptr;
};

struct OrderedTier {
  std::string name;
  model::TierAction end = model::TierAction::Deny;
  std::vector<OrderedPolicy> policies;  // in order; of every kind, selecting whatever
};

// Tiers that have a policy. Keeps pointers into `resources`.
std::vector<OrderedTier> ordered_tiers(const model::ResourceSet& resources, Conditions& conditions);

}  // namespace nodewall::resolve
