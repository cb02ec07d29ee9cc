// Diagrams: decision diagrams over class numbers, under construction. maps/policy.h has the form in the image.
//
// A diagram is an Edge: a leaf (bit 31 clear) or a node (bit 31 set). A node looks at four bits of one class number (a digit) and
// has 16 edges. Nodes are stored once for each content (so two diagrams that decide alike are the same edge), never change, and a
// node whose edges are all equal is not made. On a path the dimensions come in the order of set_order(), high digits first. Nodes stay
// until keep_only() leaves them out; then their numbers are others'.
//
// Leaves are ordered, and of two the lesser decides:
//   rule i of the rule table: 2 i + 1;  "pass to the next tier", written before rule i: 2 i;  no match: kNothing
//
// Nodes and steps are bounded (set_limits() comes before anything is made): past the bound exhausted() is true and what is returned
// means nothing.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "compile/runs.h"
#include "maps/policy.h"

namespace nodewall::compile {

using Edge = std::uint32_t;
constexpr Edge kNothing = 0x7fffffffU;
constexpr unsigned kDimensions = 4;  // NW_DIM_*
constexpr unsigned kFan = 16;

constexpr Edge rule_leaf(std::uint32_t rule) { return rule * 2 + 1; }
constexpr Edge pass_leaf(std::uint32_t before_rule) { return before_rule * 2; }
constexpr bool is_node(Edge edge) { return edge >> 31 != 0; }
constexpr std::uint32_t node_index(Edge edge) { return edge & 0x7fffffffU; }

struct Entry {  // classes `first` to `last` go on with `edge`
  std::uint32_t first = 0, last = 0;
  Edge edge = kNothing;
};

struct DiagramLimits {
  std::size_t nodes = 0;  // made beside those that are there
  std::uint64_t steps = 0;
};

class Diagrams {
 public:
  struct Node {
    std::array<Edge, kFan> edges;
    Edge least = 0, greatest = 0;  // of all leaves below
    std::uint8_t dimension = 0;
    std::uint8_t digit = 0;     // 0: the low four bits
    std::uint8_t looks_at = 0;  // 1 << dimension for each that a path from here may look at
  };
  using Order = std::array<unsigned, kDimensions>;  // dimensions from the root on

  explicit Diagrams(const std::array<std::uint32_t, kDimensions>& class_counts);

  void set_order(const Order& order);
  Edge build(unsigned dimension, std::span<const Entry> entries);  // ascending, disjoint; elsewhere nothing
  Edge least(Edge a, Edge b);
  Edge follow(Edge first, Edge next, bool nothing_goes_on);  // `next` where `first` passes, and perhaps where it has nothing

  [[nodiscard]] bool exhausted() const { return exhausted_; }
  [[nodiscard]] const Node& node(Edge edge) const { return nodes_[node_index(edge)]; }
  [[nodiscard]] std::size_t node_count() const { return nodes_.size(); }  // an index is less than that
  [[nodiscard]] std::size_t nodes_in_use() const { return nodes_.size() - free_.size(); }
  [[nodiscard]] std::uint32_t class_count(unsigned dimension) const { return counts_[dimension]; }
  [[nodiscard]] unsigned digits(unsigned dimension) const { return digits_[dimension]; }
  void make_room(std::size_t nodes);  // for so many more: they are made without a pause
  void set_limits(DiagramLimits limits);  // for what is made from now on; ends exhaustion
  // Forgets the nodes that are neither below one of `roots` nor below what is known of operations on such.
  void keep_only(std::span<const Edge> roots);

 private:
  enum Operation : std::uint32_t { kLeast, kFollowPass, kFollowNothing };
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t node = 0;  // index + 1; 0: free
  };
  struct Cached {
    Edge a = kNothing, b = kNothing;
    std::uint32_t operation = 0;
    Edge result = kNothing;
  };

  Edge intern(unsigned dimension, unsigned digit, const std::array<Edge, kFan>& edges);
  void put(const Slot& entry);  // into table_
  void grow_table();
  void keep_below(Edge edge, std::vector<bool>& kept) const;
  void keep_results(std::vector<bool>& kept) const;
  [[nodiscard]] unsigned rank(Edge edge) const;
  [[nodiscard]] Cached& cached(Edge a, Edge b, std::uint32_t operation);
  Edge build_digit(unsigned dimension, unsigned digit, std::uint64_t base, std::span<const Entry> entries);
  Edge apply(Edge a, Edge b, Operation operation);
  [[nodiscard]] bool decided(Edge a, Edge b, Operation operation, Edge& result) const;
  bool step();

  std::array<std::uint32_t, kDimensions> counts_;
  std::array<unsigned, kDimensions> digits_;
  std::array<unsigned, kDimensions> rank_{0, 1, 2, 3};
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> free_;  // indices
  std::vector<Slot> table_;    // open addressing
  std::vector<Cached> cache_;  // direct mapped: a lost entry costs time only
  std::uint32_t order_ = 0;    // a number for each order of dimensions: results are shaped by it
  std::size_t most_nodes_ = 0;
  std::uint64_t steps_left_ = 0;
  bool exhausted_ = false;
};

}  // namespace nodewall::compile
