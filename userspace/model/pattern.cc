#include "model/pattern.h"

#include <algorithm>
#include <cctype>

#include "model/pattern_parser.h"

namespace nodewall::model {
namespace {

constexpr std::size_t kMostSteps = 1024;

}  // namespace

// From the tree to steps; what is repeated is written out.
class PatternWriter {
 public:
  explicit PatternWriter(PatternTree tree) : tree_(std::move(tree)) {}

  Result<Pattern> run() {
    write(tree_.root);
    add(Step::done);
    if (too_long_) return fail(Errc::config, "at character 1: a pattern of more than 1024 steps with its repetitions written out");
    pattern_.sets_ = std::move(tree_.sets);
    return std::move(pattern_);
  }

 private:
  using Step = Pattern::Step;
  using Kind = PatternTree::Kind;

  std::size_t add(Step step, std::size_t to = 0) {
    auto& program = pattern_.program_;
    too_long_ = too_long_ || program.size() >= kMostSteps;
    // Nothing is kept of what is too long.
    if (too_long_) return 0;
    program.push_back({.step = step, .to = static_cast<std::uint16_t>(to), .other = 0});
    return program.size() - 1;
  }
  [[nodiscard]] std::uint16_t here() const { return static_cast<std::uint16_t>(pattern_.program_.size()); }

  void write(std::size_t index) {
    if (too_long_) return;
    const auto& node = tree_.nodes[index];
    switch (node.kind) {
      case Kind::nothing: return;
      case Kind::byte: add(Step::byte, node.first); return;
      case Kind::begin: add(Step::begin); return;
      case Kind::end: add(Step::end); return;
      case Kind::word_edge: add(Step::word_edge); return;
      case Kind::no_word_edge: add(Step::no_word_edge); return;
      case Kind::both:
        write(node.first);
        write(node.second);
        return;
      case Kind::either: return write_either(node);
      case Kind::repeat: return write_repeat(node);
    }
  }

  void write_either(const PatternTree::Node& node) {
    const auto split = add(Step::split, here() + 1U);
    write(node.first);
    const auto jump = add(Step::jump);
    pattern_.program_[split].other = here();
    write(node.second);
    pattern_.program_[jump].to = here();
  }

  void write_repeat(const PatternTree::Node& node) {
    for (unsigned i = 0; i < node.least; ++i) write(node.first);
    if (!node.most) {
      const auto split = add(Step::split, here() + 1U);
      write(node.first);
      add(Step::jump, split);
      pattern_.program_[split].other = here();
      return;
    }
    std::vector<std::size_t> splits;
    for (unsigned i = node.least; i < *node.most; ++i) {
      splits.push_back(add(Step::split, here() + 1U));
      write(node.first);
    }
    for (const auto split : splits) pattern_.program_[split].other = here();
  }

  PatternTree tree_;
  Pattern pattern_;
  bool too_long_ = false;
};

// The steps that can be next, all at once. A step is taken once a character, so loops of nothing end.
class Pattern::Run {
 public:
  Run(const Pattern& pattern, std::string_view name)
      : pattern_(pattern), name_(name), seen_(pattern.program_.size(), name.size() + 1) {}

  bool finds() {
    std::vector<std::uint16_t> now, next;
    for (std::size_t at = 0;; ++at) {
      if (follow(0, at, now)) return true;  // a match may begin at every character
      if (at == name_.size()) return false;
      next.clear();
      for (const auto index : now) {
        const auto set = pattern_.program_[index].to;
        if (!pattern_.sets_[set].test(static_cast<unsigned char>(name_[at]))) continue;
        if (follow(static_cast<std::uint16_t>(index + 1), at + 1, next)) return true;
      }
      std::swap(now, next);
    }
  }

 private:
  [[nodiscard]] bool is_word(std::size_t at) const {
    return at < name_.size() && (std::isalnum(static_cast<unsigned char>(name_[at])) != 0 || name_[at] == '_');
  }
  [[nodiscard]] bool is_edge(std::size_t at) const { return (at > 0 && is_word(at - 1)) != is_word(at); }

  // Adds the bytes that can be read at `at` from `index` on. True: a match is complete.
  bool follow(std::uint16_t index, std::size_t at, std::vector<std::uint16_t>& bytes) {
    open_ = {index};
    while (!open_.empty()) {
      const auto current = open_.back();
      open_.pop_back();
      if (seen_[current] == at) continue;
      seen_[current] = at;
      const auto& it = pattern_.program_[current];
      const auto after = static_cast<std::uint16_t>(current + 1);
      switch (it.step) {
        case Step::done: return true;
        case Step::byte: bytes.push_back(current); break;
        case Step::split: open_.insert(open_.end(), {it.other, it.to}); break;
        case Step::jump: open_.push_back(it.to); break;
        case Step::begin: if (at == 0) open_.push_back(after); break;
        case Step::end: if (at == name_.size()) open_.push_back(after); break;
        case Step::word_edge: if (is_edge(at)) open_.push_back(after); break;
        case Step::no_word_edge: if (!is_edge(at)) open_.push_back(after); break;
      }
    }
    return false;
  }

  const Pattern& pattern_;
  std::string_view name_;
  std::vector<std::size_t> seen_;     // by step: the character at which it was last taken
  std::vector<std::uint16_t> open_;
};

Result<Pattern> Pattern::make(std::string_view text) {
  auto tree = parse_pattern(text);
  if (!tree) return fail(tree.error());
  return PatternWriter(std::move(*tree)).run();
}

bool Pattern::matches(std::string_view name) const { return Run(*this, name).finds(); }

std::optional<std::string_view> pattern_text(std::string_view entry) {
  if (entry.size() <= 2 || entry.front() != '/' || entry.back() != '/') return std::nullopt;
  return entry.substr(1, entry.size() - 2);
}

NameList::NameList(const std::vector<std::string>& entries) {
  for (const auto& entry : entries) {
    const auto text = pattern_text(entry);
    if (!text) names_.push_back(entry);
    else if (auto pattern = Pattern::make(*text)) patterns_.push_back(std::move(*pattern));
  }
}

bool NameList::contains(std::string_view name) const {
  return std::ranges::find(names_, name) != names_.end() ||
         std::ranges::any_of(patterns_, [&](const Pattern& pattern) { return pattern.matches(name); });
}

}  // namespace nodewall::model
