// Reads typed values from a document's tree. Private to this room.
//
// An object is a table of fields: name -> how its value is read. The reader walks the keys that are there, so that an
// unknown key is always noticed, and goes on after a fault, so that all faults of a document are found. `read` overloads
// say what each type looks like as text.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "model/resources.h"

namespace nodewall::config {

inline constexpr std::size_t kMaxFaults = 100;  // of one object; the rest is counted only

struct ReadFault {
  std::string path;  // "spec.ingress[0].action"
  Position at;
  std::string reason;
};

class Reader {
 public:
  void fault(Position at, std::string reason);
  void fault(const Node& node, std::string reason) { fault(node.at, std::move(reason)); }
  [[nodiscard]] const std::vector<ReadFault>& faults() const { return faults_; }
  [[nodiscard]] std::size_t more() const { return more_; }

  // Goes down to a field or an item for as long as the Step lives.
  class Step {
   public:
    Step(Reader& reader, std::string_view field);
    Step(Reader& reader, std::size_t index);
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() { reader_.path_.resize(length_); }

   private:
    Reader& reader_;
    std::size_t length_;
  };

  // Faults unless the node is a mapping (null counts as an empty one: false without fault).
  bool is_mapping(const Node& node);
  bool is_sequence(const Node& node);
  void unknown_field(const Node::Key& key, std::span<const std::string_view> known);
  void require(const Node& node, std::string_view key);  // in a mapping

 private:
  std::string path_;
  std::vector<ReadFault> faults_;
  std::size_t more_ = 0;
};

template <typename T>
struct Field {
  std::string_view name;
  void (*read)(Reader&, const Node&, T&);
};

// `other` takes a field that is not in the table; false if it doesn't know it either.
template <typename T>
using OtherField = bool (*)(const std::string& name, const Node& node, T& out);

template <typename T>
void read_object(Reader& reader, const Node& node, T& out, std::span<const Field<T>> fields,
                 OtherField<T> other = nullptr) {
  if (!reader.is_mapping(node)) return;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto& key = node.keys[i];
    const Field<T>* found = nullptr;
    for (const auto& field : fields)
      if (field.name == key.text) found = &field;
    if (found != nullptr) {
      const Reader::Step step(reader, found->name);
      found->read(reader, node.items[i], out);
      continue;
    }
    if (other != nullptr && other(key.text, node.items[i], out)) continue;
    std::vector<std::string_view> known;
    for (const auto& field : fields) known.push_back(field.name);
    reader.unknown_field(key, known);
  }
}

// What a plain scalar is by the YAML 1.2 core schema.
enum class ScalarKind { text, number, boolean };
ScalarKind scalar_kind(const Node& node);
std::string shown(const Node& node);  // for messages: "a list", "\"x\"", 80
// The same value as JSON; numbers and truth values as such.
nlohmann::json to_json(const Node& node);

// The text of a string. Nothing, after a fault, for anything else; a null is the empty string.
std::optional<std::string> read_text(Reader& reader, const Node& node);
std::optional<std::int64_t> read_integer(Reader& reader, const Node& node, std::int64_t least, std::int64_t most);
void read_switch(Reader& reader, const Node& node, std::optional<bool>& out);  // Enabled, Disabled
void read_nets(Reader& reader, const Node& node, std::vector<Cidr>& out, BareAddress bare);
void read_nets(Reader& reader, const Node& node, SharedList<Cidr>& out, BareAddress bare);

// One of the names, by its position; nothing, after a fault, if it is none.
std::optional<std::size_t> read_choice(Reader& reader, const Node& node, std::span<const std::string_view> names);

void read(Reader& reader, const Node& node, std::string& out);
void read(Reader& reader, const Node& node, bool& out);
void read(Reader& reader, const Node& node, double& out);
void read(Reader& reader, const Node& node, std::int64_t& out);
void read(Reader& reader, const Node& node, model::Labels& out);
void read(Reader& reader, const Node& node, model::Duration& out);
void read(Reader& reader, const Node& node, Address& out);
void read(Reader& reader, const Node& node, model::Selector& out);
void read(Reader& reader, const Node& node, std::optional<model::Selector>& out);  // "" is absent
void read(Reader& reader, const Node& node, model::Protocol& out);
void read(Reader& reader, const Node& node, model::Port& out);
void read(Reader& reader, const Node& node, model::Rule& out);

// The types of resources have their readers beside the tables in read_*.cc; found by argument-dependent look-up.
template <typename T>
void read(Reader& reader, const Node& node, std::optional<T>& out) {
  if (node.type == Node::Type::null) return;
  T value{};
  read(reader, node, value);
  out = std::move(value);
}

template <typename T>
void read(Reader& reader, const Node& node, std::vector<T>& out) {
  if (!reader.is_sequence(node)) return;
  out.reserve(node.items.size());
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Reader::Step step(reader, i);
    if (node.items[i].type == Node::Type::null) {
      reader.fault(node.items[i], "an empty item");
      continue;
    }
    read(reader, node.items[i], out.emplace_back());
  }
}

template <typename T>
void read(Reader& reader, const Node& node, SharedList<T>& out) {
  std::vector<T> values;
  read(reader, node, values);
  out = std::move(values);
}

template <typename C, typename V>
C class_of(V C::*);

// A field that is one member, read by the `read` of its type.
template <auto Member>
constexpr auto field(std::string_view name) {
  using T = decltype(class_of(Member));
  return Field<T>{name, [](Reader& reader, const Node& node, T& out) { read(reader, node, out.*Member); }};
}
// A member of type optional<bool> that is written Enabled or Disabled.
template <auto Member>
constexpr auto switch_field(std::string_view name) {
  using T = decltype(class_of(Member));
  return Field<T>{name, [](Reader& reader, const Node& node, T& out) { read_switch(reader, node, out.*Member); }};
}
template <auto Member, BareAddress bare>
constexpr auto nets_field(std::string_view name) {
  using T = decltype(class_of(Member));
  return Field<T>{name, [](Reader& reader, const Node& node, T& out) { read_nets(reader, node, out.*Member, bare); }};
}
// A field that Calico has and that means nothing here.
template <typename T>
constexpr Field<T> ignored_field(std::string_view name) {
  return {name, [](Reader&, const Node&, T&) {}};
}

// The spec (and status) of a document of this kind.
model::Spec read_spec(Reader& reader, const Node* spec, const Node* status, model::Kind kind);

}  // namespace nodewall::config
