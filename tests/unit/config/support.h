// What the tests of this room share.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/decode.h"

namespace nodewall::config {

inline std::string manifest(const std::string& name) {
  std::ifstream file(std::string(TEST_DATA) + "/manifests/" + name);
  REQUIRE(file.good());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string described(const Decoded& decoded) {
  std::string text;
  for (const auto& diagnostic : decoded.diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

inline std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

// The only resource of a text without faults.
inline model::Resource only(std::string_view text) {
  auto decoded = decode(text, "f.yaml");
  INFO(described(decoded));
  REQUIRE(decoded.ok());
  REQUIRE(decoded.resources.size() == 1);
  return decoded.resources.front().resource;
}

inline std::string object_text(std::string_view kind, std::string_view name, std::string_view spec) {
  return "apiVersion: projectcalico.org/v3\nkind: " + std::string(kind) + "\nmetadata:\n  name: " + std::string(name) + "\nspec:\n" +
         std::string(spec);
}

// A policy with one ingress rule of these fields, one a line with six blanks before it. The first is on line 9.
inline std::string rule_text(std::string_view fields) {
  return object_text("GlobalNetworkPolicy", "p", "  ingress:\n    - action: Allow\n" + std::string(fields));
}

}  // namespace nodewall::config
