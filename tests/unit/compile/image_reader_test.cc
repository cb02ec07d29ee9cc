// What a reader finds in images that no compiler made.
#include <catch2/catch_test_macros.hpp>
#include <algorithm>
#include <cstring>
#include <vector>

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

// Class 1 below 5, class 2 from there on.
nw_tree16 parted_at_5() {
  nw_tree16 tree{};
  std::ranges::fill(tree.keys, std::uint16_t{0xffff});
  std::ranges::fill(tree.children, 2U);
  tree.keys[0] = 5;
  tree.children[0] = 1;
  return tree;
}

}  // namespace

// The walk adds in 32 bits: with such a root it comes by the header (line 0) for 0.16.0.0/12, by line 1 for 0.32.0.0/12.
TEST_CASE("regions are those of the walk also where the root of IPv4 goes past the end of all lines") {
  const auto lines = image(&nw_image_header::v4_root, 0xffffffffU, {nw_line{.words = {NW_ADDRESS_TREE << 30 | 2U}}, line_of(parted_at_5())});
  const ImageReader reader(lines);
  const auto regions = reader.regions(Family::v4, {}).value();
  CHECK(reader.address_class(Family::v4, 0x0000ffff) == kFaultClass);
  CHECK(reader.address_class(Family::v4, 0x00200004) == 1);
  CHECK(reader.address_class(Family::v4, 0x00200005) == 2);
  CHECK(std::ranges::binary_search(regions, Uint128{0x00200005}));
  // Behind line 2 there is nothing more: one region of faults.
  CHECK(reader.address_class(Family::v4, 0xffffffff) == kFaultClass);
  CHECK(regions.back() == 0x00400000);
}

TEST_CASE("elements of the root with one class are one region, and those with one tree are not") {
  nw_line root{};
  root.words[3] = root.words[4] = NW_ADDRESS_TREE << 30 | 2U;
  root.words[6] = root.words[7] = 9;
  const auto lines = image(&nw_image_header::v4_root, 1, {root, line_of(parted_at_5())});
  const auto regions = ImageReader(lines).regions(Family::v4, {}).value();
  // The third line is the tree itself, read as a part of the root: its keys are four classes, and its children more.
  const std::vector<Uint128> first{0, 0x30000, 0x30005, 0x3ffff, 0x40000, 0x40005, 0x4ffff, 0x50000, 0x60000, 0x80000, 0x100000};
  REQUIRE(regions.size() > first.size());
  CHECK(std::vector(regions.begin(), regions.begin() + static_cast<std::ptrdiff_t>(first.size())) == first);
}

TEST_CASE("IPv6 regions begin where the walk comes to another element of the table") {
  auto lines = image(&nw_image_header::v6_table, 32U << 24 | 1U, {});
  nw_image_header header;
  std::memcpy(&header, lines.data(), sizeof(header));
  const auto base = header.v6_base = 0x2001'0db8'0000'0000U;
  std::memcpy(lines.data(), &header, sizeof(header));
  lines.resize(1 + NW_ROOT_LINES);
  lines[1].words[7] = 5;
  const ImageReader reader(lines);
  const auto begin = [&](std::uint64_t element) { return Uint128{base + (element << 32)} << 64; };
  CHECK(reader.regions(Family::v6, {}).value() == std::vector<Uint128>{0, begin(0), begin(7), begin(8)});
  CHECK(reader.address_class(Family::v6, begin(7)) == 5);
  CHECK(reader.address_class(Family::v6, begin(8) - 1) == 5);
  CHECK(reader.address_class(Family::v6, begin(8)) == 0);
}

// Every element of a table leads into one chain of nodes: 65,536 times as many steps as there are nodes. A compiler makes a tree for each.
TEST_CASE("a damaged image, in which everything leads everywhere, is given up and not gone through") {
  std::vector<nw_line> lines = image(&nw_image_header::v4_root, 1, {});
  nw_image_header header;
  std::memcpy(&header, lines.data(), sizeof(header));
  header.v6_table = 48U << 24 | 1U;
  std::memcpy(lines.data(), &header, sizeof(header));
  lines.resize(1 + NW_ROOT_LINES + 20'000);
  const auto first = static_cast<std::uint32_t>(1 + NW_ROOT_LINES);
  for (auto element = 0U; element < NW_ROOT_ELEMENTS; ++element) lines[1 + element / 16].words[element % 16] = NW_ADDRESS_LOW << 30 | (first + element % 16);
  for (auto node = first; node + 1 < lines.size(); ++node) {
    nw_tree64 tree{};
    std::ranges::fill(tree.children, NW_ADDRESS_LOW << 30 | (node + 1));
    lines[node] = line_of(tree);
  }
  for (const auto family : {Family::v4, Family::v6}) {
    const auto regions = ImageReader(lines).regions(family, {});
    REQUIRE(!regions);
    CHECK(regions.error().code == Errc::abi);
  }
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
