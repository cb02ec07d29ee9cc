// The YAML reader of read_document: yaml-cpp's events into a tree, within limits and with places.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/printable.h"
#include "config/document.h"

namespace nodewall::config {
namespace {

constexpr std::size_t kMaxKeyBytes = 1024;
constexpr std::size_t kMaxAnchors = 1000;

// Feeds the YAML library from memory and can end its input early: the way to stop it without throwing through it.
//
// The library keeps every token in memory until it knows whether it belongs to a key, some 200 bytes for a "[", and looks at
// each character several times. So it is fed only so many bytes, and so many indicators, without a value coming out.
class StoppableBuffer : public std::streambuf {
 public:
  explicit StoppableBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf's interface; never written to
    setg(begin, begin, begin + text.size());
    has_end_ = !text.ends_with('\n');
  }
  void stop() {
    has_end_ = true;
    setg(egptr(), egptr(), egptr());
  }
  void value_came_out() { bytes_ = indicators_ = 0; }
  [[nodiscard]] bool starved() const { return starved_; }

 protected:
  std::streamsize xsgetn(char* to, std::streamsize count) override {
    if (starved_) return 0;
    const auto got = std::streambuf::xsgetn(to, count);
    const std::string_view fed(to, static_cast<std::size_t>(got));
    bytes_ += fed.size();
    indicators_ += static_cast<std::size_t>(
        std::ranges::count_if(fed, [](char c) { return std::string_view("[{,:?&*!").contains(c); }));
    starved_ = bytes_ > kMaxYamlValue || indicators_ > kMaxIndicators;
    if (starved_) stop();
    return got;
  }

  // After the text the end of the document is said in so many words: at a bare end of file behind a line break the library
  // takes a quoted string that was never closed for a whole one.
  int_type underflow() override {
    if (std::exchange(has_end_, true)) return traits_type::eof();
    setg(end_, end_, end_ + sizeof end_);
    return traits_type::to_int_type(end_[0]);
  }

 private:
  static constexpr std::size_t kMaxIndicators = 40'000;
  std::size_t bytes_ = 0;
  std::size_t indicators_ = 0;
  bool starved_ = false;
  bool has_end_ = false;
  char end_[4] = {'.', '.', '.', '\n'};
};

// The library makes one byte of the escapes \N (next line) and \_ (no-break space), as Latin-1 does. Everything else that it makes is
// UTF-8, as the text is.
std::string as_utf8(const std::string& value) {
  std::string made;
  for (std::string_view rest = value; !rest.empty();) {
    const auto good = utf8_length(rest);
    made += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty()) break;
    const auto latin1 = static_cast<unsigned char>(rest.front());
    made += static_cast<char>(0xC0 | latin1 >> 6);
    made += static_cast<char>(0x80 | (latin1 & 0x3F));
    rest.remove_prefix(1);
  }
  return made;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(StoppableBuffer& input, std::size_t first_line) : input_(input), first_line_(first_line) {}

