#include "resolve/endpoint_policy.h"

#include <algorithm>

namespace nodewall::resolve {

ChainEnd end_of(std::uint32_t chain) {
  switch (chain) {
    case NW_CHAIN_INGRESS:
    case NW_CHAIN_EGRESS: return ChainEnd::profiles;
    case NW_CHAIN_FORWARD_INGRESS:
    case NW_CHAIN_FORWARD_EGRESS: return ChainEnd::open;
    default: return ChainEnd::next;
  }
}

std::uint32_t direction_of(std::uint32_t chain) {
  switch (chain) {
    case NW_CHAIN_EGRESS:
    case NW_CHAIN_FORWARD_EGRESS:
    case NW_CHAIN_UNTRACKED_EGRESS: return NW_EGRESS;
    default: return NW_INGRESS;
  }
}

Origin origin_of_end(const ResolvedTier& tier) { return {.tier = tier.name, .policy = "", .rule = -1, .staged = tier.staged}; }

bool has_log(const ChainPolicy& policy) {
  const auto is_log = [](const ResolvedRule& rule) { return rule.action == model::Action::Log; };
  return std::ranges::any_of(policy.tiers, [&](const auto& tier) { return std::ranges::any_of(tier.rules, is_log); }) ||
         std::ranges::any_of(policy.profile_rules, is_log);
}

std::string_view chain_name(std::uint32_t chain) {
  switch (chain) {
    case NW_CHAIN_INGRESS: return "ingress";
    case NW_CHAIN_EGRESS: return "egress";
    case NW_CHAIN_FORWARD_INGRESS: return "forward-ingress";
    case NW_CHAIN_FORWARD_EGRESS: return "forward-egress";
    case NW_CHAIN_UNTRACKED_INGRESS: return "untracked-ingress";
    case NW_CHAIN_UNTRACKED_EGRESS: return "untracked-egress";
    case NW_CHAIN_PRE_DNAT: return "pre-dnat";
    default: return "none";
  }
}

}  // namespace nodewall::resolve
