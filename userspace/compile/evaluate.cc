// The image walked in user space.
#include "compile/image_reader.h"
#include "compile/table_image.h"

namespace nodewall::compile {

oracle::ChainVerdict ask(const TableImage& image, std::uint32_t slot, std::uint32_t variant, std::uint32_t chain,
                         const resolve::PacketQuery& packet) {
  const auto answer = ImageReader(image.lines).ask(slot, variant, chain, packet);
  oracle::ChainVerdict verdict{.verdict = answer.verdict, .reason = answer.reason, .origin = {}};
  if (answer.rule < image.origins.size()) verdict.origin = image.origins[answer.rule];
  return verdict;
}

resolve::Judgement evaluate(const TableImage& image, std::uint32_t endpoint, const resolve::PacketQuery& packet) {
  const auto answer = ImageReader(image.lines).ask(endpoint, NW_VARIANT_ENFORCED, packet.direction, packet);
  resolve::Judgement judgement{.allow = answer.verdict == NW_ALLOW, .reason = answer.reason, .origin = {}};
  if (answer.rule < image.origins.size()) judgement.origin = image.origins[answer.rule];
  return judgement;
}

}  // namespace nodewall::compile
