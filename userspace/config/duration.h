// Durations as Go writes them: "90s", "5m0s", "1h30m", "1.5s", "0".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/resources.h"

namespace nodewall::config {

Result<model::Duration> parse_duration(std::string_view text);  // not negative
std::string to_string(model::Duration duration);                // "5m0s", as Go's Duration.String

}  // namespace nodewall::config
