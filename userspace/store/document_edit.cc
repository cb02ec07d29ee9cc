#include "store/document_edit.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/printable.h"
#include "config/decode.h"
#include "config/encode.h"

namespace nodewall::store {
namespace {

using config::Decoded;

bool is_json_name(std::string_view file) { return file.ends_with(".json"); }

struct Part {  // one document of the text
  std::size_t begin = 0;
  std::size_t end = 0;
  Decoded decoded;
};

bool mentions(const Part& part, const model::ResourceId& id) {
  const auto object = to_string(id);
  return std::ranges::any_of(part.decoded.resources, [&](const auto& one) { return one.resource.id() == id; }) ||
         std::ranges::any_of(part.decoded.diagnostics, [&](const auto& one) { return one.object == object; });
}

// Where the next line with a marker begins: decoding cuts there too.
std::size_t end_of_document(std::string_view text, std::size_t begin) {
  for (auto at = text.find("\n---", begin); at != text.npos; at = text.find("\n---", at + 1)) {
    const auto after = at + 4;
    if (after == text.size() || std::string_view(" \t\r\n").contains(text[after])) return at + 1;
  }
  return text.size();
}

// The document that holds the object, whole or broken. A file has at most one that counts: the first.
std::optional<Part> find_part(std::string_view text, std::string_view file, const model::ResourceId& id) {
  for (Part part{}; part.begin < text.size(); part.begin = part.end) {
    part.end = end_of_document(text, part.begin);
    part.decoded = config::decode(text.substr(part.begin, part.end - part.begin), file);
    if (mentions(part, id)) return part;
  }
  return std::nullopt;
}

std::string_view first_line(std::string_view text) {
  const auto end = text.find('\n');
  return end == text.npos ? text : text.substr(0, end + 1);
}

std::string_view stripped(std::string_view line) {
  while (!line.empty() && std::string_view(" \t\r\n").contains(line.front())) line.remove_prefix(1);
  while (!line.empty() && std::string_view(" \t\r\n").contains(line.back())) line.remove_suffix(1);
  return line;
}

bool is_blank_or_comment(std::string_view line) {
  const auto text = stripped(line);
  return text.empty() || text.front() == '#';
}

// What stands before the object: the marker, directives, blank lines and comments.
std::string_view head_of(std::string_view chunk) {
  std::size_t length = 0;
  while (length < chunk.size()) {
    const auto line = first_line(chunk.substr(length));
    const bool marker = line.starts_with("---") && is_blank_or_comment(line.substr(3));
    if (!marker && !line.starts_with('%') && !is_blank_or_comment(line)) break;
    length += line.size();
  }
  return chunk.substr(0, length);
}

// What stands after it: blank lines, comments that are not indented, the end marker.
std::string_view tail_of(std::string_view body) {
  std::size_t begin = body.size();
  while (begin > 0) {
    auto previous = begin == 1 ? std::string_view::npos : body.rfind('\n', begin - 2);
    previous = previous == std::string_view::npos ? 0 : previous + 1;
    const auto line = body.substr(previous, begin - previous);
    if (!stripped(line).empty() && !line.starts_with('#') && stripped(line) != "...") break;
    begin = previous;
  }
  return body.substr(begin);
}

// The text of several objects that one document held, JSON staying one value.
std::string objects_text(const std::vector<model::Resource>& resources, std::string_view file) {
  if (resources.size() == 1) return object_text(resources.front(), file);
  if (is_json_name(file)) {
    nlohmann::json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", nlohmann::json::array()}};
    for (const auto& resource : resources) list["items"].push_back(config::encode(resource));
    return list.dump(2) + "\n";
  }
  std::string text;
  for (const auto& resource : resources) text += (text.empty() ? "" : "---\n") + object_text(resource, file);
  return text;
}

// The part with its objects in place of what was there.
std::string rewritten(std::string_view chunk, const std::vector<model::Resource>& resources, std::string_view file) {
  auto head = head_of(chunk);
  std::string text(head);
  const auto body = chunk.substr(head.size());
  // "--- {a: b}": the marker shares the object's line.
  if (body.starts_with("---")) text += "---\n";
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += objects_text(resources, file);
  text += tail_of(body);
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

// The objects of a text in order, for comparison.
std::vector<model::Resource> objects_of(std::string_view text, std::string_view file) {
  std::vector<model::Resource> objects;
  for (auto& one : config::decode(text, file).resources) objects.push_back(std::move(one.resource));
  return objects;
}

Status verify(std::string_view before, std::string_view after, std::string_view file, const model::ResourceId& id,
              const model::Resource* wanted) {
  auto old_objects = objects_of(before, file);
  auto new_objects = objects_of(after, file);
  const auto is_it = [&](const model::Resource& one) { return one.id() == id; };
  const auto found = std::ranges::find_if(new_objects, is_it);
  const bool right = wanted == nullptr || (found != new_objects.end() && *found == *wanted);
  const auto old_ones = std::ranges::remove_if(old_objects, is_it);
  old_objects.erase(old_ones.begin(), old_ones.end());
  const auto new_ones = std::ranges::remove_if(new_objects, is_it);
  new_objects.erase(new_ones.begin(), new_ones.end());
  if (right && old_objects == new_objects) return {};
  return fail(Errc::conflict, printable(file) + ": the file cannot be changed without changing more than " +
                                  to_string(id) + ": edit it by hand");
}

Result<Part> part_to_change(std::string_view text, std::string_view file, const model::ResourceId& id) {
  auto part = find_part(text, file, id);
  if (!part) return fail(Errc::not_found, "resource does not exist: " + to_string(id));
  const auto object = to_string(id);
  for (const auto& diagnostic : part->decoded.diagnostics) {
    if (diagnostic.object == object) continue;
    return fail(Errc::conflict, printable(file) + ": " + object +
                                    " shares its document with an object that has faults: correct them first");
  }
  return std::move(*part);
}

std::string spliced(std::string_view text, const Part& part, std::string_view replacement) {
  return std::string(text.substr(0, part.begin)) + std::string(replacement) + std::string(text.substr(part.end));
}

}  // namespace

std::string object_text(const model::Resource& resource, std::string_view file) {
  const auto value = config::encode(resource);
  return is_json_name(file) ? value.dump(2) + "\n" : config::to_yaml(value);
}

Result<std::string> replace_object(std::string_view text, std::string_view file, const model::Resource& resource) {
  const auto id = resource.id();
  auto part = part_to_change(text, file, id);
  if (!part) return fail(part.error());
  std::vector<model::Resource> objects;
  bool placed = false;
  for (const auto& one : part->decoded.resources) {
    const bool is_it = one.resource.id() == id;
    if (!is_it || !placed) objects.push_back(is_it ? resource : one.resource);
    placed = placed || is_it;
  }
  if (!placed) objects.push_back(resource);  // it was there, broken
  auto after = spliced(text, *part, rewritten(text.substr(part->begin, part->end - part->begin), objects, file));
  if (auto right = verify(text, after, file, id, &resource); !right) return fail(right.error());
  return after;
}

Result<std::string> remove_object(std::string_view text, std::string_view file, const model::ResourceId& id) {
  auto part = part_to_change(text, file, id);
  if (!part) return fail(part.error());
  std::vector<model::Resource> objects;
  for (const auto& one : part->decoded.resources)
    if (one.resource.id() != id) objects.push_back(one.resource);
  std::string after;
  if (objects.empty())
    after = spliced(text, *part, "");
  else
    after = spliced(text, *part, rewritten(text.substr(part->begin, part->end - part->begin), objects, file));
  // A second object of that name further down would come to life.
  while (find_part(after, file, id)) {
    auto again = remove_object(after, file, id);
    if (!again) return again;
    after = std::move(*again);
  }
  if (auto right = verify(text, after, file, id, nullptr); !right) return fail(right.error());
  const auto left = config::decode(after, file);
  if (left.resources.empty() && left.diagnostics.empty()) return std::string();
  return after;
}

}  // namespace nodewall::store
