// Judges: one packet, every answer there is. The oracle walks the rules; the image is walked in user space; the real program runs
// at tc and, for ingress, at XDP. The program is loaded once and gets one policy after the other, as on a node.
//
// A packet is judged as the first of its flow.
#pragma once

#include <optional>
#include <vector>

#include "compile/table_image.h"
#include "engine/test_program.h"
#include "harness/scenario.h"
#include "resolve/packet.h"

namespace nodewall::test {

enum class Way { oracle, image, tc, xdp };
std::string_view name(Way way);

class Judges {
 public:
  enum class With { user_space, program };  // the program needs privileges
  static Result<Judges> open(With with);

  // `slots`: as an engine would have them that came here from another policy; absent: those of a fresh start.
  Status load(const Scenario& scenario, const std::optional<compile::Slots>& slots = std::nullopt);

  // The ways that exist for this packet: no program without privileges.
  [[nodiscard]] std::vector<Way> ways(const resolve::PacketQuery& packet) const;
  Result<resolve::Judgement> judge(Way way, const resolve::PacketQuery& packet);

  [[nodiscard]] const resolve::Resolved& resolved() const { return resolved_; }
  [[nodiscard]] const compile::TableImage& image() const { return image_; }
  [[nodiscard]] const compile::Slots& slots() const { return slots_; }
  [[nodiscard]] kernel::Datapath* datapath() { return program_ ? &program_->datapath() : nullptr; }

 private:
  Result<resolve::Judgement> by_image(const resolve::PacketQuery& packet) const;

  std::optional<engine::TestProgram> program_;
  resolve::NodeFacts facts_;
  resolve::Resolved resolved_;
  compile::Slots slots_;
  compile::TableImage image_;
};

}  // namespace nodewall::test
