#include "compile/address_tables.h"

#include <array>
#include <bit>
#include <limits>
#include <span>

#include "compile/address_tree.h"

namespace nodewall::compile {
namespace {

// The tree over `bounds`, whose first one is where the tree's range begins. Subtrees are filled one after the other, so all nodes but
// the last of a level are full.
template <class Shape>
std::uint32_t write_tree(std::span<const Bound<typename Shape::Key>> bounds, std::uint32_t kind, std::vector<nw_line>& lines) {
  if (bounds.size() == 1) return bounds[0].ref;
  std::size_t part = 1;
  while (part * Shape::kChildren < bounds.size()) part *= Shape::kChildren;
  const auto line = lines.size();
  lines.emplace_back();
  std::array<Bound<typename Shape::Key>, Shape::kChildren> children;
  std::size_t count = 0;
  for (std::size_t at = 0; at < bounds.size(); at += part)
    children[count++] = {bounds[at].key, write_tree<Shape>(bounds.subspan(at, std::min(part, bounds.size() - at)), kind, lines)};
  const auto node = make_node<Shape>(std::span(children).first(count));
  std::memcpy(&lines[line], &node, sizeof(node));
  return address_reference(kind, static_cast<std::uint32_t>(line));
}

// A table of trees from the first boundary to the last one, in equal parts: where these are spread, as those of many networks are, a part has few.
bool write_v6_table(std::span<const Bound<std::uint64_t>> upper, std::vector<nw_line>& lines, nw_image_header& header) {
  const auto table = lines.size();
  lines.resize(table + NW_ROOT_LINES);
  header.v6_base = upper[1].key;
  const auto width = static_cast<unsigned>(std::bit_width(upper.back().key - header.v6_base));
  const unsigned shift = width > 16 ? width - 16 : 0;
  header.v6_table = static_cast<std::uint32_t>(table) | shift << 24;
  std::vector<Bound<std::uint64_t>> bounds;
  for (std::size_t element = 0, at = 0; element < NW_ROOT_ELEMENTS; ++element) {
    // The first one has what is below the table as well.
    const auto begin = element == 0 ? 0 : header.v6_base + (std::uint64_t{element} << shift);
    while (at + 1 < upper.size() && upper[at + 1].key <= begin) ++at;
    bounds.assign(1, {begin, upper[at].ref});
    for (; at + 1 < upper.size() && nw_v6_element(&header, upper[at + 1].key) == element; ++at) bounds.push_back(upper[at + 1]);
    const auto ref = write_tree<Wide>(bounds, NW_ADDRESS_TREE, lines);
    lines[table + element / 16].words[element % 16] = ref;
    if (lines.size() > NW_MAX_IMAGE_LINES) return false;
  }
  header.v6_root = upper[0].ref;
  return true;
}

}  // namespace

bool write_v4(const Partition<std::uint32_t>& classes, std::vector<nw_line>& lines, nw_image_header& header) {
  header.v4_root = 0;
  header.v4_class = classes.classes[0];
  if (classes.class_count == 1) return true;
  const auto root = lines.size();
  lines.resize(root + NW_ROOT_LINES);
  header.v4_root = static_cast<std::uint32_t>(root);
  std::vector<Bound<std::uint16_t>> bounds;
  std::size_t at = 0;  // the piece that the block begins in
  for (std::uint32_t block = 0; block < NW_ROOT_ELEMENTS; ++block) {
    while (at + 1 < classes.starts.size() && classes.starts[at + 1] <= block << 16) ++at;
    bounds.assign(1, {0, classes.classes[at]});
    while (at + 1 < classes.starts.size() && classes.starts[at + 1] >> 16 == block) {
      ++at;
      bounds.push_back({static_cast<std::uint16_t>(classes.starts[at] & 0xffff), classes.classes[at]});
    }
    const auto ref = write_tree<Narrow>(bounds, NW_ADDRESS_TREE, lines);
    lines[root + block / 16].words[block % 16] = ref;
    if (lines.size() > NW_MAX_IMAGE_LINES) return false;
  }
  return true;
}

bool write_v6(const Partition<Uint128>& classes, std::uint32_t first_class, std::vector<nw_line>& lines, nw_image_header& header) {
  const auto high = [&](std::size_t piece) { return static_cast<std::uint64_t>(classes.starts[piece] >> 64); };
  const auto low = [&](std::size_t piece) { return static_cast<std::uint64_t>(classes.starts[piece]); };
  const auto add = [](auto& bounds, std::uint64_t key, std::uint32_t ref) {
    if (bounds.empty() || bounds.back().ref != ref) bounds.push_back({key, ref});
  };
  std::vector<Bound<std::uint64_t>> upper, lower;
  const auto pieces = classes.starts.size();
  for (std::size_t at = 0; at < pieces;) {
    auto end = at;
    while (end < pieces && high(end) == high(at)) ++end;
    lower.clear();
    if (low(at) != 0) add(lower, 0, first_class + classes.classes[at - 1]);
    for (; at < end; ++at) add(lower, low(at), first_class + classes.classes[at]);
    add(upper, high(at - 1), write_tree<Wide>(lower, NW_ADDRESS_LOW, lines));
    const bool ends_space = high(at - 1) == std::numeric_limits<std::uint64_t>::max();
    const bool next_follows = at < pieces && high(at) == high(at - 1) + 1;
    if (lower.size() > 1 && !ends_space && !next_follows) add(upper, high(at - 1) + 1, first_class + classes.classes[at - 1]);
    if (lines.size() > NW_MAX_IMAGE_LINES) return false;
  }
  header.v6_table = 0;
  header.v6_base = 0;
  if (upper.size() > kMostHighsOfTree) return write_v6_table(upper, lines, header);
  header.v6_root = write_tree<Wide>(upper, NW_ADDRESS_TREE, lines);
  return lines.size() <= NW_MAX_IMAGE_LINES;
}

}  // namespace nodewall::compile
