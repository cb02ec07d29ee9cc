#include "model/pattern_parser.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>

#include "base/printable.h"

namespace nodewall::model {
namespace {

using Bytes = std::bitset<256>;
using Node = PatternTree::Node;
using Kind = PatternTree::Kind;

constexpr std::size_t kMostBytes = 256;
constexpr int kMostGroups = 16;
constexpr unsigned kMostCopies = 256;
constexpr unsigned kAscii = 128;

template <typename Predicate>
Bytes bytes_that(Predicate predicate) {
  Bytes bytes;
  for (unsigned c = 1; c < kAscii; ++c)
    if (predicate(static_cast<int>(c))) bytes.set(c);
  return bytes;
}

Bytes single(char c) { return Bytes().set(static_cast<unsigned char>(c)); }
bool is_word(int c) { return std::isalnum(c) != 0 || c == '_'; }

// \d and its like; capital letters are the rest.
std::optional<Bytes> class_of_letter(char c) {
  switch (c) {
    case 'd': return bytes_that([](int b) { return std::isdigit(b); });
    case 'w': return bytes_that(is_word);
    case 's': return bytes_that([](int b) { return b == ' ' || b == '\t' || b == '\n' || b == '\f' || b == '\r'; });
    case 'D': return ~*class_of_letter('d');
    case 'W': return ~*class_of_letter('w');
    case 'S': return ~*class_of_letter('s');
    default: return std::nullopt;
  }
}

// [:alpha:] and its like, without the brackets and colons; "^alpha" is the rest.
std::optional<Bytes> class_of_name(std::string_view name) {
  if (name.starts_with('^')) {
    const auto rest = class_of_name(name.substr(1));
    return rest ? std::optional(~*rest) : std::nullopt;
  }
  struct Named {
    std::string_view name;
    int (*predicate)(int);
  };
  static constexpr std::array<Named, 13> kNamed = {{{"alnum", std::isalnum}, {"alpha", std::isalpha}, {"blank", std::isblank},
      {"cntrl", std::iscntrl}, {"digit", std::isdigit}, {"graph", std::isgraph}, {"lower", std::islower}, {"print", std::isprint},
      {"punct", std::ispunct}, {"space", std::isspace}, {"upper", std::isupper}, {"xdigit", std::isxdigit},
      {"word", [](int c) { return static_cast<int>(is_word(c)); }}}};
  const auto found = std::ranges::find(kNamed, name, &Named::name);
  if (found == kNamed.end()) return std::nullopt;
  return bytes_that(found->predicate);
}

// Recursive descent; its depth is the depth of groups, which is bounded. at_ is the next character.
class Parser {
 public:
  explicit Parser(std::string_view text) : in_(text) {}

  Result<PatternTree> run() {
    if (in_.size() > kMostBytes) return refuse(kMostBytes, "a pattern has at most 256 characters");
    auto root = alternatives();
    if (!root) return fail(root.error());
    if (at_ < in_.size()) return refuse(at_, "a group is closed that was not opened");
    tree_.root = *root;
    return std::move(tree_);
  }

 private:
  using NodeResult = Result<std::size_t>;

  static std::unexpected<Error> refuse(std::size_t at, const std::string& what) {
    return fail(Errc::config, "at character " + std::to_string(at + 1) + ": " + what);
  }

  std::size_t add(Node node) {
    tree_.nodes.push_back(node);
    return tree_.nodes.size() - 1;
  }
  std::size_t add_set(const Bytes& bytes) {
    tree_.sets.push_back(bytes);
    return add({.kind = Kind::byte, .first = tree_.sets.size() - 1});
  }
  std::size_t join(Kind kind, std::size_t first, std::size_t second) {
    const auto copies = std::max(tree_.nodes[first].copies, tree_.nodes[second].copies);
    return add({.kind = kind, .first = first, .second = second, .copies = copies});
  }

