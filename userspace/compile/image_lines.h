// ImageLines: the lines of an image under construction, and which of them a change touched.
//
// Lines that are given back are used again, single ones for nodes, pieces for tables of their length; what no change took stays as
// it is. While a first image is built nothing is noted: whoever gets it copies all of it.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "compile/table_image.h"
#include "maps/policy.h"

namespace nodewall::compile {

class ImageLines {
 public:
  explicit ImageLines(std::vector<nw_line>& lines) : lines_(lines) {}

  // The first of `count` lines of any content; 0 where an image has no room for them (line 0 is the header's).
  std::uint32_t take(std::size_t count);
  void give_back(std::uint32_t first, std::size_t count);
  // Copies over what is there; lines that are equal stay untouched. Behind the bytes the last line has zeros.
  void write(std::uint32_t first, const void* bytes, std::size_t size);

  [[nodiscard]] const nw_line& at(std::uint32_t line) const { return lines_[line]; }
  [[nodiscard]] std::size_t size() const { return lines_.size(); }
  [[nodiscard]] std::size_t free_lines() const { return free_lines_; }

  void note_changes() { notes_ = true; }    // from now on
  std::vector<LineRange> take_changes();    // since then; ascending, apart

 private:
  std::vector<nw_line>& lines_;
  std::vector<std::uint32_t> single_;                             // free lines
  std::multimap<std::size_t, std::uint32_t> pieces_;  // free pieces by length
  std::size_t free_lines_ = 0;
  bool notes_ = false;
  std::vector<LineRange> touched_;
};

}  // namespace nodewall::compile
