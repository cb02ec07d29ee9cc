#include "reference.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

namespace prog {
namespace {

using Span = std::span<const std::uint8_t>;
using Address = std::vector<std::uint8_t>;  // 4 or 16 bytes

struct Stop {  // reading ends here, for this reason
  std::uint32_t reason;
};

bool one_of(unsigned value, std::initializer_list<unsigned> values) { return std::ranges::find(values, value) != values.end(); }

unsigned number(Span bytes, std::size_t at, std::size_t size) {
  if (at + size > bytes.size()) throw Stop{NW_REASON_SHORT};
  unsigned value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes[at + i];
  return value;
}

Address part(Span bytes, std::size_t at, std::size_t size) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(at + size)};
}

struct Ip {
  bool v4 = false;
  Address source, destination;
  unsigned protocol = 0, hop_limit = 0;
  Span body = {};  // behind the fixed header and IPv4's options, as far as the packet goes
  bool first_fragment = false, later_fragment = false;
};

Span ethernet(Span frame, bool& v4) {
  std::size_t at = 12;
  unsigned type = number(frame, at, 2), tags = 0;
  for (at += 2; type == 0x8100 || type == 0x88a8 || type == 0x9100; at += 4) {
    if (++tags > NW_MAX_VLAN_TAGS) {
      number(frame, at + 2, 2);
      throw Stop{NW_REASON_L2_DEPTH};
    }
    type = number(frame, at + 2, 2);
  }
  const auto body = frame.subspan(at);
  v4 = type == 0x0800;
  if (v4 || type == 0x86dd) return body;
  if (type == 0x8847 || type == 0x8848 || type == 0x8864) throw Stop{NW_REASON_UNKNOWN_ETHERTYPE};
  const auto is_link_control = [&](std::uint8_t access_point) { return body[0] == access_point && body[1] == access_point; };
  if (type < 0x600 && body.size() >= 8 && (is_link_control(0xaa) || is_link_control(0x06))) throw Stop{NW_REASON_UNKNOWN_ETHERTYPE};
  throw Stop{NW_REASON_NOT_IP};
}

