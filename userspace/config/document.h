// The tree of one YAML or JSON document, with the position of every node: what decoding reads from.
//
// Private to this room. The reader is bounded before the YAML library sees a byte (size, NUL, encoding) and while it reads
// (depth, nodes, bytes of expanded aliases, bytes between two values), so that no text makes it slow, deep or large. One text
// may hold several documents, separated by lines that begin with "---"; each is read on its own, so that one bad document
// hides no other. An anchor's copy and every alias count as the nodes that they are.
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
inline constexpr std::size_t kMaxDocuments = 100'000;  // of one text
inline constexpr std::size_t kMaxYamlValue = 300'000;   // bytes of YAML text with a single value, or none, in it

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

struct Documents {
  std::vector<Chunk> chunks;      // without those that have no content
  std::size_t unread_line = 0;  // where the document after the last that is allowed begins; 0: all are there
};

// Cuts at lines that begin with "---".
Documents split_documents(std::string_view text);

// The tree of one document; a null node for one without content.
std::expected<Node, Complaint> read_document(const Chunk& chunk);

// Room for one more item: few steps, because while a large list moves both its places are in memory. Never more than the
// nodes that are still allowed.
void make_room(std::vector<Node>& items, std::size_t nodes_so_far);

// The complaint about more than kMaxNodes.
std::string too_many_nodes();

// For the readers: the line that begins at this offset, without its end; text without blanks around it; whether a line says
// nothing; a null node at the chunk's place.
std::string_view line_at(std::string_view text, std::size_t start);
std::string_view trimmed(std::string_view text);
bool is_blank_or_comment(std::string_view line);
Node nothing(const Chunk& chunk);

// read_document for text of which size and encoding are known to be good.
std::expected<Node, Complaint> read_yaml(const Chunk& chunk);

// read_document for text that is strict JSON. The complaint is the first syntax error; limits as above.
std::expected<Node, Complaint> read_json(const Chunk& chunk);

}  // namespace nodewall::config
