// The walk over a policy image, for any bytes: every variant of every chain answers, with a rule of the image or a fault, and only the
// image is read.
//
// Input: a query of 40 bytes (flags first), then the words of the image (image_lines.h). Inside a line the bounds check looks.
#include "compile/image_reader.h"
#include "image_lines.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodewall;
  fuzz::Input input(data, size);
  resolve::PacketQuery packet;
  const auto flags = input.byte();
  const auto family = flags & 1 ? Family::v6 : Family::v4;
  packet.direction = flags & 2 ? NW_EGRESS : NW_INGRESS;
  packet.protocol = input.byte();
  const std::uint32_t slot = input.u16();
  packet.source_port = input.u16();
  packet.destination_port = input.u16();
  packet.icmp_type = static_cast<std::uint8_t>(packet.destination_port >> 8);
  packet.icmp_code = static_cast<std::uint8_t>(packet.destination_port);
  for (auto* address : {&packet.source, &packet.destination}) {
    const auto bytes = input.bytes(16);
    std::ranges::copy(bytes, address->bytes.begin());
    if (family == Family::v4) *address = Address::v4(Address{.bytes = address->bytes, .family = Family::v4}.v4_host_order());
    address->family = family;
  }
  const auto lines = fuzz::image_lines(input.bytes(size));
  const compile::ImageReader image(lines);
  const bool is_sound = image.check().has_value();
  for (std::uint32_t variant = 0; variant < NW_VARIANTS; ++variant) {
    for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
      const auto answer = image.ask(slot, variant, chain, packet);
      fuzz::require(!lines.empty() || answer.reason == NW_REASON_FAULT_IMAGE, "no image is a fault");
      fuzz::require(answer.rule != compile::kFaultClass || answer.verdict == NW_DENY, "a fault denies");
      if (!is_sound || answer.rule == compile::kFaultClass) continue;
      const bool there = image.endpoint(slot, variant, chain).has_value();
      fuzz::require(there || (answer.rule == NW_NO_MATCH && answer.verdict == NW_NEXT), "where no chain is the next one is asked");
      fuzz::require(!there || answer.rule < image.header().rule_count, "a rule is one of the table's");
    }
  }
  return 0;
}
