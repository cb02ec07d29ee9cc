#include "config/document.h"

#include <algorithm>
#include <optional>

#include "base/printable.h"

namespace nodewall::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

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
  if (const auto good = utf8_length(chunk.text); good != chunk.text.size())
    return Complaint{.at = place(good), .message = "not UTF-8 text"};
  return std::nullopt;
}

// %YAML is harmless, and the only directive that anything of ours needs.
std::optional<Complaint> refuse_directives(const Chunk& chunk) {
  std::size_t number = chunk.first_line;
  for (std::size_t start = 0; start < chunk.text.size(); ++number) {
    const auto line = line_at(chunk.text, start);
    if (line.starts_with('%') && !line.starts_with("%YAML "))
      return Complaint{.at = {.line = number, .column = 1},
                       .message = "the directive '" + printable(line) + "' is not allowed"};
    if (!line.starts_with('%') && !is_blank_or_comment(line)) break;
    const auto end = chunk.text.find('\n', start);
    start = end == chunk.text.npos ? chunk.text.size() : end + 1;
  }
  return std::nullopt;
}

// Has nothing but comments, blank lines, %YAML and markers. Other directives are content, to be refused.
bool is_empty(std::string_view text) {
  for (std::size_t start = 0; start < text.size();) {
    const auto line = line_at(text, start);
    const auto rest = line.starts_with("---") || line.starts_with("...") ? line.substr(3) : line;
    if (!is_blank_or_comment(rest) && !rest.starts_with("%YAML ")) return false;
    const auto end = text.find('\n', start);
    if (end == text.npos) return true;
    start = end + 1;
  }
  return true;
}

}  // namespace

std::string_view line_at(std::string_view text, std::size_t start) {
  auto line = text.substr(start, text.find('\n', start) - start);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
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

Node nothing(const Chunk& chunk) {
  Node node;
  node.plain = true;
  node.at = {.line = chunk.first_line, .column = 1};
  return node;
}

Documents split_documents(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Documents documents;
  std::size_t line = 1;
  std::size_t start_line = 1;
  std::size_t start = 0;
  std::size_t count = 0;
  const auto end_document = [&](std::size_t end) {
    const auto content = text.substr(start, end - start);
    if (!is_empty(content)) documents.chunks.push_back({.text = content, .first_line = start_line});
  };
  for (std::size_t at = 0; at < text.size(); ++line) {
    const bool marker = text.substr(at).starts_with("---") &&
                        (at + 3 == text.size() || std::string_view(" \t\r\n").contains(text[at + 3]));
    if (marker && at > start) {
      end_document(at);
      start = at;
      start_line = line;
      if (++count == kMaxDocuments) {
        documents.unread_line = line;
        return documents;
      }
    }
    const auto end = text.find('\n', at);
    at = end == text.npos ? text.size() : end + 1;
  }
  end_document(text.size());
  return documents;
}

void make_room(std::vector<Node>& items, std::size_t nodes_so_far) {
  constexpr std::size_t kLarge = 1024;
  const auto size = items.size();
  if (size < items.capacity() || size < kLarge) return;
  const auto allowed = kMaxNodes - std::min(nodes_so_far, kMaxNodes);
  items.reserve(std::min(size * 5, size + allowed + 2));
}

std::string too_many_nodes() {
  return "more than " + std::to_string(kMaxNodes) + " nodes in one document; a long list of networks can be several sets with the same labels";
}

std::expected<Node, Complaint> read_document(const Chunk& chunk) {
  if (const auto refused = refuse_text(chunk)) return std::unexpected(*refused);
  if (const auto refused = refuse_directives(chunk)) return std::unexpected(*refused);
  const auto first = chunk.text.find_first_not_of(" \t\r\n");
  if (first == chunk.text.npos || is_empty(chunk.text)) return nothing(chunk);
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
