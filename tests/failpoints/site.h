// Site: a node of two interfaces in namespaces of its own, two policies for it, and the packets that tell them apart.
//
// From `before` to `after` everything changes that an apply can change: the host endpoint `one` moves from host0 to host1, which nobody
// governed, and gets another policy with that; host0 gets the endpoint `two`; failsafe ports and networks are others. So a half-made
// change cannot pass for either. Packets are real ones, sent at the far ends of the wires and received by sockets of the node.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/resources.h"
#include "prog/node.h"

namespace failpoints {

using nodewall::engine::Engine;

// open: nothing is enforced; closed: what `before` governs is closed altogether.
enum class Which { before, after, open, closed };
inline Which other(Which which) { return which == Which::before ? Which::after : Which::before; }

// Whether each packet got through, by its name.
using Answers = std::map<std::string, bool>;

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

  Answers ask();

  // What is wrong, in words; empty: nothing.
  //
  // Each packet is answered as one of these answers it: where all answer alike, so it must be.
  std::string probe(const std::set<Which>& possible);
  // The state as it shall be when all is done: tables that verify says are the policy's, both hooks on each governed interface, no pin and no
  // file that does not belong there, and the packets.
  std::string whole(Which which);

 private:
  void read_manifests();
  [[nodiscard]] std::string table_faults(const nodewall::resolve::Resolved& resolved, const nodewall::kernel::Datapath& datapath) const;

  prog::Node node_;
  std::string run_dir_;
  nodewall::model::ResourceSet before_, after_;
  nodewall::resolve::NodeFacts facts_;
  std::map<std::uint16_t, nodewall::Fd> receivers_;  // by port
  std::map<std::string, prog::Wire> wires_;
  nodewall::Fd tap_;                                 // what leaves by host0
  std::uint32_t sent_ = 0;
  std::uint32_t conntrack_size_ = 4096;
};

}  // namespace failpoints
