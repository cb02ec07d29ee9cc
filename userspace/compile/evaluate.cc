// The image walked in user space.
#include "compile/image_reader.h"
#include "compile/table_image.h"

namespace nodewall::compile {

resolve::Judgement evaluate(const TableImage& image, std::uint32_t endpoint, const resolve::PacketQuery& packet) {
  const auto answer = ImageReader(image.lines).ask(endpoint, NW_VARIANT_ENFORCED, packet.direction, packet);
  resolve::Judgement judgement{.allow = answer.verdict == NW_ALLOW, .reason = answer.reason, .origin = {}};
  if (answer.rule < image.origins.size()) judgement.origin = image.origins[answer.rule];
  return judgement;
}

}  // namespace nodewall::compile
