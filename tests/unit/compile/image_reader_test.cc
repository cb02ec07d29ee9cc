// What a reader finds in images that no compiler made.
#include <catch2/catch_test_macros.hpp>
#include <algorithm>
#include <cstring>

#include "compile/image_reader.h"

namespace nodewall::compile::test {
namespace {

// A header with one field, and further lines.
std::vector<nw_line> image(__u32 nw_image_header::*field, __u32 value, std::initializer_list<nw_line> further) {
  std::vector<nw_line> lines(1);
  nw_image_header header{};
  header.*field = value;
  header.magic = NW_MAGIC;
  header.version = NW_IMAGE_VERSION;
  std::memcpy(lines.data(), &header, sizeof(header));
  lines.insert(lines.end(), further);
  return lines;
}

template <class Part>
nw_line line_of(const Part& part) {
  nw_line line;
  static_assert(sizeof(part) == sizeof(line));
  std::memcpy(&line, &part, sizeof(line));
  return line;
}

}  // namespace

// The walk adds in 32 bits: with such a root it comes by the header (line 0) for 0.16.0.0/12, by line 1 for 0.32.0.0/12.
TEST_CASE("regions are those of the walk also where the root of IPv4 goes past the end of all lines") {
  nw_tree16 tree{};
  std::ranges::fill(tree.keys, std::uint16_t{0xffff});
  std::ranges::fill(tree.children, 2U);
  tree.keys[0] = 5;
  tree.children[0] = 1;
  const auto lines = image(&nw_image_header::v4_root, 0xffffffffU, {nw_line{.words = {NW_ADDRESS_TREE << 30 | 2U}}, line_of(tree)});
  const ImageReader reader(lines);
  const auto regions = reader.regions(Family::v4, {});
  CHECK(reader.address_class(Family::v4, 0x0000ffff) == kFaultClass);
  CHECK(reader.address_class(Family::v4, 0x00200004) == 1);
  CHECK(reader.address_class(Family::v4, 0x00200005) == 2);
  CHECK(std::ranges::binary_search(regions, Uint128{0x00200005}));
  // Behind line 2 there is nothing more: one region of faults.
  CHECK(reader.address_class(Family::v4, 0xffffffff) == kFaultClass);
  CHECK(regions.back() == 0x00400000);
}

TEST_CASE("ports have the classes of the walk also where the table of protocols goes past the end of all lines") {
  const auto lines = image(&nw_image_header::protocol_base, 0xffffffffU, {});
  const ImageReader reader(lines);
  const auto runs = reader.source_port_runs(8);  // the second word of line 0
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].id == NW_IMAGE_VERSION);
  CHECK(reader.source_port_runs(7)[0].id == kFaultClass);
}

TEST_CASE("a table of ports that ends early is a run of faults from there on") {
  nw_line table{};
  table.words[15] = 7U << 16;  // port 31
  const auto lines = image(&nw_image_header::protocol_base, 1, {nw_line{.words = {NW_PORT_TABLE | 2U}}, table});
  const auto runs = ImageReader(lines).l4_runs(0);
  REQUIRE(runs.size() == 3);
  CHECK((runs[1].first == 31 && runs[1].id == 7));
  CHECK((runs[2].first == 32 && runs[2].id == kFaultClass));
}

}  // namespace nodewall::compile::test
