#include "compile/diagram_writer.h"

#include <algorithm>
#include <cstring>

namespace nodewall::compile {
namespace {

constexpr std::size_t kListKeys = 7;

std::uint32_t reference(std::uint32_t kind, unsigned dimension, unsigned shift, std::uint32_t line) {
  return kind << 30 | dimension << 28 | shift << 24 | line;
}

std::uint32_t leaf_reference(Edge edge) { return edge == kNothing ? NW_NO_MATCH : edge >> 1; }

}  // namespace

std::uint32_t DiagramWriter::take_lines(std::size_t lines) {
  const auto first = lines_.take(lines);
  if (first == 0) full_ = true;
  return first;
}

std::uint32_t DiagramWriter::note(Edge edge, std::uint32_t ref, std::size_t depth) {
  written_[node_index(edge)] = {ref, static_cast<std::uint32_t>(depth)};
  ++in_image_;
  ++written_since_;
  return ref;
}

std::uint32_t DiagramWriter::write(Edge root) {
  written_.resize(diagrams_.node_count());
  marks_.resize(diagrams_.node_count());
  if (const auto row = rows_.find(root); row != rows_.end()) {
    ++row->second.uses;
    return row->second.written.ref;
  }
  // Only here: below, rows of diagrams that differ in a few classes would share nothing.
  if (is_node(root) && written_[node_index(root)].depth == 0 && row_is_worth_it(root)) return write_row(root);
  return write_node(root);
}

void DiagramWriter::give_up(Edge root) {
  const auto row = rows_.find(root);
  if (row == rows_.end() || --row->second.uses > 0) return;
  lines_.give_back(NW_REF_LINE(row->second.written.ref), row->second.lines);
  rows_.erase(row);
}

std::size_t DiagramWriter::node_depth(Edge edge) const { return is_node(edge) ? written_[node_index(edge)].depth : 0; }

std::size_t DiagramWriter::depth(Edge root) const {
  const auto row = rows_.find(root);
  return row != rows_.end() ? row->second.written.depth : node_depth(root);
}

void DiagramWriter::collect_garbage(std::span<const Edge> roots) {
  written_.resize(diagrams_.node_count());
  marks_.resize(diagrams_.node_count());
  ++mark_;
  std::vector<Edge> open(roots.begin(), roots.end());
  while (!open.empty()) {
    const auto edge = open.back();
    open.pop_back();
    if (!is_node(edge) || marks_[node_index(edge)] == mark_) continue;
    marks_[node_index(edge)] = mark_;
    const auto& edges = diagrams_.node(edge).edges;
    open.insert(open.end(), edges.begin(), edges.end());
  }
  for (std::size_t node = 0; node < written_.size(); ++node) {
    if (written_[node].depth == 0 || marks_[node] == mark_) continue;
    lines_.give_back(NW_REF_LINE(written_[node].ref), 1);
    written_[node] = {};
    --in_image_;
  }
  written_since_ = 0;
}

// A list compares whole class numbers, so it can stand only where the highest digit does.
std::uint32_t DiagramWriter::write_node(Edge edge) {
  if (!is_node(edge)) return leaf_reference(edge);
  const auto index = node_index(edge);
  if (written_[index].depth != 0) return written_[index].ref;
  if (full_) return NW_NO_MATCH;
  const auto& node = diagrams_.node(edge);
  const auto digits = diagrams_.digits(node.dimension);
  std::uint32_t ref = 0;
  if (digits > 1 && node.digit + 1U == digits && write_list(edge, ref)) return ref;
  return write_radix(edge);
}

std::uint32_t DiagramWriter::write_radix(Edge edge) {
  const auto& node = diagrams_.node(edge);
  const auto line = take_lines(1);
  if (full_) return NW_NO_MATCH;
  nw_line made{};
  std::size_t deepest = 0;
  for (unsigned i = 0; i < kFan; ++i) {
    made.words[i] = write_node(node.edges[i]);
    deepest = std::max(deepest, node_depth(node.edges[i]));
  }
  lines_.write(line, &made, sizeof(made));
  return note(edge, reference(NW_REF_RADIX, node.dimension, node.digit, line), deepest + 1);
}

// What most class numbers lead to, judged digit by digit.
Edge DiagramWriter::usual_edge(Edge edge) const {
  const auto dimension = diagrams_.node(edge).dimension;
  const auto classes = diagrams_.class_count(dimension);
  std::uint32_t base = 0;
  while (is_node(edge) && diagrams_.node(edge).dimension == dimension) {
    const auto& node = diagrams_.node(edge);
    const std::uint32_t width = 1U << (4 * node.digit);
    const auto used = std::min<std::uint32_t>((classes - base + width - 1) / width, kFan);  // edges that a class takes
    unsigned best = 0, best_count = 0;
    for (unsigned i = 0; i < used; ++i) {
      unsigned same = 0;
      for (unsigned k = i; k < used; ++k) same += node.edges[k] == node.edges[i] ? 1 : 0;
      if (same > best_count) {
        best = i;
        best_count = same;
      }
    }
    base += best * width;
    edge = node.edges[best];
  }
  return edge;
}

// The classes that do not lead to `usual`; false when they are too many for a list.
bool DiagramWriter::collect(Edge edge, std::uint32_t base, Edge usual, std::vector<ListItem>& items) const {
  const auto& node = diagrams_.node(edge);
  const auto classes = diagrams_.class_count(node.dimension);
  for (unsigned i = 0; i < kFan; ++i) {
    const auto next = node.edges[i];
    const auto first = base + (i << (4 * node.digit));
    if (next == usual || first >= classes) continue;
    const bool inside = is_node(next) && diagrams_.node(next).dimension == node.dimension;
    if (inside && diagrams_.node(next).digit + 1 == node.digit) {
      if (!collect(next, first, usual, items)) return false;
      continue;
    }
    if (inside) return false;  // a digit is skipped: as many exceptions as it has values
    const auto last = std::min(first + (1U << (4 * node.digit)), classes) - 1;
    if (items.size() + (last - first) + 1 > kListKeys) return false;
    for (auto id = first; id <= last; ++id) items.push_back({id, next});
  }
  return items.size() <= kListKeys;
}

bool DiagramWriter::write_list(Edge edge, std::uint32_t& ref) {
  const auto usual = usual_edge(edge);
  std::vector<ListItem> items;
  items.reserve(kListKeys);
  if (!collect(edge, 0, usual, items)) return false;
  const auto line = take_lines(1);
  if (full_) return false;
  nw_list list{};
  std::ranges::fill(list.keys, 0xffffffffU);
  const auto otherwise = write_node(usual);
  auto deepest = node_depth(usual);
  std::ranges::fill(list.children, otherwise);
  for (std::size_t i = 0; i < items.size(); ++i) {
    list.keys[i] = items[i].id;
    list.children[i] = write_node(items[i].edge);
    deepest = std::max(deepest, node_depth(items[i].edge));
  }
  lines_.write(line, &list, sizeof(list));
  ref = note(edge, reference(NW_REF_LIST, diagrams_.node(edge).dimension, 0, line), deepest + 1);
  return true;
}

// Nodes of this dimension that would have to be written for `edge`; stops counting behind `most`.
std::size_t DiagramWriter::count_unwritten(Edge edge, unsigned dimension, std::size_t most, std::size_t& seen) {
  if (!is_node(edge) || seen > most) return seen;
  const auto index = node_index(edge);
  const auto& node = diagrams_.node(edge);
  if (node.dimension != dimension || marks_[index] == mark_ || written_[index].depth != 0) return seen;
  marks_[index] = mark_;
  ++seen;
  for (const auto next : node.edges) count_unwritten(next, dimension, most, seen);
  return seen;
}

// A row is one access instead of one a digit, so it may be somewhat larger than the nodes it replaces.
bool DiagramWriter::row_is_worth_it(Edge edge) {
  const auto dimension = diagrams_.node(edge).dimension;
  if (diagrams_.digits(dimension) == 1) return false;
  const std::size_t row = (diagrams_.class_count(dimension) + kFan - 1) / kFan;
  std::size_t seen = 0;
  ++mark_;
  return count_unwritten(edge, dimension, row, seen) * 2 >= row;
}

// Writes the references of the `width` classes from `first` on; the depth of the deepest.
std::size_t DiagramWriter::fill_row(Edge edge, std::uint64_t first, std::uint64_t width, std::vector<std::uint32_t>& row,
                                    unsigned dimension) {
  const auto classes = diagrams_.class_count(dimension);
  if (first >= classes || full_) return 0;
  if (!is_node(edge) || diagrams_.node(edge).dimension != dimension) {
    const auto ref = write_node(edge);
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(first), row.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(first + width, classes)), ref);
    return node_depth(edge);
  }
  const auto& node = diagrams_.node(edge);
  const auto part = width / kFan;
  const bool skipped = part != std::uint64_t{1} << (4 * node.digit);
  std::size_t deepest = 0;
  for (unsigned i = 0; i < kFan; ++i)
    deepest = std::max(deepest, fill_row(skipped ? edge : node.edges[i], first + i * part, part, row, dimension));
  return deepest;
}

std::uint32_t DiagramWriter::write_row(Edge edge) {
  const auto dimension = diagrams_.node(edge).dimension;
  std::vector<std::uint32_t> row(diagrams_.class_count(dimension));
  const auto count = (row.size() + kFan - 1) / kFan;
  const auto line = take_lines(count);
  if (full_) return NW_NO_MATCH;
  const auto width = std::uint64_t{1} << (4 * diagrams_.digits(dimension));
  const auto deepest = fill_row(edge, 0, width, row, dimension);
  lines_.write(line, row.data(), row.size() * sizeof(row[0]));
  const auto ref = reference(NW_REF_ROW, dimension, 0, line);
  rows_[edge] = {.written = {ref, static_cast<std::uint32_t>(deepest + 1)}, .lines = static_cast<std::uint32_t>(count), .uses = 1};
  return ref;
}

}  // namespace nodewall::compile
