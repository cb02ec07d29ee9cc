// The search trees of the address tables (maps/policy.h): nodes of 11 children on 16 bits, of 6 children on 64 bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "maps/policy.h"

namespace nodewall::compile {

template <class Key>
struct Bound {  // from `key` on, up to the next bound
  Key key = 0;
  std::uint32_t ref = 0;
};

// A node of the image and how many children it has.
struct Narrow {
  using Node = nw_tree16;
  using Key = std::uint16_t;
  static constexpr std::size_t kChildren = 11;
};
struct Wide {
  using Node = nw_tree64;
  using Key = std::uint64_t;
  static constexpr std::size_t kChildren = 6;
};

constexpr std::uint32_t address_reference(std::uint32_t kind, std::uint32_t value) { return kind << 30 | value; }

// A node over at most kChildren bounds.
template <class Shape>
typename Shape::Node make_node(std::span<const Bound<typename Shape::Key>> bounds) {
  typename Shape::Node node{};
  std::ranges::fill(node.keys, std::numeric_limits<typename Shape::Key>::max());
  for (std::size_t i = 0; i < Shape::kChildren; ++i) {
    const auto at = std::min(i, bounds.size() - 1);
    if (i > 0 && i < bounds.size()) node.keys[i - 1] = bounds[at].key;
    node.children[i] = bounds[at].ref;
  }
  return node;
}

// The bounds of a node whose range begins at `low`.
template <class Shape>
std::vector<Bound<typename Shape::Key>> bounds_of(const typename Shape::Node& node, typename Shape::Key low) {
  constexpr auto kMost = std::numeric_limits<typename Shape::Key>::max();
  std::vector<Bound<typename Shape::Key>> bounds{{low, node.children[0]}};
  for (std::size_t i = 1; i < Shape::kChildren; ++i) {
    if (node.keys[i - 1] == kMost && node.children[i] == node.children[i - 1]) break;
    bounds.push_back({node.keys[i - 1], node.children[i]});
  }
  return bounds;
}

}  // namespace nodewall::compile
