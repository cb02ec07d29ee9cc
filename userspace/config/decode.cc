#include "config/decode.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/printable.h"
#include "config/document.h"
#include "config/reader.h"

namespace nodewall::config {
namespace {

using model::Kind;

constexpr std::size_t kMaxDiagnostics = 1000;  // of one text; the rest is counted only

using model::Metadata;

// A string, also where YAML takes it for a number: servers and older writers leave these without quotes.
void read_loosely(Reader& reader, const Node& node, std::string& out) {
  if (node.type == Node::Type::scalar)
    out = node.text;
  else if (node.type != Node::Type::null)
    reader.fault(node, "wants a string, got " + shown(node));
}

void read_metadata(Reader& reader, const Node& node, Metadata& out) {
  static constexpr Field<Metadata> kFields[] = {
      field<&Metadata::name>("name"),
      field<&Metadata::labels>("labels"),
      field<&Metadata::annotations>("annotations"),
      field<&Metadata::uid>("uid"),
      {"resourceVersion", [](Reader& r, const Node& n, Metadata& m) { read_loosely(r, n, m.resource_version); }},
      {"creationTimestamp", [](Reader& r, const Node& n, Metadata& m) { read_loosely(r, n, m.creation_timestamp); }},
      {"namespace",
       [](Reader& r, const Node& n, Metadata&) {
         if (n.type != Node::Type::null && !(n.type == Node::Type::scalar && n.text.empty()))
           r.fault(n, "must not be given: this kind is cluster-scoped");
       }},
      ignored_field<Metadata>("generation"),
      ignored_field<Metadata>("generateName"),
      ignored_field<Metadata>("managedFields"),
      ignored_field<Metadata>("ownerReferences"),
      ignored_field<Metadata>("finalizers"),
      ignored_field<Metadata>("selfLink"),
      ignored_field<Metadata>("deletionTimestamp"),
      ignored_field<Metadata>("deletionGracePeriodSeconds"),
      ignored_field<Metadata>("clusterName")};
  read_object<Metadata>(reader, node, out, kFields);
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

bool is_within(std::string_view path, std::string_view outer) {
  return path.starts_with(outer) && (path.size() == outer.size() || path[outer.size()] == '.' || path[outer.size()] == '[');
}

// The rule that a path leads into ("spec.ingress[2]"), or nothing.
std::string_view rule_of(std::string_view path) {
  if (!path.starts_with("spec.ingress[") && !path.starts_with("spec.egress[")) return {};
  return path.substr(0, path.find(']') + 1);
}

// Whether what validation says of a field may be said only because a value could not be read: the field itself, what is in
// it or around it, or the rule that both are in.
bool may_follow_from(std::string_view field, const ReadFault& fault) {
  const auto rule = rule_of(field);
  return is_within(field, fault.path) || is_within(fault.path, field) || (!rule.empty() && rule == rule_of(fault.path));
}

std::string validation_message(const model::Fault& fault) {
  return "error with field " + printable(fault.field) + " = '" + printable(fault.value) + "' (" + fault.reason + ")";
}

class Decoder {
 public:
  Decoder(std::string_view file, Decoded& out) : file_(file), out_(out) {}

  void text(std::string_view text) {
    const auto documents = split_documents(text);
    for (const auto& each : documents.chunks) chunk(each);
    if (documents.unread_line != 0)
      at_last({.line = documents.unread_line, .column = 1},
              "more than " + std::to_string(kMaxDocuments) + " documents in one text; the rest is not read");
    if (unreported_ > 0) at_last({}, "and " + std::to_string(unreported_) + " more faults in this text");
  }

 private:
  void at_last(Position at, std::string message) {
    out_.diagnostics.push_back({.file = std::string(file_), .at = at, .message = std::move(message), .object = {}});
  }

  void chunk(const Chunk& chunk) {
    const auto root = read_document(chunk);
    if (!root) {
      report(root.error().at, root.error().message, guessed_object(chunk.text));
      return;
    }
    document(*root);
  }

  void report(Position at, std::string message, std::string object = {}) {
    if (out_.diagnostics.size() >= kMaxDiagnostics) {
      ++unreported_;
      return;
    }
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

  // Reports all that is wrong with an object, in order of appearance; true when it is whole.
  bool judge(const Node& node, const model::Resource& resource, const Reader& reader, const std::string& object) {
    struct Found {
      Position at;
      std::string message;
    };
    std::vector<Found> found;
    for (const auto& fault : reader.faults())
      found.push_back({fault.at, fault.path.empty() ? fault.reason : fault.path + ": " + fault.reason});
    for (const auto& fault : model::validate(resource)) {
      const auto follows = [&](const ReadFault& cause) { return may_follow_from(fault.field, cause); };
      if (std::ranges::any_of(reader.faults(), follows)) continue;
      if (found.size() < kMaxFaults) found.push_back({locate(node, fault.field), validation_message(fault)});
    }
    std::ranges::stable_sort(found, {}, [](const Found& each) { return std::pair(each.at.line, each.at.column); });
    for (auto& each : found) report(each.at, std::move(each.message), object);
    if (reader.more() > 0)
      report(start_of(node), "and " + std::to_string(reader.more()) + " more faults of this object", object);
    return found.empty();
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
  std::size_t unreported_ = 0;
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
  Decoder(file, out).text(text);
  return out;
}

}  // namespace nodewall::config