  // The complaint, also when the input was cut off and the library may have made something of the rest.
  [[nodiscard]] const std::optional<Complaint>& complaint() {
    if (!complaint_ && input_.starved())
      complaint_ = Complaint{.at = last_,
                             .message = "the value or comment after this place is longer than " +
                                        std::to_string(kMaxYamlValue) + " bytes or nested too often"};
    return complaint_;
  }
  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    came_out(mark);
    add(Node{.type = Node::Type::null, .plain = true, .text = {}, .at = at(mark), .items = {}, .keys = {}},
        anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    came_out(mark);
    if (failed()) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return fail(at(mark), "an alias inside its own anchor is not allowed");
    nodes_ += found->second.nodes;
    bytes_ += found->second.bytes;
    if (!within_limits(at(mark))) return;
    if (stack_.size() + found->second.depth > kMaxDepth) return too_deep(at(mark));
    Node copy = found->second.node;
    attach(std::move(copy), at(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    came_out(mark);
    if (failed()) return;
    bool plain = tag == "?";
    if (!plain && tag != "!" && !tag.empty()) {
      const auto core = core_tag(tag);
      if (!core) return fail(at(mark), "the tag '" + printable(tag) + "' is not allowed");
      plain = *core != "str";
    }
    auto text = as_utf8(value);
    bytes_ += text.size();
    add(Node{.type = Node::Type::scalar, .plain = plain, .text = std::move(text), .at = at(mark), .items = {}, .keys = {}}, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Type::sequence, mark, tag, anchor, "seq");
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Type::mapping, mark, tag, anchor, "map");
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    std::optional<Node::Key> key;  // of a mapping: read, its value not yet
    std::unordered_set<std::string> seen;
    std::size_t nodes_before = 0;
    std::size_t bytes_before = 0;
    std::size_t depth = 1;  // levels below and including this one
  };
  struct Anchored {
    Node node;
    std::size_t nodes = 0;
    std::size_t bytes = 0;
    std::size_t depth = 0;
  };

  [[nodiscard]] Position at(const YAML::Mark& mark) const {
    return {.line = first_line_ + static_cast<std::size_t>(std::max(mark.line, 0)),
            .column = static_cast<std::size_t>(std::max(mark.column, 0)) + 1};
  }

  [[nodiscard]] bool failed() const { return complaint_.has_value() || input_.starved(); }
  void came_out(const YAML::Mark& mark) {
    if (input_.starved()) return;
    last_ = at(mark);
    input_.value_came_out();
  }

  void fail(Position where, std::string message) {
    if (!failed()) complaint_ = Complaint{.at = where, .message = std::move(message)};
    input_.stop();
  }
  void too_deep(Position where) {
    fail(where, "nested more than " + std::to_string(kMaxDepth) + " levels deep");
  }
  bool within_limits(Position where) {
    if (nodes_ > kMaxNodes)
      fail(where, too_many_nodes());
    else if (bytes_ > kMaxDocumentBytes)
      fail(where, "aliases make the document larger than " + std::to_string(kMaxDocumentBytes) + " bytes");
    return !failed();
  }

  bool few_anchors(Position where) {
    if (anchors_.size() >= kMaxAnchors) fail(where, "more than " + std::to_string(kMaxAnchors) + " anchors in one document");
    return !failed();
  }

  static std::optional<std::string_view> core_tag(std::string_view tag) {
    constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
    if (!tag.starts_with(kPrefix)) return std::nullopt;
    const auto name = tag.substr(kPrefix.size());
    for (const std::string_view known : {"str", "int", "float", "bool", "null"})
      if (name == known) return name;
    return std::nullopt;
  }

  void open(Node::Type type, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            std::string_view core) {
    came_out(mark);
    if (failed()) return;
    const bool untagged = tag.empty() || tag == "?" || tag == "!";
    if (!untagged && tag != "tag:yaml.org,2002:" + std::string(core))
      return fail(at(mark), "the tag '" + printable(tag) + "' is not allowed");
    if (stack_.size() >= kMaxDepth) return too_deep(at(mark));
    const auto nodes_before = nodes_++;
    if (!within_limits(at(mark))) return;
    Open level;
    level.node.type = type;
    level.node.at = at(mark);
    level.anchor = anchor;
    level.nodes_before = nodes_before;
    level.bytes_before = bytes_;
    stack_.push_back(std::move(level));
  }

  void close() {
    if (failed() || stack_.empty()) return;
    Open level = std::move(stack_.back());
    stack_.pop_back();
    if (!stack_.empty()) stack_.back().depth = std::max(stack_.back().depth, level.depth + 1);
    const auto where = level.node.at;
    if (level.anchor != 0) {
      const auto nodes = nodes_ - level.nodes_before;
      const auto bytes = bytes_ - level.bytes_before;
      nodes_ += nodes;
      bytes_ += bytes;
      if (!within_limits(where) || !few_anchors(where)) return;
      anchors_[level.anchor] = {.node = level.node, .nodes = nodes, .bytes = bytes, .depth = level.depth};
    }
    attach(std::move(level.node), where);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (failed()) return;
    ++nodes_;
    if (!within_limits(node.at)) return;
    if (anchor != 0) {
      ++nodes_;
      bytes_ += node.text.size();
      if (!few_anchors(node.at)) return;
      anchors_[anchor] = {.node = node, .nodes = 1, .bytes = node.text.size(), .depth = 0};
    }
    const auto where = node.at;
    attach(std::move(node), where);
  }

  // Puts a whole node where it belongs; `where` is where it was written (an alias's place, not its anchor's).
  void attach(Node node, Position where) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.type == Node::Type::sequence) {
      make_room(parent.node.items, nodes_);
      parent.node.items.push_back(std::move(node));
      return;
    }
    if (parent.key) {
      make_room(parent.node.items, nodes_);
      parent.node.keys.push_back(std::move(*parent.key));
      parent.node.items.push_back(std::move(node));
      parent.key.reset();
      return;
    }
    take_key(parent, node, where);
  }

  void take_key(Open& parent, const Node& node, Position where) {
    if (node.type != Node::Type::scalar) return fail(where, "a key must be a string");
    if (node.plain && node.text == "<<") return fail(where, "merge keys (<<) are not allowed");
    if (node.text.size() > kMaxKeyBytes) return fail(where, "a key of more than 1024 bytes");
    if (!parent.seen.insert(node.text).second)
      return fail(where, "duplicate key \"" + printable(node.text) + "\"");
    parent.key = Node::Key{.text = node.text, .at = where};
  }

  StoppableBuffer& input_;
  std::size_t first_line_;
  Node root_;
  std::vector<Open> stack_;
  Position last_{.line = first_line_, .column = 1};  // of the last value that came out
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
  std::optional<Complaint> complaint_;
};

