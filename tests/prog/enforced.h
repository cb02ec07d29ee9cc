// Enforced: an interface of a node that the standard policy of Lab governs, and a wire into it. Real frames on a real device, judged by
// the programs where they are attached; the verdict is read from the counters. The node and its programs are made once for all tests of
// a run, since loading takes longer than what is tested; each Enforced begins without flows and counts, and takes its hook off.
#pragma once

#include <functional>

#include "lab.h"
#include "node.h"

namespace prog {

enum class Device {
  veth,    // native XDP
  bridge,  // another veth is its port; no native XDP: generic
  tap,     // frames in as many parts as one likes
};

class Enforced {
 public:
  explicit Enforced(Hook hook, Device device = Device::veth);
  ~Enforced();
  Enforced(const Enforced&) = delete;
  Enforced& operator=(const Enforced&) = delete;

  // The verdict on one frame that comes in. `headers_apart`: only its Ethernet header is in the linear part.
  Outcome judge(const Bytes& frame, bool headers_apart = false);
  // The same on a tap, with the first `linear` bytes in the linear part and the rest in parts of `parts` bytes.
  Outcome judge_in_parts(const Bytes& frame, std::size_t linear, std::size_t parts);
  Outcome answer_to(const std::function<bool()>& send);

  void forget_flows();
  [[nodiscard]] const std::string& mode() const { return mode_; }  // "native", "generic", "tcx", "clsact"
  [[nodiscard]] std::uint32_t ifindex() const { return Node::ifindex(interface_); }
  [[nodiscard]] nw_count counted(std::uint32_t reason) const;

 private:
  [[nodiscard]] std::vector<nw_count> counters() const;

  std::string interface_;
  Hook hook_;
  std::string mode_;
};

}  // namespace prog
