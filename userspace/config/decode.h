// Text (YAML or JSON, one or many documents) -> resources, with every fault placed at file:line:column.
//
// Bounded: a document of more than 10 MB, more than 64 levels deep, with more than 100,000 nodes, or with any alias that
// would make it larger than that is refused; decoding needs time and memory linear in the text. YAML specials: anchors and
// aliases count against the node limit; merge keys (<<), tags other than the core ones, duplicate keys and NUL bytes are
// errors. So is a single YAML value of more than 300,000 bytes. Scalars follow the YAML 1.2 core rules (no `on`/`yes`
// booleans, no sexagesimals).
//
// One faulty document does not hide the others: `resources` holds those that are whole, `diagnostics` everything that is
// wrong, in order of appearance; at most 100 faults of an object and 1,000 of a text are worded, the rest is counted. One text
// holds at most 100,000 documents.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/resources.h"
#include "model/validate.h"

namespace nodewall::config {

struct Position {
  std::size_t line = 0;    // from 1; 0 = the file as a whole
  std::size_t column = 0;  // from 1
};

struct Diagnostic {
  std::string file;
  Position at;
  std::string message;
  // The object it is about as far as known ("HostEndpoint(eth0)"), else empty. A directory datastore keeps that object's
  // last good version.
  std::string object;
};
std::string to_string(const Diagnostic& diagnostic);  // "file:line:column: message"

struct DecodedResource {
  model::Resource resource;
  std::string file;
  Position at;  // of the document's first key
};

struct Decoded {
  std::vector<DecodedResource> resources;
  std::vector<Diagnostic> diagnostics;
  [[nodiscard]] bool ok() const { return diagnostics.empty(); }
};

// Decodes and validates (model::validate) everything in `text`. `file` only names the source in diagnostics.
Decoded decode(std::string_view text, std::string_view file);

}  // namespace nodewall::config
