// Rules that a failsafe port makes pointless: it is looked up before policy, so a Deny of that port denies nothing.
#pragma once

#include <span>
#include <string_view>

#include "resolve/conditions.h"

namespace nodewall::resolve {

// `rules` are those of one direction, `ports` the failsafe ports of that direction.
void report_shadowed_rules(std::span<const ResolvedRule> rules, const std::vector<model::FailsafePort>& ports,
                           const model::ResourceId& owner, std::string_view direction, Conditions& conditions);

}  // namespace nodewall::resolve
