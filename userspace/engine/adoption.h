// Adoption: the flows that the host has open when a host endpoint begins to govern, as conntrack entries, so that enforcement that
// begins does not cut them (the SSH session it was switched on from, among others). Read from the kernel's socket tables.
//
// A socket whose local port is listened on was begun from outside, any other by the host. UDP sockets count when they are connected.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "maps/conntrack.h"

namespace nodewall::engine {

struct OpenFlow {
  Address local;
  Address remote;
  std::uint16_t local_port = 0;   // host order
  std::uint16_t remote_port = 0;
  std::uint8_t protocol = 0;
  bool from_host = false;         // the host sent the first packet
  auto operator<=>(const OpenFlow&) const = default;
};

// The text of /proc/net/tcp with tcp6, and of udp with udp6 (headings are skipped, lines that are not understood too).
std::vector<OpenFlow> parse_socket_table(std::string_view text, std::uint8_t protocol);
// Of the calling thread's network namespace; without flows to and from the host itself.
Result<std::vector<OpenFlow>> open_flows();

struct ConntrackSeed {
  nw_ct_key key;
  nw_ct_entry entry;
};
ConntrackSeed conntrack_seed(const OpenFlow& flow, std::uint64_t now_ns, std::uint32_t generation,
                             std::uint32_t ifindex);

}  // namespace nodewall::engine
