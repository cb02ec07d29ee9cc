// The names of Calico's FelixConfiguration.spec that have no effect on hosts: accepted and kept as they are.
#pragma once

#include <string_view>

namespace nodewall::config {

bool is_untyped_felix_field(std::string_view name);

}  // namespace nodewall::config
