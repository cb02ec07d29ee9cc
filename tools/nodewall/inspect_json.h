// Fields of the JSON values that tables are rendered from; one that is missing is empty, or 0.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

namespace nodewall::cli {

inline std::string text_of(const nlohmann::json& from, const char* key) { return from.value(key, std::string()); }
inline std::string number_of(const nlohmann::json& from, const char* key) {
  return fmt::format("{}", from.value(key, std::uint64_t{0}));
}

}  // namespace nodewall::cli
