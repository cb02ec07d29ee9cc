#include "samples.h"

#include "lab.h"

namespace prog {

using namespace packet;

std::vector<Sample> samples() {
  const Payload data("data behind the headers");
  const auto quoted = v4_from_host() / Udp{.source = 40000, .destination = 53} / Payload(8);
  const auto quoted6 = v6_from_host() / Udp{.source = 40000, .destination = 53} / Payload(8);
  return {
      {"IPv4 TCP", Ethernet{} / Ipv4{} / Tcp{} / data},
      {"IPv4 UDP", Ethernet{} / Ipv4{} / Udp{} / data},
      {"IPv4 SCTP", Ethernet{} / Ipv4{} / Sctp{} / data},
      {"IPv4 echo", Ethernet{} / Ipv4{} / Icmp{} / data},
      {"IPv4 options", Ethernet{} / Ipv4{.options = Bytes(40, 1)} / Tcp{} / data},
      {"IPv4 ICMP error", Ethernet{} / Ipv4{} / Icmp{.type = 3, .code = 3} / quoted},
      {"IPv4 fragment", Ethernet{} / Ipv4{.more = true} / Tcp{} / data},
      {"IPv4 QinQ", Ethernet{} / Vlan{.tpid = 0x88a8} / Vlan{} / Ipv4{} / Tcp{} / data},
      {"IPv6 TCP", Ethernet{} / Ipv6{} / Tcp{} / data},
      {"IPv6 UDP", Ethernet{} / Ipv6{} / Udp{} / data},
      {"IPv6 echo", Ethernet{} / Ipv6{} / Icmp{.type = 128} / data},
      {"IPv6 chain", Ethernet{} / Ipv6{} / Extension{.kind = 0, .length = 16} / Extension{.kind = 43} / Tcp{} / data},
      {"IPv6 ICMP error", Ethernet{} / Ipv6{} / Icmp{.type = 1, .code = 4} / quoted6},
      {"IPv6 neighbour", Ethernet{} / Ipv6{.source = "fe80::9", .hop_limit = 255} / Icmp{.type = 135} / Payload(24)},
      {"IPv6 fragment", Ethernet{} / Ipv6{} / Fragment{.more = true} / Udp{} / data},
  };
}

std::vector<Sample> samples_of_host() {
  const Payload data("data behind the headers");
  auto part = v4_from_host();
  part.more = true;
  auto with_options = v4_from_host();
  with_options.options = Bytes(12, 1);
  return {
      {"IPv4 TCP", Ethernet{} / v4_from_host() / Tcp{.destination = 443} / data},
      {"IPv4 UDP", Ethernet{} / v4_from_host() / Udp{} / data},
      {"IPv4 SCTP", Ethernet{} / v4_from_host() / Sctp{} / data},
      {"IPv4 echo", Ethernet{} / v4_from_host() / Icmp{} / data},
      {"IPv4 options", Ethernet{} / with_options / Tcp{.destination = 443} / data},
      {"IPv4 ICMP error", Ethernet{} / v4_from_host() / Icmp{.type = 3, .code = 3} / (Ipv4{} / Udp{} / Payload(8))},
      {"IPv4 fragment", Ethernet{} / part / Tcp{.destination = 443} / data},
      {"IPv6 TCP", Ethernet{} / v6_from_host() / Tcp{.destination = 443} / data},
      {"IPv6 UDP", Ethernet{} / v6_from_host() / Udp{} / data},
      {"IPv6 echo", Ethernet{} / v6_from_host() / Icmp{.type = 128} / data},
      {"IPv6 chain", Ethernet{} / v6_from_host() / Extension{.kind = 0, .length = 16} / Extension{.kind = 43} / Tcp{.destination = 443} / data},
      {"IPv6 ICMP error", Ethernet{} / v6_from_host() / Icmp{.type = 1, .code = 4} / (Ipv6{} / Udp{} / Payload(8))},
      {"IPv6 fragment", Ethernet{} / v6_from_host() / Fragment{.more = true} / Udp{} / data},
  };
}

}  // namespace prog
