// Selector: a parsed Calico label selector.
//
// Grammar, evaluation and canonical form are in docs/semantics.md, "Selectors". A Selector is immutable and cheap to copy.
// Parsing is bounded: at most 1,024 characters as written (checked by validation) and 64 levels of nesting (checked here).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace nodewall::model {

using Labels = std::map<std::string, std::string, std::less<>>;

struct SelectorNode;  // selector.cc

class Selector {
 public:
  Selector();  // all()
  // Empty or blank text is all(). The error's `what` names the fault and the column in the text, counted from 1.
  static Result<Selector> parse(std::string_view text);

  [[nodiscard]] bool matches(const Labels& labels) const;
  [[nodiscard]] const std::string& text() const;       // as written; all() when that was blank
  [[nodiscard]] const std::string& canonical() const;  // all() when empty
  [[nodiscard]] std::string id() const;                // "s:" + base64url(SHA-224("s:" + canonical))
  [[nodiscard]] bool is_all() const;                   // exactly all()
  [[nodiscard]] bool is_global() const;                // exactly global()
  [[nodiscard]] bool mentions_global() const;          // global() anywhere
  bool operator==(const Selector& other) const { return canonical() == other.canonical(); }

 private:
  std::shared_ptr<const SelectorNode> root_;  // shared: immutable, and copies of policies are common
  std::string canonical_;
  std::string text_;  // only when it differs from canonical_
};

}  // namespace nodewall::model
