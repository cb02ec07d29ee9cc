#include "controller/interface_pattern.h"

#include <array>
#include <cctype>
#include <charconv>

namespace nodewall::controller {
namespace {

constexpr std::size_t kMostBytes = 256;
constexpr int kMostGroups = 16;
constexpr unsigned kMostRepeated = 256;

std::unexpected<Error> refuse(std::string what) { return fail(Errc::config, std::move(what)); }

// Go's pattern as POSIX writes it.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  Result<std::string> run() {
    if (in_.size() > kMostBytes) return refuse("a pattern of more than 256 characters");
    while (at_ < in_.size()) {
      if (auto done = step(); !done) return fail(done.error());
    }
    if (depth_ != 0) return refuse("a group is not closed");
    return std::move(out_);
  }

 private:
  Status step() {
    const char c = in_[at_++];
    if (static_cast<unsigned char>(c) < 0x20) return refuse("a control character");
    const bool after_repetition = std::exchange(repetition_, false);
    switch (c) {
      case '\\': return escape();
      case '[': return bracket();
      case '(': return open();
      case ')':
        if (--depth_ < 0) return refuse("a group is closed that was not opened");
        break;
      case '{': return interval();
      case '?':
        if (after_repetition) return {};  // lazy: matches the same names
        [[fallthrough]];
      case '*':
      case '+':
        if (after_repetition) return refuse("a repetition of a repetition");
        repetition_ = true;
        break;
      default: break;
    }
    out_ += c;
    return {};
  }

  Status open() {
    if (++depth_ > kMostGroups) return refuse("more than 16 groups in each other");
    if (in_.substr(at_).starts_with("?:")) at_ += 2;
    else if (in_.substr(at_).starts_with("?")) return refuse("(? is only known as (?:");
    out_ += '(';
    return {};
  }

  Status escape() {
    if (at_ == in_.size()) return refuse("a backslash at the end");
    const char c = in_[at_++];
    switch (c) {
      case 'd': out_ += "[0-9]"; return {};
      case 'D': out_ += "[^0-9]"; return {};
      case 'w': out_ += "[0-9A-Za-z_]"; return {};
      case 'W': out_ += "[^0-9A-Za-z_]"; return {};
      case 's': out_ += "[[:space:]]"; return {};
      case 'S': out_ += "[^[:space:]]"; return {};
      case 'A': out_ += '^'; return {};
      case 'z': out_ += '$'; return {};
      case 'b': out_ += "\\b"; return {};
      case 'B': out_ += "\\B"; return {};
      default: break;
    }
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) return refuse(std::string("\\") + c + " is not known");
    out_ += '\\';
    out_ += c;
    return {};
  }

  // In POSIX a backslash in brackets is itself; ], ^ and - are told by their place.
  Status bracket() {
    std::string items;
    bool dash = false, closing = false;
    const bool negated = at_ < in_.size() && in_[at_] == '^';
    if (negated) ++at_;
    for (bool first = true;; first = false) {
      if (at_ >= in_.size()) return refuse("a bracket is not closed");
      const char c = in_[at_++];
      if (c == ']' && !first) break;
      if (c == ']') closing = true;
      else if (c == '-' && (first || (at_ < in_.size() && in_[at_] == ']'))) dash = true;
      else if (c == '[' && at_ < in_.size() && in_[at_] == ':') {
        const auto end = in_.find(":]", at_);
        if (end == in_.npos) return refuse("a class in brackets is not closed");
        items += in_.substr(at_ - 1, end + 2 - (at_ - 1));
        at_ = end + 2;
      } else if (c == '\\') {
        if (auto done = escape_in_bracket(items, dash, closing); !done) return done;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return refuse("a control character");
      } else {
        items += c;
      }
    }
    // "[^" would be a negation and "[." the name of a character: neither may come first.
    const bool caret = !negated && !closing && items.starts_with('^');
    if (caret) items = items.substr(1) + "^";
    if (caret && items == "^" && !dash) {
      out_ += "\\^";
      return {};
    }
    out_ += std::string("[") + (negated ? "^" : "") + (closing ? "]" : "") + items + (dash ? "-" : "") + "]";
    return {};
  }

  Status escape_in_bracket(std::string& items, bool& dash, bool& closing) {
    if (at_ >= in_.size()) return refuse("a bracket is not closed");
    const char c = in_[at_++];
    if (c == 'd') items += "0-9";
    else if (c == 'w') items += "0-9A-Za-z_";
    else if (c == 's') items += "[:space:]";
    else if (c == '-') dash = true;
    else if (c == ']') closing = true;
    else if (std::isalnum(static_cast<unsigned char>(c)) != 0) return refuse(std::string("\\") + c + " is not known in brackets");
    else items += c;
    return {};
  }

  // "{n}", "{n,}", "{n,m}"; anything else is text.
  Status interval() {
    const auto close = in_.find('}', at_);
    const auto text = close == in_.npos ? std::string_view() : in_.substr(at_, close - at_);
    if (text.empty() || text.find_first_not_of("0123456789,") != text.npos || text.front() == ',') {
      out_ += "\\{";
      return {};
    }
    const auto comma = text.find(',');
    const auto first = text.substr(0, comma);
    const auto second = comma == text.npos ? first : text.substr(comma + 1);
    unsigned most = 0;
    for (const auto number : {first, second}) {
      unsigned value = 0;
      if (number.empty()) continue;
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
      if (error != std::errc() || end != number.data() + number.size()) return refuse("a repetition is not a number");
      most = std::max(most, value);
    }
    // The library copies what is repeated, and what is repeated within it.
    if (most > kMostRepeated || (repeated_ *= std::max(most, 1U)) > kMostRepeated)
      return refuse("repetitions that multiply to more than 256");
    out_ += "{" + std::string(text) + "}";
    at_ = close + 1;
    repetition_ = true;
    return {};
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  int depth_ = 0;
  bool repetition_ = false;  // the last thing was *, +, ? or {}
  unsigned repeated_ = 1;
};

}  // namespace

void InterfacePattern::Free::operator()(regex_t* regex) const {
  ::regfree(regex);
  std::default_delete<regex_t>()(regex);
}

Result<InterfacePattern> InterfacePattern::make(std::string_view pattern) {
  const auto text = Translator(pattern).run();
  if (!text) return fail(text.error());
  auto compiled = std::make_unique<regex_t>();
  const int error = ::regcomp(compiled.get(), text->c_str(), REG_EXTENDED | REG_NOSUB);
  if (error != 0) {
    std::array<char, 128> message{};
    ::regerror(error, compiled.get(), message.data(), message.size());
    return refuse(message.data());
  }
  return InterfacePattern(std::unique_ptr<regex_t, Free>(compiled.release()));
}

bool InterfacePattern::matches(const std::string& interface) const {
  return ::regexec(regex_.get(), interface.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace nodewall::controller
