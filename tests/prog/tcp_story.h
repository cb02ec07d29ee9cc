// One connection, told packet by packet.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "lab.h"

namespace prog {

struct Story {  // one connection of a peer to the host, or of the host to a peer
  Lab& lab;
  bool v6 = false;
  std::uint16_t peer_port = 5000, host_port = 80;
  Hook ingress = Hook::tc_ingress;

  [[nodiscard]] Outcome from_peer(std::uint8_t flags) const {
    const packet::Tcp tcp{.source = peer_port, .destination = host_port, .flags = flags};
    return v6 ? lab.send(ingress, packet::Ethernet{} / packet::Ipv6{} / tcp) : lab.send(ingress, packet::Ethernet{} / packet::Ipv4{} / tcp);
  }
  [[nodiscard]] Outcome from_host(std::uint8_t flags) const {
    const packet::Tcp tcp{.source = host_port, .destination = peer_port, .flags = flags};
    return v6 ? lab.send(Hook::tc_egress, packet::Ethernet{} / v6_from_host() / tcp) : lab.send(Hook::tc_egress, packet::Ethernet{} / v4_from_host() / tcp);
  }
  void establish() const {
    REQUIRE(from_peer(packet::kSyn) == allowed(NW_REASON_POLICY));
    REQUIRE(from_host(packet::kSyn | packet::kAck) == allowed(NW_REASON_ESTABLISHED));
    REQUIRE(from_peer(packet::kAck) == allowed(NW_REASON_ESTABLISHED));
  }
};

}  // namespace prog
