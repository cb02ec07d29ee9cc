// KIND on the command line.
#pragma once

#include <optional>
#include <string>

#include "model/resources.h"

namespace nodewall::cli {

// By any alias; nothing, after a usage message, for a kind that is not known.
std::optional<model::Kind> kind_argument(const std::string& text);

}  // namespace nodewall::cli
