#include "config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>

#include "base/printable.h"

namespace nodewall::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kMaxKeyBytes = 1024;

// Feeds the YAML library from memory and can end its input early: the way to stop it without throwing through it.
class StoppableBuffer : public std::streambuf {
 public:
  explicit StoppableBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf's interface; never written to
    setg(begin, begin, begin + text.size());
  }
  void stop() { setg(egptr(), egptr(), egptr()); }
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(StoppableBuffer& input, std::size_t first_line) : input_(input), first_line_(first_line) {}

  [[nodiscard]] bool failed() const { return complaint_.has_value(); }
  [[nodiscard]] const Complaint& complaint() const { return *complaint_; }
  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(Node{.type = Node::Type::null, .plain = true, .text = {}, .at = at(mark), .items = {}, .keys = {}},
        anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
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
    if (failed()) return;
    bool plain = tag == "?";
    if (!plain && tag != "!" && !tag.empty()) {
      const auto core = core_tag(tag);
      if (!core) return fail(at(mark), "the tag '" + printable(tag) + "' is not allowed");
      plain = *core != "str";
    }
    bytes_ += value.size();
    add(Node{.type = Node::Type::scalar, .plain = plain, .text = value, .at = at(mark), .items = {}, .keys = {}},
        anchor);
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

  void fail(Position where, std::string message) {
    if (!failed()) complaint_ = Complaint{.at = where, .message = std::move(message)};
    input_.stop();
  }
  void too_deep(Position where) {
    fail(where, "nested more than " + std::to_string(kMaxDepth) + " levels deep");
  }
  bool within_limits(Position where) {
    if (nodes_ > kMaxNodes)
      fail(where, "more than " + std::to_string(kMaxNodes) + " nodes in one document");
    else if (bytes_ > kMaxDocumentBytes)
      fail(where, "aliases make the document larger than " + std::to_string(kMaxDocumentBytes) + " bytes");
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
    if (level.anchor != 0)
      anchors_[level.anchor] = {.node = level.node,
                                .nodes = nodes_ - level.nodes_before,
                                .bytes = bytes_ - level.bytes_before,
                                .depth = level.depth};
    const auto where = level.node.at;
    attach(std::move(level.node), where);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (failed()) return;
    ++nodes_;
    if (!within_limits(node.at)) return;
    if (anchor != 0)
      anchors_[anchor] = {.node = node, .nodes = 1, .bytes = node.text.size(), .depth = 0};
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
      parent.node.items.push_back(std::move(node));
      return;
    }
    if (parent.key) {
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
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
  std::optional<Complaint> complaint_;
};

std::string_view line_of(std::string_view text, std::size_t line) {
  for (; line > 0; --line) {
    const auto end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  auto found = text.substr(0, text.find('\n'));
  if (found.ends_with('\r')) found.remove_suffix(1);
  return found;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_blank_or_comment(std::string_view line) {
  const auto text = trimmed(line);
  return text.empty() || text.front() == '#';
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
  const auto at = static_cast<std::size_t>(mark.line);
  const auto line = line_of(text, at);
  const auto indent = line.substr(0, line.find_first_not_of(" \t"));
  if (indent.find('\t') != indent.npos) return "; a tab cannot indent, use spaces";
  for (std::size_t above = at; above > 0; --above) {
    const auto previous = line_of(text, above - 1);
    if (is_blank_or_comment(previous)) continue;
    const auto depth = previous.find_first_not_of(' ');
    if (has_inline_value(previous) && line.find_first_not_of(' ') > depth)
      return "; is the line above (\"" + printable(trimmed(previous)) +
             "\") meant to have fields? check the indentation";
    break;
  }
  return {};
}

std::string improved(const std::string& message) {
  if (message == "illegal map value") return "mapping values are not allowed here";
  return message;
}

std::optional<Complaint> refuse_text(const Chunk& chunk) {
  const Position start{.line = chunk.first_line, .column = 1};
  if (chunk.text.size() > kMaxDocumentBytes)
    return Complaint{.at = start,
                     .message = "a document of more than " + std::to_string(kMaxDocumentBytes) + " bytes"};
  const auto place = [&](std::size_t offset) {
    const auto before = chunk.text.substr(0, offset);
    const auto lines = static_cast<std::size_t>(std::ranges::count(before, '\n'));
    const auto line_start = before.rfind('\n');
    return Position{.line = chunk.first_line + lines,
                    .column = line_start == before.npos ? offset + 1 : offset - line_start};
  };
  if (const auto nul = chunk.text.find('\0'); nul != chunk.text.npos)
    return Complaint{.at = place(nul), .message = "a NUL byte"};
  if (!is_utf8(chunk.text)) return Complaint{.at = start, .message = "not UTF-8 text"};
  return std::nullopt;
}

// Has nothing but comments, blank lines, %YAML and markers. A %TAG directive is content, and refused by its tags.
bool is_empty(std::string_view text) {
  while (!text.empty()) {
    const auto line = line_of(text, 0);
    const auto rest = line.starts_with("---") || line.starts_with("...") ? line.substr(3) : line;
    if (!is_blank_or_comment(rest) && !rest.starts_with("%YAML")) return false;
    const auto end = text.find('\n');
    if (end == text.npos) return true;
    text.remove_prefix(end + 1);
  }
  return true;
}

std::expected<Node, Complaint> read_yaml(const Chunk& chunk) {
  StoppableBuffer buffer(chunk.text);
  TreeBuilder builder(buffer, chunk.first_line);
  // The library reports by exceptions; they end here.
  try {
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder) && !builder.failed()) {
      Node root = builder.take_root();
      TreeBuilder second(buffer, chunk.first_line);
      if (!parser.HandleNextDocument(second)) return root;
      return std::unexpected(Complaint{.at = second.take_root().at,
                                       .message = "content after the document's end; separate documents by ---"});
    }
  } catch (const YAML::Exception& error) {
    if (!builder.failed()) {
      const Position where{.line = chunk.first_line + static_cast<std::size_t>(std::max(error.mark.line, 0)),
                           .column = static_cast<std::size_t>(std::max(error.mark.column, 0)) + 1};
      return std::unexpected(Complaint{
          .at = where, .message = improved(error.msg) + hint(chunk.text, error.mark)});
    }
  }
  if (builder.failed()) return std::unexpected(builder.complaint());
  return Node{.type = Node::Type::null, .plain = true, .text = {}, .at = {chunk.first_line, 1}, .items = {}, .keys = {}};
}

}  // namespace

