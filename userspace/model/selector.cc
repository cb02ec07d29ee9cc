#include "model/selector.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/printable.h"

namespace nodewall::model {
namespace {

enum class Op {
  all,
  global,
  has,
  equal,
  not_equal,
  in,
  not_in,
  contains,
  starts_with,
  ends_with,
  negation,
  conjunction,
  disjunction,
};

}  // namespace

struct SelectorNode {
  Op op = Op::all;
  std::string label;
  std::vector<std::string> values;  // one for comparisons; sorted and unique for sets
  std::vector<SelectorNode> parts;  // one for negation, two or more for groups
};

namespace {

constexpr int kMaxNesting = 64;
constexpr std::size_t kMaxLabel = 512;

bool is_label_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '/' || c == '-';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<SelectorNode> parse() {
    skip_blanks();
    if (at_end()) return SelectorNode{};
    auto node = disjunction();
    if (!node) return node;
    skip_blanks();
    if (!at_end()) return error(expected_after_operation());
    return node;
  }

 private:
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] bool next_is(std::string_view token) const {
    return text_.substr(at_).starts_with(token);
  }
  void skip_blanks() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(std::string_view token) {
    if (!next_is(token)) return false;
    at_ += token.size();
    return true;
  }

  [[nodiscard]] std::unexpected<Error> error(std::string what) const {
    return fail(Errc::config, "column " + std::to_string(at_ + 1) + ": " + what);
  }
  [[nodiscard]] std::string expected_after_operation() const {
    if (next_is("&")) return "expected &&";
    if (next_is("|")) return "expected ||";
    if (text_[at_] == '\n' || text_[at_] == '\r') return "a line break is not allowed in a selector";
    return "unexpected content at the end: '" + printable(text_.substr(at_, 32)) + "'";
  }

  Result<SelectorNode> disjunction() {
    return group(Op::disjunction, "||", [this] { return conjunction(); });
  }
  Result<SelectorNode> conjunction() {
    return group(Op::conjunction, "&&", [this] { return operation(); });
  }

  template <typename Part>
  Result<SelectorNode> group(Op op, std::string_view separator, Part part) {
    auto first = part();
    if (!first) return first;
    skip_blanks();
    if (!next_is(separator)) return first;
    SelectorNode node{.op = op, .label = {}, .values = {}, .parts = {}};
    node.parts.push_back(std::move(*first));
    while (take(separator)) {
      auto next = part();
      if (!next) return next;
      node.parts.push_back(std::move(*next));
      skip_blanks();
    }
    return node;
  }

  Result<SelectorNode> operation() {
    bool negated = false;
    for (skip_blanks(); take("!"); skip_blanks()) negated = !negated;
    auto node = take("(") ? parenthesised() : primary();
    if (!node || !negated) return node;
    if (node->op == Op::negation) {
      // A pair of negations cancels also across parentheses, so that canonical text is a fixed point.
      SelectorNode inner = std::move(node->parts.front());
      return inner;
    }
    SelectorNode outer{.op = Op::negation, .label = {}, .values = {}, .parts = {}};
    outer.parts.push_back(std::move(*node));
    return outer;
  }

  Result<SelectorNode> parenthesised() {
    if (++nesting_ > kMaxNesting)
      return error("parentheses are nested more than " + std::to_string(kMaxNesting) + " deep");
    auto node = disjunction();
    --nesting_;
    if (!node) return node;
    skip_blanks();
    if (!take(")")) return error("expected )");
    return node;
  }

  Result<SelectorNode> primary() {
    skip_blanks();
    const auto start = at_;
    const auto word = label();
    if (word.empty()) {
      if (at_end()) return error("unexpected end; expected a label, has(), all() or !");
      return error("expected a label, has(), all() or !");
    }
    if (word.size() > kMaxLabel) {
      at_ = start;
      return error("label too long: more than " + std::to_string(kMaxLabel) + " characters");
    }
    if (next_is("(")) {
      if (word == "has") return has_call();
      if (word == "all") return empty_call(Op::all, word);
      if (word == "global") return empty_call(Op::global, word);
    }
    return comparison(std::string(word));
  }