// Where line number `line` (from 0) begins; the text's size if there are fewer.
std::size_t start_of_line(std::string_view text, std::size_t line) {
  std::size_t start = 0;
  for (; line > 0; --line) {
    const auto end = text.find('\n', start);
    if (end == text.npos) return text.size();
    start = end + 1;
  }
  return start;
}

// "key: value" on one line, where a deeper indented line below makes no sense.
bool has_inline_value(std::string_view line) {
  const auto text = trimmed(line);
  const auto colon = text.find(": ");
  return colon != text.npos && !trimmed(text.substr(colon + 1)).empty();
}

// What the person most likely did, for the errors that YAML's own words leave in the dark.
std::string hint(std::string_view text, const YAML::Mark& mark) {
  if (mark.line < 0) return {};
  auto start = start_of_line(text, static_cast<std::size_t>(mark.line));
  const auto line = line_at(text, start);
  const auto indent = line.substr(0, line.find_first_not_of(" \t"));
  if (indent.find('\t') != indent.npos) return "; a tab cannot indent, use spaces";
  while (start > 0) {
    const auto before = start >= 2 ? text.rfind('\n', start - 2) : text.npos;
    start = before == text.npos ? 0 : before + 1;
    const auto previous = line_at(text, start);
    if (is_blank_or_comment(previous)) continue;
    if (!has_inline_value(previous) || indent.size() <= previous.find_first_not_of(' ')) return {};
    return "; is the line above (\"" + printable(trimmed(previous)) +
           "\") meant to have fields? check the indentation";
  }
  return {};
}

std::string improved(const std::string& message) {
  if (message == "illegal map value") return "mapping values are not allowed here";
  if (message == "illegal EOF in scalar" || message == "illegal document indicator in scalar") return "a quoted string has no end";
  return printable(message);  // some quote the text as it is
}

// Where the library gave up; at the text's end if that is in what StoppableBuffer says behind it.
Position place_of(const Chunk& chunk, const YAML::Mark& mark) {
  const auto last = static_cast<std::size_t>(std::ranges::count(chunk.text, '\n'));
  const auto line = static_cast<std::size_t>(std::max(mark.line, 0));
  if (line > last) return {.line = chunk.first_line + last, .column = 1};
  return {.line = chunk.first_line + line, .column = static_cast<std::size_t>(std::max(mark.column, 0)) + 1};
}

}  // namespace

std::expected<Node, Complaint> read_yaml(const Chunk& chunk) {
  StoppableBuffer buffer(chunk.text);
  TreeBuilder builder(buffer, chunk.first_line);
  // The library reports by exceptions; they end here.
  try {
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder) && !builder.complaint()) {
      Node root = builder.take_root();
      TreeBuilder second(buffer, chunk.first_line);
      if (!parser.HandleNextDocument(second) && !second.complaint()) return root;
      if (second.complaint()) return std::unexpected(*second.complaint());
      return std::unexpected(Complaint{.at = second.take_root().at,
                                       .message = "content after the document's end; separate documents by ---"});
    }
  } catch (const YAML::Exception& error) {
    if (!builder.complaint())
      return std::unexpected(Complaint{.at = place_of(chunk, error.mark), .message = improved(error.msg) + hint(chunk.text, error.mark)});
  }
  if (builder.complaint()) return std::unexpected(*builder.complaint());
  return nothing(chunk);
}

}  // namespace nodewall::config
