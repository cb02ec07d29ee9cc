// What `nodewall verify` asks of an image that it read back from the kernel: regions of addresses, runs of ports, endpoints. Slow: whole
// tables are gone through.
//
// Input: protocol, slot (two bytes), then the words of the image (image_lines.h).
#include "compile/image_reader.h"
#include "image_lines.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodewall;
  fuzz::Input input(data, size);
  const unsigned protocol = input.byte();
  const std::uint32_t slot = input.u16();
  const auto lines = fuzz::image_lines(input.bytes(size));
  const compile::ImageReader reader(lines);
  if (!reader.check()) return 0;
  for (std::uint32_t entry = 0; entry < NW_SLOT_ENTRIES; ++entry) (void)reader.endpoint(slot, entry / NW_CHAINS, entry % NW_CHAINS);
  for (const auto family : {Family::v4, Family::v6}) {
    const auto regions = reader.regions(family, {});
    fuzz::require(!regions.empty() && regions.front() == 0 && std::ranges::is_sorted(regions), "regions begin at 0 and ascend");
    for (const auto region : {regions.front(), regions.back()}) (void)reader.address_class(family, region);
  }
  for (const auto& runs : {reader.l4_runs(protocol), reader.source_port_runs(protocol)}) {
    fuzz::require(!runs.empty() && runs.front().first == 0, "runs begin at 0");
  }
  return 0;
}
