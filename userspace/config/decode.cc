#include "config/decode.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/printable.h"
#include "config/document.h"
#include "config/reader.h"

namespace nodewall::config {
namespace {

using model::Kind;

struct Metadata {
  model::Metadata out;
  std::string namespace_name;
};

constexpr Field<Metadata> text_field(std::string_view name, void (*read)(Reader&, const Node&, Metadata&)) {
  return {name, read};
}

void read_metadata(Reader& reader, const Node& node, model::Metadata& out) {
  static constexpr Field<Metadata> kFields[] = {
      text_field("name", [](Reader& r, const Node& n, Metadata& m) { read(r, n, m.out.name); }),
      text_field("labels", [](Reader& r, const Node& n, Metadata& m) { read(r, n, m.out.labels); }),
      text_field("annotations", [](Reader& r, const Node& n, Metadata& m) { read(r, n, m.out.annotations); }),
      text_field("uid", [](Reader& r, const Node& n, Metadata& m) { read(r, n, m.out.uid); }),
      text_field("resourceVersion",
                 [](Reader&, const Node& n, Metadata& m) { m.out.resource_version = n.text; }),
      // A timestamp is a string in YAML 1.2; older readers make it a date of its own.
      text_field("creationTimestamp",
                 [](Reader&, const Node& n, Metadata& m) { m.out.creation_timestamp = n.text; }),
      text_field("namespace",
                 [](Reader& r, const Node& n, Metadata&) {
                   if (!n.text.empty()) r.fault(n, "this kind is not namespaced");
                 }),
      ignored_field<Metadata>("generation"),
      ignored_field<Metadata>("generateName"),
      ignored_field<Metadata>("managedFields"),
      ignored_field<Metadata>("ownerReferences"),
      ignored_field<Metadata>("finalizers"),
      ignored_field<Metadata>("selfLink"),
      ignored_field<Metadata>("deletionTimestamp"),
      ignored_field<Metadata>("deletionGracePeriodSeconds"),
      ignored_field<Metadata>("clusterName")};
  Metadata metadata;
  read_object<Metadata>(reader, node, metadata, kFields);
  out = std::move(metadata.out);
}

const Node* child(const Node& node, std::string_view key) {
  for (std::size_t i = 0; i < node.keys.size(); ++i)
    if (node.keys[i].text == key) return &node.items[i];
  return nullptr;
}

std::string text_of(const Node& node, std::string_view key) {
  const Node* found = child(node, key);
  return found != nullptr && found->type == Node::Type::scalar ? found->text : std::string();
}

// Where the field of this path is written; of a field that is not there, the nearest thing around it.
Position locate(const Node& root, std::string_view path) {
  const Node* node = &root;
  Position at = root.keys.empty() ? root.at : root.keys.front().at;
  while (!path.empty()) {
    if (path.starts_with('[')) {
      const auto close = path.find(']');
      if (close == path.npos) return at;
      std::size_t index = 0;
      for (const char c : path.substr(1, close - 1)) index = index * 10 + static_cast<std::size_t>(c - '0');
      if (index >= node->items.size()) return at;
      node = &node->items[index];
      at = node->at;
      path.remove_prefix(close + 1);
      continue;
    }
    if (path.starts_with('.')) path.remove_prefix(1);
    // A label's key may hold dots: the longest key that fits.
    const Node* next = nullptr;
    std::size_t length = 0;
    for (std::size_t i = 0; i < node->keys.size(); ++i) {
      const std::string_view key = node->keys[i].text;
      const bool fits = path.starts_with(key) &&
                        (path.size() == key.size() || path[key.size()] == '.' || path[key.size()] == '[');
      if (!fits || key.size() < length || key.empty()) continue;
      next = &node->items[i];
      length = key.size();
      at = node->items[i].type == Node::Type::null || node->items[i].type == Node::Type::mapping
               ? node->keys[i].at
               : node->items[i].at;
    }
    if (next == nullptr) return at;
    node = next;
    path.remove_prefix(length);
  }
  return at;
}

// What other faults may be consequences of: a rule, a field of the metadata, or the whole rest of the spec.
std::string_view part_of(std::string_view path) {
  if (const auto bracket = path.find(']'); bracket != path.npos) return path.substr(0, bracket + 1);
  if (path.starts_with("metadata.")) return path;
  return "spec";
}

std::string validation_message(const model::Fault& fault) {
  return "error with field " + printable(fault.field) + " = '" + printable(fault.value) + "' (" + fault.reason + ")";
}

class Decoder {
 public:
  Decoder(std::string_view file, Decoded& out) : file_(file), out_(out) {}

  void chunk(const Chunk& chunk) {
    const auto root = read_document(chunk);
    if (!root) {
      report(root.error().at, root.error().message, guessed_object(chunk.text));
      return;
    }
    document(*root);
  }

 private:
  void report(Position at, std::string message, std::string object = {}) {
    out_.diagnostics.push_back(
        {.file = std::string(file_), .at = at, .message = std::move(message), .object = std::move(object)});
  }

  void document(const Node& root) {
    if (root.type == Node::Type::null) return;
    if (root.type == Node::Type::sequence) {
      for (const auto& item : root.items) object(item, {});
      return;
    }
    object(root, {});
  }

