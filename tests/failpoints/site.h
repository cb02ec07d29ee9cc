// Site: a node of two interfaces in namespaces of its own, two policies for it, and the packets that tell them apart.
//
// From `before` to `after` everything changes that an apply can change: the host endpoint `one` moves from host0 to host1, which nobody
// governed, and gets another policy with that; host0 gets the endpoint `two`; failsafe ports and networks are others. So a half-made
// change cannot pass for either. Packets are real ones, sent at the far ends of the wires and received by sockets of the node.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "engine/engine.h"
#include "model/resources.h"
#include "policies.h"
#include "prog/node.h"
#include "traffic.h"

namespace failpoints {

using nodewall::engine::Engine;

class Site {
 public:
  Site();
  ~Site();

  [[nodiscard]] nodewall::engine::EngineOptions options() const;
  [[nodiscard]] const nodewall::model::ResourceSet& resources(Which which) const { return which == Which::before ? before_ : after_; }
  [[nodiscard]] const nodewall::resolve::NodeFacts& facts() const { return facts_; }
  [[nodiscard]] std::string pins() const;
  [[nodiscard]] const std::string& run_dir() const { return run_dir_; }
  void set_conntrack_size(std::uint32_t entries);  // in both

  Answers ask() { return traffic_->ask(); }

  // What is wrong, in words; empty: nothing.
  //
  // Each packet is answered as one of these answers it: where all answer alike, so it must be.
  std::string probe(const std::set<Which>& possible);
  // The state as it shall be when all is done: tables that verify says are the policy's, both hooks on each governed interface, no pin and no
  // file that does not belong there, and the packets.
  std::string whole(Which which);

 private:
  [[nodiscard]] std::string table_faults(const nodewall::resolve::Resolved& resolved, const nodewall::kernel::Datapath& datapath) const;

  prog::Node node_;
  std::string run_dir_;
  nodewall::model::ResourceSet before_, after_;
  nodewall::resolve::NodeFacts facts_;
  std::optional<Traffic> traffic_;  // once the interfaces are there
};

}  // namespace failpoints
