// The JSON reader of read_document: RFC 8259 text into the same tree that YAML makes, so that all later steps are shared.
#include <cstdint>
#include <unordered_set>

#include "base/printable.h"
#include "config/document.h"

namespace nodewall::config {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

class JsonReader {
 public:
  explicit JsonReader(const Chunk& chunk) : text_(chunk.text), line_(chunk.first_line) {}

  std::expected<Node, Complaint> read() {
    Node root;
    if (!value(root, 0)) return std::unexpected(complaint_);
    skip_blanks();
    if (at_ != text_.size()) {
      fail("content after the end of the JSON value");
      return std::unexpected(complaint_);
    }
    return root;
  }

 private:
  [[nodiscard]] Position position() const { return {.line = line_, .column = at_ - line_start_ + 1}; }
  bool fail(std::string message) { return fail(position(), std::move(message)); }
  bool fail(Position at, std::string message) {
    complaint_ = {.at = at, .message = std::move(message)};
    return false;
  }
  void skip_blanks() {
    for (; at_ < text_.size() && kBlanks.contains(text_[at_]); ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      line_start_ = at_ + 1;
    }
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool value(Node& out, std::size_t depth) {
    skip_blanks();
    out.at = position();
    if (++nodes_ > kMaxNodes)
      return fail(too_many_nodes());
    if (depth >= kMaxDepth && at_ < text_.size() && (text_[at_] == '{' || text_[at_] == '['))
      return fail("nested more than " + std::to_string(kMaxDepth) + " levels deep");
    if (take('{')) return object(out, depth);
    if (take('[')) return array(out, depth);
    if (at_ < text_.size() && text_[at_] == '"') {
      out.type = Node::Type::scalar;
      return string(out.text);
    }
    return word(out);
  }

  bool object(Node& out, std::size_t depth) {
    out.type = Node::Type::mapping;
    std::unordered_set<std::string> seen;
    skip_blanks();
    if (take('}')) return true;
    while (true) {
      skip_blanks();
      Node::Key key{.text = {}, .at = position()};
      if (at_ == text_.size() || text_[at_] != '"') return fail("expected a key in double quotes");
      if (!string(key.text)) return false;
      if (!seen.insert(key.text).second)
        return fail(key.at, "duplicate key \"" + printable(key.text) + "\"");
      skip_blanks();
      if (!take(':')) return fail("expected ':' after a key");
      ++nodes_;  // the key, as YAML counts it
      make_room(out.items, nodes_);
      out.keys.push_back(std::move(key));
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      skip_blanks();
      if (take('}')) return true;
      if (!take(',')) return fail("expected ',' or '}'");
    }
  }

  bool array(Node& out, std::size_t depth) {
    out.type = Node::Type::sequence;
    skip_blanks();
    if (take(']')) return true;
    while (true) {
      make_room(out.items, nodes_);
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      skip_blanks();
      if (take(']')) return true;
      if (!take(',')) return fail("expected ',' or ']'");
    }
  }

  bool word(Node& out) {
    const auto start = at_;
    while (at_ < text_.size() && (std::string_view("+-.").contains(text_[at_]) || is_alnum(text_[at_]))) ++at_;
    const auto text = text_.substr(start, at_ - start);
    out.plain = true;
    if (text == "null") return true;
    out.type = Node::Type::scalar;
    out.text = text;
    if (text == "true" || text == "false" || is_number(text)) return true;
    return fail(out.at, text.empty() ? "expected a JSON value"
                                     : "'" + printable(text) + "' is not a JSON value");
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  static std::size_t take_digits(std::string_view& text) {
    std::size_t count = 0;
    while (count < text.size() && is_digit(text[count])) ++count;
    text.remove_prefix(count);
    return count;
  }
  static bool is_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const bool zero = text.starts_with('0');
    const auto whole = take_digits(text);
    if (whole == 0 || (zero && whole > 1)) return false;
    if (text.starts_with('.')) {
      text.remove_prefix(1);
      if (take_digits(text) == 0) return false;
    }
    if (text.starts_with('e') || text.starts_with('E')) {
      text.remove_prefix(1);
      if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
      if (take_digits(text) == 0) return false;
    }
    return text.empty();
  }

  bool string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const auto plain = text_.find_first_of("\"\\", at_);
      const auto run = text_.substr(at_, plain == text_.npos ? text_.npos : plain - at_);
      for (std::size_t i = 0; i < run.size(); ++i) {
        if (static_cast<std::uint8_t>(run[i]) >= 0x20) continue;
        at_ += i;
        return fail("a control character in a string; write it as an escape");
      }
      out += run;
      at_ += run.size();
      if (take('"')) return true;
      if (take('\\') && !escape(out)) return false;
    }
    return fail("unterminated string");
  }

  bool escape(std::string& out) {
    constexpr std::string_view kFrom = "\"\\/bfnrt";
    constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (at_ == text_.size()) return fail("unterminated string");
    const char c = text_[at_++];
    if (const auto known = kFrom.find(c); known != kFrom.npos) {
      out += kTo[known];
      return true;
    }
    if (c != 'u') return fail("unknown escape in a string");
    std::uint32_t code = 0;
    if (!hex4(code)) return false;
    if (code >= 0xdc00 && code <= 0xdfff) return fail("half of a surrogate pair");
    if (code >= 0xd800 && code <= 0xdbff) {
      std::uint32_t low = 0;
      if (!take('\\') || !take('u') || !hex4(low) || low < 0xdc00 || low > 0xdfff)
        return fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code == 0) return fail("a NUL character");
    append_utf8(out, code);
    return true;
  }

  bool hex4(std::uint32_t& code) {
    code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : ' ';
      const char lower = static_cast<char>(c | 0x20);
      if (is_digit(c))
        code = code << 4 | static_cast<std::uint32_t>(c - '0');
      else if (lower >= 'a' && lower <= 'f')
        code = code << 4 | static_cast<std::uint32_t>(lower - 'a' + 10);
      else
        return fail("\\u needs four hexadecimal digits");
    }
    return true;
  }

  static void append_utf8(std::string& out, std::uint32_t code) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | code >> 6);
      tail(0);
    } else if (code < 0x10000) {
      out += static_cast<char>(0xe0 | code >> 12);
      tail(6);
      tail(0);
    } else {
      out += static_cast<char>(0xf0 | code >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_;
  std::size_t line_start_ = 0;
  std::size_t nodes_ = 0;
  Complaint complaint_;
};

}  // namespace

std::expected<Node, Complaint> read_json(const Chunk& chunk) { return JsonReader(chunk).read(); }

}  // namespace nodewall::config
