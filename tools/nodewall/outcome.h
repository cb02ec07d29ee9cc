// What a verb did to several resources, told as calicoctl tells it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/decode.h"
#include "model/resources.h"

namespace nodewall::cli {

class Outcome {
 public:
  // "apply", "applied"
  Outcome(std::string_view verb, std::string_view done_verb) : verb_(verb), done_verb_(done_verb) {}

  void expect(const model::ResourceId& id);  // each resource once, before it is worked on
  void done() { ++done_; }
  void failed(Error error) { errors_.push_back(std::move(error)); }
  void note(const Status& status);

  // Prints success on stdout or failure on stderr; returns the exit code.
  [[nodiscard]] int tell() const;

 private:
  [[nodiscard]] std::string kind_text() const;  // " 'HostEndpoint'", or nothing for mixed kinds

  std::string_view verb_, done_verb_;
  std::size_t expected_ = 0;
  std::size_t done_ = 0;
  std::vector<Error> errors_;
  std::optional<model::Kind> kind_;
  bool mixed_ = false;
};

// Documents with faults: all of them on stderr, each with its place. Returns the exit code, 1.
int tell_faults(std::string_view verb, const config::Decoded& decoded);

}  // namespace nodewall::cli