  [[nodiscard]] bool next_is(char c) const { return at_ < in_.size() && in_[at_] == c; }
  bool take(std::string_view text) {
    if (!in_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  NodeResult alternatives() {
    auto all = sequence();
    while (all && take("|")) {
      const auto next = sequence();
      if (!next) return next;
      all = join(Kind::either, *all, *next);
    }
    return all;
  }

  NodeResult sequence() {
    auto all = add({.kind = Kind::nothing});
    while (at_ < in_.size() && !next_is('|') && !next_is(')')) {
      const auto next = repeated();
      if (!next) return next;
      all = join(Kind::both, all, *next);
    }
    return all;
  }

  NodeResult repeated() {
    const auto begin = at_;
    if (const auto repetition = take_repetition(); !repetition) return fail(repetition.error());
    else if (*repetition) return refuse(begin, "a repetition of nothing");
    auto node = atom();
    if (!node) return node;
    const auto where = at_;
    const auto repetition = take_repetition();
    if (!repetition) return fail(repetition.error());
    if (!*repetition) return node;
    take("?");  // lazy: matches the same names
    const auto again = at_;
    if (const auto second = take_repetition(); !second || *second) return refuse(again, "a repetition of a repetition");
    Node repeat = **repetition;
    repeat.first = *node;
    repeat.copies = tree_.nodes[*node].copies * std::max({repeat.least, repeat.most.value_or(1), 1U});
    if (repeat.copies > kMostCopies) return refuse(where, "repetitions that multiply to more than 256");
    return add(repeat);
  }

  // *, +, ? and {n}, {n,}, {n,m}; none if there is no repetition here: any other brace is text.
  Result<std::optional<Node>> take_repetition() {
    if (take("*")) return Node{.kind = Kind::repeat, .least = 0};
    if (take("+")) return Node{.kind = Kind::repeat, .least = 1};
    if (take("?")) return Node{.kind = Kind::repeat, .least = 0, .most = 1};
    const auto close = in_.find('}', at_);
    if (!next_is('{') || close == in_.npos) return std::optional<Node>();
    const auto text = in_.substr(at_ + 1, close - at_ - 1);
    const auto comma = std::min(text.find(','), text.size());
    const auto least = text.substr(0, comma);
    const auto most = comma == text.size() ? least : text.substr(comma + 1);
    const auto is_number = [](std::string_view digits) { return digits.find_first_not_of("0123456789") == digits.npos; };
    if (least.empty() || !is_number(least) || !is_number(most)) return std::optional<Node>();
    const auto value = [](std::string_view digits) {
      unsigned number = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      return error == std::errc() ? std::min(number, kMostCopies + 1) : kMostCopies + 1;
    };
    Node repeat{.kind = Kind::repeat, .least = value(least)};
    if (!most.empty()) repeat.most = value(most);
    if (repeat.most && *repeat.most < repeat.least) return refuse(at_, "a repetition that ends before it begins");
    at_ = close + 1;
    return repeat;
  }

  NodeResult atom() {
    const auto begin = at_;
    const char c = in_[at_++];
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0) return refuse(begin, "a control character");
    switch (c) {
      case '(': return group(begin);
      case '[': return bracket(begin);
      case '\\': return escape(begin);
      case '^': return add({.kind = Kind::begin});
      case '$': return add({.kind = Kind::end});
      case '.': return add_set(~single('\n'));
      default: return add_set(single(c));
    }
  }

  NodeResult group(std::size_t begin) {
    if (++depth_ > kMostGroups) return refuse(begin, "more than 16 groups in each other");
    if (!take("?:") && next_is('?')) return refuse(begin, "of groups with (? only (?: is known");
    auto inside = alternatives();
    if (!inside) return inside;
    if (!take(")")) return refuse(begin, "a group is not closed");
    --depth_;
    return inside;
  }

  NodeResult escape(std::size_t begin) {
    if (at_ == in_.size()) return refuse(begin, "a backslash at the end");
    const char c = in_[at_++];
    if (const auto bytes = class_of_letter(c)) return add_set(*bytes);
    switch (c) {
      case 'A': return add({.kind = Kind::begin});
      case 'z': return add({.kind = Kind::end});
      case 'b': return add({.kind = Kind::word_edge});
      case 'B': return add({.kind = Kind::no_word_edge});
      default: break;
    }
    if (std::ispunct(static_cast<unsigned char>(c)) == 0) return refuse(begin, "\\" + printable(std::string(1, c)) + " is not known");
    return add_set(single(c));
  }

  NodeResult bracket(std::size_t begin) {
    const bool negated = take("^");
    Bytes bytes;
    for (bool first = true; first || !next_is(']'); first = false) {
      const auto where = at_;
      const auto low = bracket_item(begin);
      if (!low) return fail(low.error());
      if (!next_is('-') || at_ + 1 >= in_.size() || in_[at_ + 1] == ']') {
        bytes |= *low;
        continue;
      }
      ++at_;
      const auto high = bracket_item(begin);
      if (!high) return fail(high.error());
      if (low->count() != 1 || high->count() != 1 || low->_Find_first() > high->_Find_first())
        return refuse(where, "a range that ends before it begins, or of classes");
      for (auto c = low->_Find_first(); c <= high->_Find_first(); ++c) bytes.set(c);
    }
    ++at_;
    return add_set(negated ? ~bytes : bytes);
  }

  // A character, an escape or a class in brackets.
  Result<Bytes> bracket_item(std::size_t begin) {
    if (at_ >= in_.size()) return refuse(begin, "a bracket is not closed");
    const auto where = at_;
    if (take("[:")) {
      const auto end = in_.find(":]", at_);
      if (end == in_.npos) return refuse(where, "a class in brackets is not closed");
      const auto named = class_of_name(in_.substr(at_, end - at_));
      if (!named) return refuse(where, "no such class of characters");
      at_ = end + 2;
      return *named;
    }
    const char c = in_[at_++];
    if (static_cast<unsigned char>(c) >= kAscii || std::iscntrl(static_cast<unsigned char>(c)) != 0)
      return refuse(where, "only printable ASCII stands in brackets");
    if (c != '\\') return single(c);
    if (at_ >= in_.size()) return refuse(begin, "a bracket is not closed");
    const char escaped = in_[at_++];
    if (const auto bytes = class_of_letter(escaped)) return *bytes;
    if (std::ispunct(static_cast<unsigned char>(escaped)) == 0)
      return refuse(where, "\\" + printable(std::string(1, escaped)) + " is not known in brackets");
    return single(escaped);
  }

  std::string_view in_;
  std::size_t at_ = 0;
  int depth_ = 0;
  PatternTree tree_;
};

}  // namespace

Result<PatternTree> parse_pattern(std::string_view text) { return Parser(text).run(); }

}  // namespace nodewall::model
