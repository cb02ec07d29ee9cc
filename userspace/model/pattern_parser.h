// From the text of a pattern to its tree. Private to this room.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace nodewall::model {

struct PatternTree {
  enum class Kind : std::uint8_t { nothing, byte, begin, end, word_edge, no_word_edge, both, either, repeat };
  struct Node {
    Kind kind = Kind::nothing;
    std::size_t first = 0;                     // both, either, repeat: a node; byte: which set
    std::size_t second = 0;                    // both, either: a node
    unsigned least = 0;                        // repeat
    std::optional<unsigned> most = {};         // repeat; none: without end
    unsigned copies = 1;                       // how often the innermost part is written out
  };
  std::vector<Node> nodes;
  std::vector<std::bitset<256>> sets;
  std::size_t root = 0;
};

Result<PatternTree> parse_pattern(std::string_view text);

}  // namespace nodewall::model