  // `implied` is the kind that the list around it promises.
  void object(const Node& node, std::optional<Kind> implied) {
    if (node.type != Node::Type::mapping)
      return report(node.at, "wants a resource (apiVersion, kind, metadata, spec), got " + shown(node));
    const auto api = text_of(node, "apiVersion");
    const auto kind_text = text_of(node, "kind");
    if (kind_text.ends_with("List")) return list(node, api, kind_text);
    if (implied && api.empty() && kind_text.empty()) return resource(node, *implied);
    if (kind_text.empty()) return report(start_of(node), "kind must be specified");
    if (api.empty()) return report(start_of(node), "apiVersion must be specified");
    for (const Kind kind : model::kAllKinds)
      if (kind_text == model::name(kind) && api == model::api_version(kind)) return resource(node, kind);
    unknown_kind(node, api, kind_text);
  }

  void unknown_kind(const Node& node, const std::string& api, const std::string& kind_text) {
    std::string message = "unknown resource type (" + printable(kind_text) + ") and/or version (" + printable(api) + ")";
    for (const Kind kind : model::kAllKinds) {
      if (kind_text == model::name(kind))
        message += "; " + kind_text + " wants apiVersion " + std::string(model::api_version(kind));
    }
    report(child(node, "kind")->at, std::move(message));
  }

  void list(const Node& node, const std::string& api, const std::string& kind_text) {
    std::optional<Kind> implied;
    for (const Kind kind : model::kAllKinds)
      if (kind_text == std::string(model::name(kind)) + "List" && api == model::api_version(kind)) implied = kind;
    if (!implied && !(kind_text == "List" && api == "v1"))
      return report(start_of(node), "unknown resource type (" + printable(kind_text) + ") and/or version (" +
                                        printable(api) + ")");
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      const auto& key = node.keys[i].text;
      if (key != "apiVersion" && key != "kind" && key != "metadata" && key != "items")
        report(node.keys[i].at, "unknown field \"" + printable(key) + "\" of a list");
    }
    const Node* items = child(node, "items");
    if (items == nullptr || items->type == Node::Type::null) return;
    if (items->type != Node::Type::sequence) return report(items->at, "items: wants a list, got " + shown(*items));
    for (const auto& item : items->items) {
      if (item.type == Node::Type::mapping && text_of(item, "kind").ends_with("List"))
        report(item.at, "a list in a list");
      else
        object(item, implied);
    }
  }

  static Position start_of(const Node& node) { return node.keys.empty() ? node.at : node.keys.front().at; }

  void resource(const Node& node, Kind kind) {
    Reader reader;
    DecodedResource decoded{.resource = {}, .file = std::string(file_), .at = start_of(node)};
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      constexpr std::array<std::string_view, 5> kKnown = {"apiVersion", "kind", "metadata", "spec", "status"};
      if (std::ranges::find(kKnown, std::string_view(node.keys[i].text)) == kKnown.end())
        reader.unknown_field(node.keys[i], kKnown);
    }
    if (const Node* metadata = child(node, "metadata")) {
      const Reader::Step step(reader, "metadata");
      read_metadata(reader, *metadata, decoded.resource.metadata);
    }
    decoded.resource.spec = read_spec(reader, child(node, "spec"), child(node, "status"), kind);
    const auto& name = decoded.resource.metadata.name;
    const std::string object = model::is_dns_subdomain(name) ? to_string(decoded.resource.id()) : std::string();
    if (judge(node, decoded.resource, reader, object)) out_.resources.push_back(std::move(decoded));
  }

  // Reports all that is wrong with an object; true when it is whole.
  bool judge(const Node& node, const model::Resource& resource, const Reader& reader, const std::string& object) {
    std::set<std::string_view> faulty;
    for (const auto& fault : reader.faults()) {
      faulty.insert(part_of(fault.path));
      report(fault.at, fault.path.empty() ? fault.reason : fault.path + ": " + fault.reason, object);
    }
    if (reader.more() > 0)
      report(start_of(node), "and " + std::to_string(reader.more()) + " more faults of this object", object);
    bool whole = reader.faults().empty();
    for (const auto& fault : model::validate(resource)) {
      // Beside a fault of reading, a rule that was broken may be broken only because of it.
      const auto part = part_of(fault.field);
      if (!reader.faults().empty() && (part == "spec" || faulty.contains(part))) continue;
      report(locate(node, fault.field), validation_message(fault), object);
      whole = false;
    }
    return whole;
  }

  // The object of a text that is not even YAML, by the lines that usually say it.
  static std::string guessed_object(std::string_view text) {
    std::string kind;
    std::string name;
    bool in_metadata = false;
    const auto head = text.substr(0, 65'536);
    for (std::size_t at = 0; at < head.size() && (kind.empty() || name.empty());) {
      auto line = head.substr(at, head.find('\n', at) - at);
      at += line.size() + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.starts_with("kind: ")) kind = line.substr(6);
      if (!line.empty() && line.front() != ' ') in_metadata = line.starts_with("metadata:");
      if (in_metadata && line.starts_with("  name: ") && name.empty()) name = line.substr(8);
    }
    if (!model::is_dns_subdomain(name)) return {};
    for (const Kind known : model::kAllKinds)
      if (kind == model::name(known)) return to_string(model::ResourceId{.kind = known, .name = name});
    return {};
  }

  std::string_view file_;
  Decoded& out_;
};

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file;
  if (diagnostic.at.line != 0)
    text += ":" + std::to_string(diagnostic.at.line) + ":" + std::to_string(diagnostic.at.column);
  return text + ": " + diagnostic.message;
}

Decoded decode(std::string_view text, std::string_view file) {
  Decoded out;
  Decoder decoder(file, out);
  for (const auto& chunk : split_documents(text)) decoder.chunk(chunk);
  return out;
}

}  // namespace nodewall::config
