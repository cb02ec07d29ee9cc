// Compiler: images of one policy after the other, where a small change costs little.
//
// It keeps what it made of the last policy: classes, diagrams, lines. If the next one differs in the members of some sets or in what some
// rules match, only what depends on these is made anew, and the other lines of the image stay as they are. Any other difference, and
// what has no simple answer (no number left for a class, too many lines that nobody needs), is compiled as a whole. The answers of the
// image are the same in both cases; its bytes need not be.
//
// Kept beside the image: two to three times the memory that the image takes where diagrams are most of it, and hardly anything
// where address tables are.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "compile/table_image.h"

namespace nodewall::compile {

class Compiler {
 public:
  explicit Compiler(const CompileLimits& limits = {});
  Compiler(Compiler&&) noexcept;
  Compiler& operator=(Compiler&&) noexcept;
  ~Compiler();

  // Makes image() be that of `next`. After an error there is no image, and the next one is compiled as a whole. Both are shared with whoever
  // had them made: what is the same is seen by the pointer.
  Status update(std::shared_ptr<const resolve::Resolved> next, std::shared_ptr<const Slots> slots);
  [[nodiscard]] const TableImage& image() const;
  // The lines that the last update() changed; nothing: all may be others.
  [[nodiscard]] const std::optional<std::vector<LineRange>>& changes() const;
  void forget();  // gives the memory back

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nodewall::compile
