// Reads JSON that somebody else may have written: a missing or misshapen field gives an empty value and clears ok().
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace nodewall::engine {

class JsonReader {
 public:
  [[nodiscard]] bool ok() const { return ok_; }
  void reject() { ok_ = false; }

  const nlohmann::json& object(const nlohmann::json& from, const char* key) {
    return take(from, key, [](const auto& value) { return value.is_object(); });
  }
  const nlohmann::json& array(const nlohmann::json& from, const char* key) {
    return take(from, key, [](const auto& value) { return value.is_array(); });
  }
  std::string text(const nlohmann::json& from, const char* key) {
    const auto& value = take(from, key, [](const auto& it) { return it.is_string(); });
    return value.is_string() ? value.template get<std::string>() : std::string();
  }
  bool flag(const nlohmann::json& from, const char* key) {
    const auto& value = take(from, key, [](const auto& it) { return it.is_boolean(); });
    return value.is_boolean() && value.template get<bool>();
  }
  // A whole number of 0..most.
  std::uint64_t number(const nlohmann::json& from, const char* key, std::uint64_t most) {
    const auto& value = take(from, key, [](const auto& it) { return it.is_number_unsigned(); });
    if (!value.is_number_unsigned()) return 0;
    const auto number = value.template get<std::uint64_t>();
    if (number <= most) return number;
    ok_ = false;
    return 0;
  }
  std::uint32_t u32(const nlohmann::json& from, const char* key) {
    return static_cast<std::uint32_t>(number(from, key, UINT32_MAX));
  }
  std::vector<std::string> texts(const nlohmann::json& from, const char* key) {
    std::vector<std::string> all;
    for (const auto& value : array(from, key)) {
      if (value.is_string()) all.push_back(value.template get<std::string>());
      else ok_ = false;
    }
    return all;
  }

 private:
  template <typename Is>
  const nlohmann::json& take(const nlohmann::json& from, const char* key, Is is) {
    static const nlohmann::json nothing;
    if (from.is_object()) {
      const auto found = from.find(key);
      if (found != from.end() && is(*found)) return *found;
    }
    ok_ = false;
    return nothing;
  }

  bool ok_ = true;
};

}  // namespace nodewall::engine
