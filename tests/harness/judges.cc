#include "harness/judges.h"

#include "oracle/oracle.h"

namespace nodewall::test {

std::string_view name(Way way) {
  switch (way) {
    case Way::oracle: return "oracle";
    case Way::image: return "image";
    case Way::tc: return "program at tc";
    case Way::xdp: return "program at XDP";
  }
  return "nobody";
}

Result<Judges> Judges::open(With with) {
  Judges judges;
  if (with == With::program) {
    auto opened = engine::TestProgram::open();
    if (!opened) return fail(opened.error());
    judges.program_.emplace(std::move(*opened));
  }
  return judges;
}

Status Judges::load(const Scenario& scenario, const std::optional<compile::Slots>& slots) {
  facts_ = scenario.facts;
  resolved_ = test::resolve(scenario);
  slots_ = slots ? *slots : compile::assign_slots({}, resolved_);
  auto image = compile::compile(resolved_, slots_);
  if (!image) return fail(image.error());
  image_ = std::move(*image);
  return program_ ? program_->load(resolved_, facts_, slots_, image_) : Status{};
}

std::vector<Way> Judges::ways(const resolve::PacketQuery& packet) const {
  std::vector<Way> ways = {Way::oracle, Way::image};
  if (!program_) return ways;
  ways.push_back(Way::tc);
  if (packet.direction == NW_INGRESS) ways.push_back(Way::xdp);
  return ways;
}

Result<resolve::Judgement> Judges::judge(Way way, const resolve::PacketQuery& packet) {
  switch (way) {
    case Way::oracle: return oracle::judge(resolved_, packet);
    case Way::image: return by_image(packet);
    case Way::tc:
      return program_->judge(packet.direction == NW_INGRESS ? kernel::Hook::tc_ingress : kernel::Hook::tc_egress, packet);
    case Way::xdp: return program_->judge(kernel::Hook::xdp, packet);
  }
  return fail(Errc::internal, "no such way");
}

Result<resolve::Judgement> Judges::by_image(const resolve::PacketQuery& packet) const {
  return oracle::judge(resolved_, packet, [&](std::uint32_t endpoint, std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& it) {
    return compile::ask(image_, slots_.endpoints.at(resolved_.endpoints[endpoint].host_endpoint), variant, chain, it);
  });
}

}  // namespace nodewall::test