  std::string_view label() {
    const auto start = at_;
    while (!at_end() && is_label_char(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  Result<SelectorNode> has_call() {
    take("(");
    skip_blanks();
    const auto start = at_;
    SelectorNode node{.op = Op::has, .label = std::string(label()), .values = {}, .parts = {}};
    if (node.label.empty()) return error("expected a label after has(");
    if (node.label.size() > kMaxLabel) {
      at_ = start;
      return error("label too long: more than " + std::to_string(kMaxLabel) + " characters");
    }
    skip_blanks();
    if (!take(")")) return error("missing ) after has(");
    return node;
  }

  Result<SelectorNode> empty_call(Op op, std::string_view word) {
    take("(");
    skip_blanks();
    if (!take(")")) return error("missing ) after " + std::string(word) + "(");
    return SelectorNode{.op = op, .label = {}, .values = {}, .parts = {}};
  }

  // A word of letters that does not run into a label character.
  bool take_word(std::string_view word) {
    if (!next_is(word)) return false;
    const auto end = at_ + word.size();
    if (end < text_.size() && is_label_char(text_[end])) return false;
    at_ = end;
    return true;
  }
  // Two words with any number of blanks between them, also none.
  bool take_words(std::string_view first, std::string_view second) {
    const auto start = at_;
    if (take(first)) {
      skip_blanks();
      if (take_word(second)) return true;
    }
    at_ = start;
    return false;
  }

  Result<SelectorNode> comparison(std::string label) {
    skip_blanks();
    if (take("==")) return with_string(Op::equal, std::move(label));
    if (take("!=")) return with_string(Op::not_equal, std::move(label));
    if (next_is("=")) return error("expected ==");
    if (take_word("contains")) return with_string(Op::contains, std::move(label));
    if (take_words("starts", "with")) return with_string(Op::starts_with, std::move(label));
    if (take_words("ends", "with")) return with_string(Op::ends_with, std::move(label));
    if (take_word("in")) return with_set(Op::in, std::move(label));
    if (take_words("not", "in")) return with_set(Op::not_in, std::move(label));
    return error("expected an operator after label '" + label +
                 "' (==, !=, in, not in, contains, starts with, ends with)");
  }

  Result<SelectorNode> with_string(Op op, std::string label) {
    skip_blanks();
    auto value = string();
    if (!value) return fail(value.error());
    SelectorNode node{.op = op, .label = std::move(label), .values = {}, .parts = {}};
    node.values.push_back(std::move(*value));
    return node;
  }

  Result<SelectorNode> with_set(Op op, std::string label) {
    skip_blanks();
    if (!take("{")) return error("expected { and a set of strings");
    SelectorNode node{.op = op, .label = std::move(label), .values = {}, .parts = {}};
    for (skip_blanks(); !take("}"); skip_blanks()) {
      auto value = string();
      if (!value) return fail(value.error());
      node.values.push_back(std::move(*value));
      skip_blanks();
      if (!take(",") && !next_is("}")) return error("expected , or } in a set");
    }
    std::ranges::sort(node.values);
    const auto doubles = std::ranges::unique(node.values);
    node.values.erase(doubles.begin(), doubles.end());
    return node;
  }

  Result<std::string> string() {
    if (!next_is("\"") && !next_is("'")) return error("expected a string in quotes");
    const auto end = text_.find(text_[at_], at_ + 1);
    if (end == text_.npos) return error("unterminated string");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

std::string quoted(const std::string& value) {
  const char quote = value.find('"') == value.npos ? '"' : '\'';
  return quote + value + quote;
}

std::string joined(const SelectorNode& node, std::string_view separator);

std::string text_of(const SelectorNode& node) {
  switch (node.op) {
    case Op::all: return "all()";
    case Op::global: return "global()";
    case Op::has: return "has(" + node.label + ")";
    case Op::equal: return node.label + " == " + quoted(node.values.front());
    case Op::not_equal: return node.label + " != " + quoted(node.values.front());
    case Op::contains: return node.label + " contains " + quoted(node.values.front());
    case Op::starts_with: return node.label + " starts with " + quoted(node.values.front());
    case Op::ends_with: return node.label + " ends with " + quoted(node.values.front());
    case Op::in:
    case Op::not_in: {
      std::string text = node.label + (node.op == Op::in ? " in {" : " not in {");
      for (const auto& value : node.values) {
        if (&value != &node.values.front()) text += ", ";
        text += quoted(value);
      }
      return text + "}";
    }
    case Op::negation: return "!" + text_of(node.parts.front());
    case Op::conjunction: return joined(node, " && ");
    case Op::disjunction: return joined(node, " || ");
  }
  return {};
}

std::string joined(const SelectorNode& node, std::string_view separator) {
  std::string text = "(";
  for (const auto& part : node.parts) {
    if (&part != &node.parts.front()) text += separator;
    text += text_of(part);
  }
  return text + ")";
}

bool evaluate(const SelectorNode& node, const Labels& labels) {
  const auto evaluate_part = [&](const SelectorNode& part) { return evaluate(part, labels); };
  switch (node.op) {
    case Op::all:
    case Op::global: return true;
    case Op::negation: return !evaluate(node.parts.front(), labels);
    case Op::conjunction: return std::ranges::all_of(node.parts, evaluate_part);
    case Op::disjunction: return std::ranges::any_of(node.parts, evaluate_part);
    default: break;
  }
  const auto found = labels.find(node.label);
  if (found == labels.end()) return node.op == Op::not_equal || node.op == Op::not_in;
  const std::string& value = found->second;
  switch (node.op) {
    case Op::has: return true;
    case Op::equal: return value == node.values.front();
    case Op::not_equal: return value != node.values.front();
    case Op::in: return std::ranges::binary_search(node.values, value);
    case Op::not_in: return !std::ranges::binary_search(node.values, value);
    case Op::contains: return value.find(node.values.front()) != value.npos;
    case Op::starts_with: return value.starts_with(node.values.front());
    case Op::ends_with: return value.ends_with(node.values.front());
    default: return false;
  }
}

bool has_global(const SelectorNode& node) {
  return node.op == Op::global || std::ranges::any_of(node.parts, has_global);
}

std::string base64url(const unsigned char* bytes, std::size_t count) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned pending = 0;
  int bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    pending = pending << 8 | bytes[i];
    for (bits += 8; bits >= 6; bits -= 6) text += kAlphabet[pending >> (bits - 6) & 63];
  }
  if (bits > 0) text += kAlphabet[pending << (6 - bits) & 63];
  return text;
}

}  // namespace

Selector::Selector() : canonical_("all()") {
  static const auto all = std::make_shared<const SelectorNode>();
  root_ = all;
}

Result<Selector> Selector::parse(std::string_view text) {
  auto node = Parser(text).parse();
  if (!node) return fail(node.error());
  Selector selector;
  selector.canonical_ = text_of(*node);
  selector.root_ = std::make_shared<const SelectorNode>(std::move(*node));
  const bool blank = text.find_first_not_of(" \t") == text.npos;
  if (!blank && text != selector.canonical_) selector.text_ = text;
  return selector;
}

bool Selector::matches(const Labels& labels) const { return evaluate(*root_, labels); }
const std::string& Selector::text() const { return text_.empty() ? canonical_ : text_; }
const std::string& Selector::canonical() const { return canonical_; }
bool Selector::is_all() const { return root_->op == Op::all; }
bool Selector::is_global() const { return root_->op == Op::global; }
bool Selector::mentions_global() const { return has_global(*root_); }

std::string Selector::id() const {
  const std::string text = "s:" + canonical_;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha224(), nullptr);
  return "s:" + base64url(digest.data(), size);
}

}  // namespace nodewall::model
