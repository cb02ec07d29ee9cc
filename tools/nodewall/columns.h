// The columns of `get`: which each kind has, which are shown by default and with -o wide, and what is in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/resources.h"

namespace nodewall::cli {

std::vector<std::string> default_columns(model::Kind kind, bool wide);
std::vector<std::string> known_columns(model::Kind kind);

// The cell of a column that the kind has.
std::string cell(const model::Resource& resource, std::string_view column);

}  // namespace nodewall::cli
