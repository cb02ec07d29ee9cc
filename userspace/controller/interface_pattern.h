// InterfacePattern: the interfacePattern of a template, a regular expression in Go's syntax that may match anywhere in a name.
// Private to this room.
//
// Matched by the C library (POSIX extended, regexec), in bounded time whatever the pattern is: the pattern has at most 256
// characters and 16 levels of groups, its repetitions multiply to at most 256, and there are no back references. The parts of
// Go's syntax that POSIX writes otherwise (\d, \w, \s, (?:...), escapes in brackets, lazy repetitions) are rewritten; what it has
// not is an error that says so.
#pragma once

#include <regex.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace nodewall::controller {

class InterfacePattern {
 public:
  static Result<InterfacePattern> make(std::string_view pattern);
  [[nodiscard]] bool matches(const std::string& interface) const;

 private:
  struct Free {
    void operator()(regex_t* regex) const;
  };
  explicit InterfacePattern(std::unique_ptr<regex_t, Free> regex) : regex_(std::move(regex)) {}
  std::unique_ptr<regex_t, Free> regex_;
};

}  // namespace nodewall::controller
