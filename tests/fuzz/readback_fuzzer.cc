// What `nodewall verify` asks of an image that it read back from the kernel: regions of addresses, runs of ports, endpoints. Anywhere in a
// region or run the program's walk finds the class that it finds at the start.
//
// Input: protocol, slot and port (two bytes each), an address of 16 bytes, then the words of the image (image_lines.h).
#include "compile/image_reader.h"
#include "image_lines.h"
#include "input.h"

using nw_image = std::span<const nw_line>;

static inline const nw_line* nw_image_line(nw_image image, __u32 index) { return index < image.size() ? &image[index] : nullptr; }

#include "maps/policy_walk.h"

namespace {

using namespace nodewall;
using compile::ImageReader;
using compile::Uint128;

constexpr Uint128 kLowHalf = ~std::uint64_t{0};

// An IPv6 region is a product: its high half is found first, then its low half among those with that high half.
Uint128 region_of(const std::vector<Uint128>& regions, Family family, Uint128 position) {
  const auto last = [&](Uint128 most) { return *std::prev(std::ranges::upper_bound(regions, most)); };
  if (family == Family::v4) return last(position);
  const auto high = last(position | kLowHalf) & ~kLowHalf;
  return last(high | (position & kLowHalf));
}

void regions(const ImageReader& image, Family family, Uint128 position) {
  const auto found = image.regions(family, {});
  if (!found) return;  // more ways to its nodes than any policy makes
  const auto& regions = *found;
  fuzz::require(!regions.empty() && regions.front() == 0 && std::ranges::is_sorted(regions), "regions begin at 0 and ascend");
  const auto region = region_of(regions, family, position);
  fuzz::require(image.address_class(family, position) == image.address_class(family, region), "a region has one class");
}

void runs(const std::vector<compile::ClassRun>& runs, std::uint32_t port, std::uint32_t id) {
  fuzz::require(!runs.empty() && runs.front().first == 0, "runs begin at 0");
  const auto next = std::ranges::upper_bound(runs, port, {}, &compile::ClassRun::first);
  fuzz::require(std::prev(next)->id == id, "a run has one class");
  fuzz::require(next == runs.end() || (next->first > port && next->id != id), "where a run ends another class begins");
}

void ports(const ImageReader& image, std::uint8_t protocol, std::uint16_t port) {
  const auto* line = nw_image_line(image.lines(), image.header().protocol_base + protocol / 8);
  const auto field = [&](unsigned i) { return line ? nw_walk_port(image.lines(), line->words[protocol % 8 * 2 + i], port) : NW_WALK_FAULT; };
  runs(image.l4_runs(protocol), port, field(0));
  runs(image.source_port_runs(protocol), port, field(1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto protocol = input.byte();
  const std::uint32_t slot = input.u16();
  const auto port = input.u16();
  Address address;
  std::ranges::copy(input.bytes(16), address.bytes.begin());
  const auto lines = fuzz::image_lines(input.bytes(size));
  const ImageReader image(lines);
  if (!image.check()) return 0;
  for (std::uint32_t entry = 0; entry < NW_SLOT_ENTRIES; ++entry) (void)image.endpoint(slot, entry / NW_CHAINS, entry % NW_CHAINS);
  regions(image, Family::v4, address.v4_host_order());
  regions(image, Family::v6, compile::position_of(address));
  ports(image, protocol, port);
  return 0;
}
