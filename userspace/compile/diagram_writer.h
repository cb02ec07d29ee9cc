// DiagramWriter: diagrams -> lines of the image, in the node kinds of maps/policy.h. Equal parts are written once.
#pragma once

#include <cstdint>
#include <vector>

#include "compile/diagram.h"
#include "maps/policy.h"

namespace nodewall::compile {

class DiagramWriter {
 public:
  // Appends to `lines`, which must outlive the writer.
  DiagramWriter(const Diagrams& diagrams, std::vector<nw_line>& lines) : diagrams_(diagrams), lines_(lines) {}

  std::uint32_t write(Edge edge);                      // the diagram's reference
  [[nodiscard]] std::size_t depth(Edge edge) const;    // nodes on its longest path, once written
  [[nodiscard]] bool full() const { return full_; }    // the image has no room: the references mean nothing

 private:
  struct Written {
    std::uint32_t ref = 0;
    std::uint32_t depth = 0;  // 0: not written
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
  std::size_t fill_row(Edge edge, std::uint64_t first, std::uint64_t width, std::uint32_t line, unsigned dimension);
  [[nodiscard]] bool row_is_worth_it(Edge edge);
  std::size_t count_unwritten(Edge edge, unsigned dimension, std::size_t most, std::size_t& seen);
  std::uint32_t take_lines(std::size_t lines);

  const Diagrams& diagrams_;
  std::vector<nw_line>& lines_;
  std::vector<Written> written_;
  std::vector<std::uint32_t> marks_;
  std::uint32_t mark_ = 0;
  bool full_ = false;
};

}  // namespace nodewall::compile
