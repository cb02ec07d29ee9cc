// AddressPatch: gives the addresses of a network other classes, in the address tables of an image.
//
// What a table says of other addresses stays where it is: of a table of two million boundaries a handful of lines is written. Where a
// tree would grow deeper than a walk goes, the smallest part of it that can be balanced is written anew.
#pragma once

#include <cstdint>
#include <functional>

#include "compile/image_lines.h"
#include "compile/networks.h"
#include "maps/policy.h"

namespace nodewall::compile {

class AddressPatch {
 public:
  using Rename = std::function<std::uint32_t(std::uint32_t)>;  // class -> class

  AddressPatch(ImageLines& lines, nw_image_header& header) : lines_(lines), header_(header) {}

  // False: the tables cannot be changed so, and may be half changed. They have to be written anew.
  bool rename_v4(std::uint32_t first, std::uint32_t last, const Rename& rename);
  bool rename_v6(Uint128 first, Uint128 last, const Rename& rename);

 private:
  ImageLines& lines_;
  nw_image_header& header_;
};

}  // namespace nodewall::compile
