// What verify found different, in words: for tests that want nothing to be.
#pragma once

#include <string>

#include "engine/verify.h"

namespace nodewall::test {

inline std::string text_of(const engine::VerifyReport& report) {
  std::string text;
  for (const auto& it : report.differences)
    text += it.table + " " + it.interface + " " + it.chain + ": " + it.expected + " / " + it.found + "\n";
  return text;
}

}  // namespace nodewall::test