void options(Span all) {
  for (std::size_t at = 0; at < all.size() && all[at] != 0;) {
    if (all[at] == 131 || all[at] == 137) throw Stop{NW_REASON_SOURCE_ROUTE};
    if (all[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= all.size() || all[at + 1] < 2 || at + all[at + 1] > all.size()) throw Stop{NW_REASON_MALFORMED};
    at += all[at + 1];
  }
}

// A quoted packet may be cut: what it says of its length does not count.
Ip ipv4(Span bytes, bool quoted) {
  if (bytes.size() < 20) throw Stop{NW_REASON_SHORT};
  const std::size_t header = (bytes[0] & 15U) * 4U, total = number(bytes, 2, 2);
  if (bytes[0] >> 4 != 4 || header < 20 || total < header) throw Stop{NW_REASON_MALFORMED};
  if (quoted ? header > bytes.size() : total > bytes.size()) throw Stop{NW_REASON_SHORT};
  const unsigned offset = number(bytes, 6, 2) & 0x1fff;
  Ip ip{.v4 = true, .source = part(bytes, 12, 4), .destination = part(bytes, 16, 4), .protocol = bytes[9], .hop_limit = bytes[8]};
  ip.later_fragment = offset != 0;
  ip.first_fragment = offset == 0 && (bytes[6] & 0x20) != 0;
  if (offset == 1 && ip.protocol == kTcp) throw Stop{NW_REASON_FRAG_TINY};
  if (!quoted) options(bytes.subspan(20, header - 20));
  ip.body = quoted ? bytes.subspan(header) : bytes.subspan(header, total - header);
  return ip;
}

bool is_mapped(const Address& address) {
  return std::all_of(address.begin(), address.begin() + 10, [](auto byte) { return byte == 0; }) && address[10] == 0xff && address[11] == 0xff;
}

Ip ipv6(Span bytes, bool quoted) {
  if (bytes.size() < 40) throw Stop{NW_REASON_SHORT};
  if (bytes[0] >> 4 != 6) throw Stop{NW_REASON_MALFORMED};
  const std::size_t payload = quoted ? bytes.size() - 40 : number(bytes, 4, 2);
  if (40 + payload > bytes.size()) throw Stop{NW_REASON_SHORT};
  Ip ip{.v4 = false, .source = part(bytes, 8, 16), .destination = part(bytes, 24, 16), .protocol = bytes[6], .hop_limit = bytes[7]};
  ip.body = bytes.subspan(40, payload);
  if (is_mapped(ip.source) || is_mapped(ip.destination)) throw Stop{NW_REASON_V4_MAPPED};
  return ip;
}

bool is_one(const Address& address) {
  return address.back() == 1 && std::all_of(address.begin(), address.end() - 1, [](auto byte) { return byte == 0; });
}

bool is_zero(const Address& address) {
  return std::ranges::all_of(address, [](auto byte) { return byte == 0; });
}

bool is_martian(const Ip& ip) {
  const auto &from = ip.source, &to = ip.destination;
  if (!ip.v4) return from[0] == 0xff || is_one(from) || is_one(to) || is_zero(to);
  return from[0] == 127 || (from[0] == 0 && !is_zero(from)) || from[0] >> 4 == 14 || from == Address{255, 255, 255, 255} || to[0] == 127 || to[0] == 0;
}

bool is_local(const Address& to) {
  if (to.size() == 4)
    return to[0] >> 4 == 14 || to[0] == 127 || to == Address{255, 255, 255, 255} || to == Address{10, 0, 0, 1} || to == Address{10, 0, 0, 255};
  const Address host{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, link{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return to[0] == 0xff || to == host || to == link;
}

bool is_peer(const Address& address) {
  const Address net = address.size() == 4 ? Address{10, 0, 0} : Address{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0};
  return std::equal(net.begin(), net.end(), address.begin());
}

// RFC 8200, 4302 and 6275: goes to the first header that is no extension header.
void extensions(Ip& ip) {
  std::size_t at = 0;
  bool is_fragment = false;
  for (std::size_t headers = 0; !ip.later_fragment; ++headers) {
    const auto kind = ip.protocol;
    if (!one_of(kind, {0, 43, 44, 51, 60, 135})) break;
    if (headers == NW_MAX_EXTENSION_HEADERS || (kind == 0 && headers > 0)) throw Stop{NW_REASON_V6_EXT_LIMIT};
    const std::uint32_t cut = is_fragment ? NW_REASON_FRAG_TINY : NW_REASON_SHORT;
    if (at + 8 > ip.body.size()) throw Stop{cut};
    const auto header = ip.body.subspan(at);
    if (kind == 43 && header[2] == 0) throw Stop{NW_REASON_SOURCE_ROUTE};
    std::size_t length = (header[1] + 1U) * 8U;
    if (kind == 51) length = (header[1] + 2U) * 4U;
    if (kind == 44) {
      if (is_fragment) throw Stop{NW_REASON_V6_EXT_LIMIT};
      length = 8;
      const unsigned offset = number(header, 2, 2) >> 3;
      ip.later_fragment = offset != 0;
      ip.first_fragment = offset == 0 && (header[3] & 1) != 0;
      is_fragment = ip.later_fragment || ip.first_fragment;
      if (offset == 1 && header[0] == kTcp) throw Stop{NW_REASON_FRAG_TINY};
    }
    at += length;
    ip.protocol = header[0];
    if (at > ip.body.size()) throw Stop{is_fragment ? NW_REASON_FRAG_TINY : NW_REASON_SHORT};
    if (at > NW_MAX_EXTENSION_BYTES) throw Stop{NW_REASON_V6_EXT_LIMIT};
  }
  ip.body = ip.body.subspan(at);
}

bool tcp_flags_are_possible(unsigned flags) {
  const bool fin = flags & 1, syn = flags & 2, rst = flags & 4, psh = flags & 8, ack = flags & 16, urg = flags & 32;
  if (!fin && !syn && !rst && !psh && !ack && !urg) return false;
  return !(syn && (fin || rst)) && !(fin && psh && urg && !ack);
}

bool is_icmp(const Ip& ip) { return ip.protocol == (ip.v4 ? kIcmp : kIcmpV6); }

// Ends with Stop when the header is not whole or contradicts itself.
void transport(const Ip& ip) {
  const auto body = ip.body;
  if (ip.protocol == kTcp) {
    if (body.size() < 20) throw Stop{NW_REASON_SHORT};
    const std::size_t length = (body[12] >> 4) * 4U;
    if (length < 20) throw Stop{NW_REASON_MALFORMED};
    if (length > body.size()) throw Stop{NW_REASON_SHORT};
    if (!tcp_flags_are_possible(body[13])) throw Stop{NW_REASON_TCP_FLAGS};
  } else if (ip.protocol == kUdp || ip.protocol == 136 || ip.protocol == kSctp || is_icmp(ip)) {
    if (body.size() < 8) throw Stop{NW_REASON_SHORT};
  }
}

void neighbour(const Ip& ip) {
  if (ip.v4 || !is_icmp(ip) || ip.first_fragment) return;
  const unsigned type = ip.body[0], code = ip.body[1];
  const bool discovery = type >= 133 && type <= 136, listener = (type >= 130 && type <= 132) || type == 143;
  if (!discovery && !listener) return;
  const bool good = discovery ? ip.hop_limit == 255 && code == 0 : ip.hop_limit == 1;
  throw Stop{good ? NW_REASON_NEIGHBOUR : NW_REASON_NEIGHBOUR_MALFORMED};
}

// Without flows an error is about none; on its way out it may be about what the host forwards.
void icmp_error(const Ip& ip, Hook hook) {
  if (!is_icmp(ip)) return;
  const unsigned type = ip.body[0];
  const bool is_error = ip.v4 ? one_of(type, {3, 4, 5, 11, 12}) : type >= 1 && type <= 4;
  if (!is_error) return;
  try {
    const auto quoted = ip.v4 ? ipv4(ip.body.subspan(8), true) : ipv6(ip.body.subspan(8), true);
    if (quoted.source == ip.destination && hook == Hook::tc_egress && !is_local(quoted.destination)) throw Stop{NW_REASON_FORWARDED};
  } catch (const Stop& stop) {
    if (stop.reason == NW_REASON_FORWARDED) throw;
  }
  throw Stop{NW_REASON_ICMP_UNRELATED};
}

Outcome policy(const Ip& ip, Hook hook) {
  const bool out = hook == Hook::tc_egress;
  const auto port = [&] { return number(ip.body, 2, 2); };
  bool allow = false;
  if (ip.protocol == kTcp) allow = port() == (out ? 443 : 80);
  if (ip.protocol == kUdp) allow = port() == 53;
  if (ip.protocol == kSctp) allow = !out && port() == 80;
  if (is_icmp(ip)) allow = ip.body[0] == (ip.v4 ? 8 : 128);
  if (!allow || !is_peer(out ? ip.destination : ip.source)) return denied(NW_REASON_TIER_DEFAULT);
  return !out && is_local(ip.source) ? denied(NW_REASON_MARTIAN) : allowed(NW_REASON_POLICY);
}

Outcome read(Span frame, Hook hook) {
  bool v4 = false;
  const auto packet = ethernet(frame, v4);
  auto ip = v4 ? ipv4(packet, false) : ipv6(packet, false);
  if (hook != Hook::tc_egress && is_martian(ip)) throw Stop{NW_REASON_MARTIAN};
  if (hook != Hook::tc_egress && !is_local(ip.destination)) throw Stop{NW_REASON_FORWARDED};
  if (!ip.v4) extensions(ip);
  if (ip.later_fragment) throw Stop{NW_REASON_FRAG_NO_FIRST};
  try {
    transport(ip);
  } catch (const Stop& stop) {
    throw Stop{stop.reason == NW_REASON_SHORT && ip.first_fragment ? std::uint32_t{NW_REASON_FRAG_TINY} : stop.reason};
  }
  neighbour(ip);
  icmp_error(ip, hook);
  return policy(ip, hook);
}

}  // namespace

Outcome reference(Span frame, Hook hook) {
  try {
    return read(frame, hook);
  } catch (const Stop& stop) {
    const bool allow = stop.reason == NW_REASON_NOT_IP || stop.reason == NW_REASON_FORWARDED || stop.reason == NW_REASON_NEIGHBOUR;
    return {allow, stop.reason};
  }
}

}  // namespace prog
