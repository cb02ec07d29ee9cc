// The three kinds of patch on a JSON value. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace nodewall::cli {

enum class PatchKind : std::uint8_t {
  strategic,  // objects are merged, lists replaced, null removes; "$patch": replace or delete for an object
  merge,      // RFC 7386
  json,       // RFC 6902, a list of operations
};

// Errc::config when the text is no JSON, nested too deep, or cannot be applied.
Result<nlohmann::json> patched(const nlohmann::json& value, const std::string& patch, PatchKind kind);

}  // namespace nodewall::cli
