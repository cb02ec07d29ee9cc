// TestProgram: the real programs with maps of their own, one policy at a time; packets go through them by test run. What is enforced is
// not touched. `trace --engine program` and the tests' vectors ask it. Needs privileges.
//
// A packet is judged as the first of its flow, also when an earlier one began that flow.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "compile/table_image.h"
#include "kernel/datapath.h"
#include "resolve/facts.h"
#include "resolve/packet.h"

namespace nodewall::engine {

class TestProgram {
 public:
  static Result<TestProgram> open();

  // `image` is compiled from `resolved` with `slots`.
  Status load(const resolve::Resolved& resolved, const resolve::NodeFacts& facts, const compile::Slots& slots,
              const compile::TableImage& image);
  // `hook`: xdp and tc_ingress for a packet at ingress, tc_egress for one at egress.
  Result<resolve::Judgement> judge(kernel::Hook hook, const resolve::PacketQuery& packet);

  kernel::Datapath& datapath() { return datapath_; }

 private:
  // Two ends without order: a reply finds the same flow.
  using FlowKey = std::tuple<Address, Address, std::uint16_t, std::uint16_t, std::uint8_t>;
  static FlowKey flow_key(const resolve::PacketQuery& packet);

  explicit TestProgram(kernel::Datapath datapath) : datapath_(std::move(datapath)) {}
  Status forget_flow(const resolve::PacketQuery& packet);
  [[nodiscard]] resolve::Origin origin_of(std::uint32_t counter) const;

  kernel::Datapath datapath_;
  std::map<std::string, nw_interface, std::less<>> interfaces_;  // that an endpoint governs
  std::map<std::uint32_t, resolve::Origin> origin_by_counter_;
  std::set<FlowKey> begun_;  // flows that the programs' conntrack may know
  std::uint32_t generation_ = 0;
};

}  // namespace nodewall::engine
