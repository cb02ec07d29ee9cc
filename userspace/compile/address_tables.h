// Address tables: the classes of both families as the search trees of maps/policy.h.
#pragma once

#include <cstdint>
#include <vector>

#include "compile/networks.h"
#include "compile/partition.h"
#include "maps/policy.h"

namespace nodewall::compile {

// More halves than these are found by a table: their tree would have a fifth level.
constexpr std::size_t kMostHighsOfTree = 1296;

// Both append to `lines` and set their fields of the header; false: more lines than an image has.
bool write_v4(const Partition<std::uint32_t>& classes, std::vector<nw_line>& lines, nw_image_header& header);
// Class numbers of IPv6 begin at `first_class`.
bool write_v6(const Partition<Uint128>& classes, std::uint32_t first_class, std::vector<nw_line>& lines, nw_image_header& header);

}  // namespace nodewall::compile
