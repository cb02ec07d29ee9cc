#include "compile/compiler.h"

#include "compile/compilation.h"

namespace nodewall::compile {

struct Compiler::State {
  CompileLimits limits;
  std::unique_ptr<Compilation> compilation;
  std::shared_ptr<const Slots> slots;
  TableImage none;
  std::optional<std::vector<LineRange>> changes;
};

Compiler::Compiler(const CompileLimits& limits)
    : state_(new State{.limits = limits, .compilation = {}, .slots = {}, .none = {}, .changes = {}}) {}
Compiler::Compiler(Compiler&&) noexcept = default;
Compiler& Compiler::operator=(Compiler&&) noexcept = default;
Compiler::~Compiler() = default;

Status Compiler::update(std::shared_ptr<const resolve::Resolved> next, std::shared_ptr<const Slots> slots) {
  auto& kept = state_->compilation;
  state_->changes.reset();
  if (kept && !kept->is_worn() && (slots == state_->slots || *slots == *state_->slots) && kept->update(next)) {
    state_->changes = kept->lines().take_changes();
    return {};
  }
  kept = std::make_unique<Compilation>(std::move(next), state_->limits);
  if (auto done = kept->build(*slots); !done) {
    forget();
    return done;
  }
  state_->slots = std::move(slots);
  kept->expect_updates();
  return {};
}

const TableImage& Compiler::image() const { return state_->compilation ? state_->compilation->image() : state_->none; }
const std::optional<std::vector<LineRange>>& Compiler::changes() const { return state_->changes; }

void Compiler::forget() {
  state_->compilation.reset();
  state_->changes.reset();
}

}  // namespace nodewall::compile
