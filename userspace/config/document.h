// The tree of one YAML or JSON document, with the position of every node: what decoding reads from.
//
// Private to this room. The reader is bounded before the YAML library sees a byte (size, NUL, encoding) and while it reads
// (depth, nodes, bytes of expanded aliases), so that no text makes it slow, deep or large. One text may hold several
// documents, separated by lines that begin with "---"; each is read on its own, so that one bad document hides no other.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/decode.h"

namespace nodewall::config {

inline constexpr std::size_t kMaxDocumentBytes = 10'000'000;
inline constexpr std::size_t kMaxDepth = 64;
inline constexpr std::size_t kMaxNodes = 100'000;

struct Node {
  enum class Type { null, scalar, sequence, mapping };
  Type type = Type::null;
  bool plain = false;  // an unquoted scalar: may be a number or a truth value
  std::string text;    // a scalar's
  Position at;
  std::vector<Node> items;  // of a sequence; of a mapping the values
  struct Key {
    std::string text;
    Position at;
  };
  std::vector<Key> keys;  // of a mapping, as many as items
};

struct Complaint {
  Position at;
  std::string message;
};

struct Chunk {  // the text of one document
  std::string_view text;
  std::size_t first_line = 1;  // of the whole text
};

// Cuts at lines that begin with "---". Chunks without content are left in.
std::vector<Chunk> split_documents(std::string_view text);

// The tree of one document; a null node for one without content.
std::expected<Node, Complaint> read_document(const Chunk& chunk);

// The same for text that is strict JSON. The complaint is the first syntax error; limits as above.
std::expected<Node, Complaint> read_json(const Chunk& chunk);

}  // namespace nodewall::config