std::vector<Chunk> split_documents(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<Chunk> chunks;
  std::size_t line = 1;
  std::size_t start_line = 1;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const bool marker = text.substr(at).starts_with("---") &&
                        (at + 3 == text.size() || std::string_view(" \t\r\n").contains(text[at + 3]));
    if (marker && at > start) {
      chunks.push_back({.text = text.substr(start, at - start), .first_line = start_line});
      start = at;
      start_line = line;
    }
    const auto end = text.find('\n', at);
    at = end == text.npos ? text.size() : end + 1;
  }
  chunks.push_back({.text = text.substr(start), .first_line = start_line});
  return chunks;
}

std::expected<Node, Complaint> read_document(const Chunk& chunk) {
  if (const auto refused = refuse_text(chunk)) return std::unexpected(*refused);
  if (is_empty(chunk.text))
    return Node{.type = Node::Type::null, .plain = true, .text = {}, .at = {chunk.first_line, 1}, .items = {}, .keys = {}};
  const auto first = chunk.text.find_first_not_of(" \t\r\n");
  if (chunk.text[first] == '{' || chunk.text[first] == '[') {
    auto json = read_json(chunk);
    if (json) return json;
    // Not JSON: flow style YAML, or a fault that both have. Flow style has no use for large texts, and the YAML library
    // needs seconds for them, so a large text is taken for the JSON that it looks like.
    if (chunk.text.size() > 100'000) return json;
    auto yaml = read_yaml(chunk);
    return yaml ? std::move(yaml) : std::unexpected(std::move(yaml.error()));
  }
  return read_yaml(chunk);
}

}  // namespace nodewall::config
