// Pattern: a regular expression in manifests: a template's interfacePattern and the "/.../" entries of interfaceExclude.
//
// Syntax is Go's (RE2), matched anywhere in an ASCII name: . [] () (?:) | * + ? {n,m} ^ $ \A \z \b \B \d \D \w \W \s \S, classes
// like [[:alpha:]], lazy repetitions, escaped punctuation. Flags, named groups, \p and back references are refused, as Go refuses
// the last. An error names the character (from 1) where the pattern goes wrong.
//
// Whoever wrote the pattern, its cost is bounded: it has at most 256 characters, 16 levels of groups, repetitions that multiply to
// at most 256, and 1024 steps when written out. Matching walks all steps side by side (Thompson): at most steps times characters.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace nodewall::model {

class Pattern {
 public:
  static Result<Pattern> make(std::string_view text);
  [[nodiscard]] bool matches(std::string_view name) const;

 private:
  friend class PatternWriter;
  using Bytes = std::bitset<256>;
  enum class Step : std::uint8_t { byte, split, jump, begin, end, word_edge, no_word_edge, done };
  struct Instruction {
    Step step = Step::done;
    std::uint16_t to = 0;     // split, jump: where to go; byte: which set
    std::uint16_t other = 0;  // split: where else
  };
  class Run;

  std::vector<Instruction> program_;
  std::vector<Bytes> sets_;
};

// What stands between the slashes of "/.../"; nothing for a plain name.
std::optional<std::string_view> pattern_text(std::string_view entry);

// A list of names and "/patterns/". A pattern that cannot be used matches nothing.
class NameList {
 public:
  explicit NameList(const std::vector<std::string>& entries);
  [[nodiscard]] bool contains(std::string_view name) const;

 private:
  std::vector<std::string> names_;
  std::vector<Pattern> patterns_;
};

}  // namespace nodewall::model
