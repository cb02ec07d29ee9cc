// DiagramWriter: diagrams -> lines of the image, in the node kinds of maps/policy.h. Equal parts are written once.
//
// A diagram that is given up leaves its nodes in the image: others may lead to them. collect_garbage() finds those that none does.
// Only a row, which only roots are, goes at once.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "compile/diagram.h"
#include "compile/image_lines.h"
#include "maps/policy.h"

namespace nodewall::compile {

class DiagramWriter {
 public:
  // Both must outlive the writer.
  DiagramWriter(const Diagrams& diagrams, ImageLines& lines) : diagrams_(diagrams), lines_(lines) {}

  std::uint32_t write(Edge root);                      // the diagram's reference
  void give_up(Edge root);                             // once for each write()
  [[nodiscard]] std::size_t depth(Edge root) const;    // nodes on its longest path, once written
  [[nodiscard]] bool full() const { return full_; }    // the image has no room: the references mean nothing

  // Gives the lines back of nodes that no path from `roots` comes by. Worth it when many were written since the last time.
  void collect_garbage(std::span<const Edge> roots);
  [[nodiscard]] std::size_t written_since_collection() const { return written_since_; }
  [[nodiscard]] std::size_t nodes_in_image() const { return in_image_; }

 private:
  struct Written {
    std::uint32_t ref = 0;
    std::uint32_t depth = 0;  // 0: not written
  };
  struct Row {
    Written written;
    std::uint32_t lines = 0;
    std::uint32_t uses = 0;
  };
  struct ListItem {
    std::uint32_t id = 0;
    Edge edge = kNothing;
  };

  std::uint32_t write_node(Edge edge);
  std::uint32_t write_radix(Edge edge);
  std::uint32_t write_row(Edge edge);
  bool write_list(Edge edge, std::uint32_t& ref);
  [[nodiscard]] Edge usual_edge(Edge edge) const;
  bool collect(Edge edge, std::uint32_t base, Edge usual, std::vector<ListItem>& items) const;
  std::size_t fill_row(Edge edge, std::uint64_t first, std::uint64_t width, std::vector<std::uint32_t>& row, unsigned dimension);
  [[nodiscard]] bool row_is_worth_it(Edge edge);
  std::size_t count_unwritten(Edge edge, unsigned dimension, std::size_t most, std::size_t& seen);
  [[nodiscard]] std::size_t node_depth(Edge edge) const;
  std::uint32_t take_lines(std::size_t lines);
  std::uint32_t note(Edge edge, std::uint32_t ref, std::size_t depth);

  const Diagrams& diagrams_;
  ImageLines& lines_;
  std::vector<Written> written_;
  std::unordered_map<Edge, Row> rows_;
  std::vector<std::uint32_t> marks_;
  std::uint32_t mark_ = 0;
  std::size_t in_image_ = 0, written_since_ = 0;
  bool full_ = false;
};

}  // namespace nodewall::compile
