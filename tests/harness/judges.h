// Judges: one packet, every answer there is. The oracle walks the rules; the image is walked in user space; the real program runs
// at tc and, for ingress, at XDP. The program is loaded once and gets one policy after the other, as on a node.
//
// A packet is judged as the first of its flow.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "compile/table_image.h"
#include "harness/scenario.h"
#include "kernel/datapath.h"
#include "resolve/packet.h"

namespace nodewall::test {

enum class Way { oracle, image, tc, xdp };
std::string_view name(Way way);

// The part of a judgement that this way shows: two ways agree if they agree in it. The program's test run says verdict, reason and origin.
resolve::Judgement shown_by(Way way, resolve::Judgement judgement);

class Judges {
 public:
  enum class With { user_space, program };  // the program needs privileges
  static Result<Judges> open(With with);

  // `slots`: as an engine would have them that came here from another policy; absent: those of a fresh start.
  Status load(const Scenario& scenario, const std::optional<compile::Slots>& slots = std::nullopt);

  // The ways that exist for this packet: no program without privileges, none for a packet that a test run cannot carry.
  [[nodiscard]] std::vector<Way> ways(const resolve::PacketQuery& packet) const;
  Result<resolve::Judgement> judge(Way way, const resolve::PacketQuery& packet);

  [[nodiscard]] const resolve::Resolved& resolved() const { return resolved_; }
  [[nodiscard]] const compile::TableImage& image() const { return image_; }
  [[nodiscard]] const compile::Slots& slots() const { return slots_; }
  [[nodiscard]] kernel::Datapath* datapath() { return datapath_ ? &*datapath_ : nullptr; }

 private:
  // Two ends without order: a reply finds the same flow.
  using FlowKey = std::tuple<Address, Address, std::uint16_t, std::uint16_t, std::uint8_t>;
  static FlowKey flow_key(const resolve::PacketQuery& packet);

  Status load_program();
  Status forget_flow(const resolve::PacketQuery& packet);
  [[nodiscard]] std::optional<std::uint32_t> slot_of(const std::string& interface) const;
  Result<resolve::Judgement> by_image(const resolve::PacketQuery& packet) const;
  Result<resolve::Judgement> by_program(kernel::Hook hook, const resolve::PacketQuery& packet);

  std::optional<kernel::Datapath> datapath_;
  resolve::NodeFacts facts_;
  resolve::Resolved resolved_;
  compile::Slots slots_;
  compile::TableImage image_;
  std::map<std::uint32_t, resolve::Origin> origin_by_counter_;
  std::set<FlowKey> begun_;  // flows that the program's conntrack may know
  std::uint32_t generation_ = 0;
};

}  // namespace nodewall::test
