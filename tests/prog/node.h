// Node: a network namespace and a mount namespace of its own, with a bpf file system and a veth pair, for as long as the object lives.
// The calling thread enters them and comes back; threads that it starts meanwhile are inside. `host0` is the end that is enforced,
// `peer0` the wire's other end, in the same namespace and without an address.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace prog {

class Node {
 public:
  Node();
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] std::string bpffs() const { return bpffs_; }
  [[nodiscard]] std::string pins() const { return bpffs_ + "/nodewall"; }
  [[nodiscard]] static std::uint32_t ifindex(const std::string& interface);
  static bool run(const std::string& command);  // by sh, without output

 private:
  nodewall::Fd network_before_, mounts_before_;
  std::string bpffs_;
};

// A raw socket at one end of the wire: sends whole frames.
class Wire {
 public:
  explicit Wire(const std::string& interface);
  // `headers_apart`: only the Ethernet header is in the linear part of what the kernel makes of it (needs more than a page).
  bool send(const std::vector<std::uint8_t>& frame, bool headers_apart = false) const;

 private:
  nodewall::Fd socket_;
};

// The far side of a tap device: what is written comes in on it, in as many parts as one likes, and nothing is merged or made linear.
class Tap {
 public:
  explicit Tap(const std::string& interface);
  // The first `linear` bytes (14 at least) are the linear part, the rest follows in parts of `parts` bytes.
  bool send(const std::vector<std::uint8_t>& frame, std::size_t linear, std::size_t parts) const;

 private:
  nodewall::Fd device_;
};

// A feature of an interface: ETHTOOL_SGRO and the like with 0 or 1, ETHTOOL_SFLAGS with the flags.
bool set_feature(const std::string& interface, std::uint32_t command, std::uint32_t value);

}  // namespace prog
