// ClassBlocks: which classes the diagrams of an endpoint cannot tell apart.
//
// Wherever a walk begins to look at a dimension, it goes on from one diagram (an exit) that the class chooses. Two classes that have the
// same exit at every such place are in one block: a walk with the one goes the same way as a walk with the other, so for these diagrams
// one member answers for all. Found by refinement, exit by exit, on the tables as they are; no hashes are compared.
//
// Damaged tables end in blocks too: an exit may be a fault. Diagrams that are deeper than a walk goes make no blocks.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "maps/policy.h"

namespace nodewall::compile {

constexpr unsigned kBlockDimensions = 4;  // NW_DIM_*

class ClassBlocks {
 public:
  // `ids`: the classes that occur in each dimension, ascending, each once.
  ClassBlocks(std::span<const nw_line> lines, std::array<std::vector<std::uint32_t>, kBlockDimensions> ids)
      : lines_(lines), ids_(std::move(ids)) {}

  // False: deeper than a walk goes, or more work than `most_steps`; then every class is a block of its own.
  bool find(std::span<const std::uint32_t> roots, std::uint64_t most_steps);
  [[nodiscard]] std::uint32_t block(unsigned dimension, std::uint32_t id) const;
  // The part of a diagram that is left when both addresses are known, as far as they come first on the way: two pairs of addresses with
  // one remainder are answered alike for all transports. Nothing: addresses are asked for again further on, or find() was false.
  [[nodiscard]] std::optional<std::uint32_t> remainder(std::uint32_t root, std::uint32_t source, std::uint32_t destination) const;

 private:
  struct Below {  // what a walk from a reference may meet
    unsigned depth = 0;  // nodes on the longest way; kOpen while it is looked at
    bool addresses = false;
  };
  struct Piece {  // classes ids_[dimension][begin, end) leave by one exit after `steps` nodes
    std::uint32_t begin = 0, end = 0;
    std::uint64_t exit = 0;
    std::uint32_t steps = 0;
  };

  Below visit(std::uint32_t ref, unsigned depth);
  void descend(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps, std::vector<Piece>& pieces);
  void descend_digits(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps,
                      std::vector<Piece>& pieces);
  void descend_list(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps,
                    std::vector<Piece>& pieces);
  void descend_row(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps,
                   std::vector<Piece>& pieces);
  void split(unsigned dimension, std::span<const Piece> pieces);
  bool work(std::uint64_t steps);

  std::span<const nw_line> lines_;
  std::array<std::vector<std::uint32_t>, kBlockDimensions> ids_;
  std::array<std::vector<std::uint32_t>, kBlockDimensions> blocks_;  // by place in ids_
  std::array<std::uint32_t, kBlockDimensions> count_{};
  std::unordered_map<std::uint32_t, Below> below_;  // by reference where a dimension begins
  std::uint64_t steps_left_ = 0;
  bool given_up_ = false;
};

}  // namespace nodewall::compile
