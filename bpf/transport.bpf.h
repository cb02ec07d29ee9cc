/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 1, the second half: what is behind the addresses. */
#ifndef NW_TRANSPORT_BPF_H
#define NW_TRANSPORT_BPF_H

#include "packet.bpf.h"

#define EXT_HOP_BY_HOP 0
#define EXT_ROUTING 43
#define EXT_FRAGMENT 44
#define EXT_AUTHENTICATION 51
#define EXT_DESTINATION 60
#define EXT_MOBILITY 135

static __always_inline __u32 packet_is_fragment(const struct packet *packet) { return packet->later_fragment | packet->first_fragment; }

/* RFC 8200 header chain, up to the first header that is not an extension header. */
static __noinline __u32 transport_v6_extensions(void *ctx, __u32 is_xdp, struct packet *packet) {
  __u32 offset = forget(packet->transport_offset), start = offset, i;
  __u8 next = packet->protocol;

  for (i = 0; i <= NW_MAX_EXTENSION_HEADERS; i++) {
    __u8 header[8] ALIGNED;

    if (next != EXT_HOP_BY_HOP && next != EXT_ROUTING && next != EXT_FRAGMENT && next != EXT_AUTHENTICATION &&
        next != EXT_DESTINATION && next != EXT_MOBILITY)
      break;
    if (i == NW_MAX_EXTENSION_HEADERS || (next == EXT_HOP_BY_HOP && i > 0)) return NW_REASON_V6_EXT_LIMIT;
    if (offset + 8 > packet->end || load_bytes_one_way(ctx, is_xdp, offset, header, 8))
      return packet_is_fragment(packet) ? NW_REASON_FRAG_TINY : NW_REASON_SHORT;
    if (next == EXT_ROUTING && header[2] == 0) return NW_REASON_SOURCE_ROUTE;
    if (next == EXT_FRAGMENT) {
      __u32 field = header[2] << 8 | header[3];

      if (packet_is_fragment(packet)) return NW_REASON_V6_EXT_LIMIT;
      packet->later_fragment = field >> 3 != 0;
      packet->first_fragment = field >> 3 == 0 && (field & 1);
      packet->fragment_id = (__u32)header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7];
      if (field >> 3 == 1 && header[0] == PROTO_TCP) return NW_REASON_FRAG_TINY;
      offset += 8;
    } else {
      offset += next == EXT_AUTHENTICATION ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
    }
    next = header[0];
    offset = forget(offset); /* what was loaded is below MAX_OFFSET */
    if (offset > packet->end) return packet_is_fragment(packet) ? NW_REASON_FRAG_TINY : NW_REASON_SHORT;
    if (offset - start > NW_MAX_EXTENSION_BYTES) return NW_REASON_V6_EXT_LIMIT;
    if (packet->later_fragment) break;
  }
  packet->protocol = next;
  packet->transport_offset = offset;
  return NW_REASON_NONE;
}

static __always_inline __u32 tcp_flags_possible(__u8 flags) {
  if (!(flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_PSH | TCP_URG))) return 0;
  if ((flags & TCP_SYN) && (flags & (TCP_FIN | TCP_RST))) return 0;
  return (flags & (TCP_FIN | TCP_PSH | TCP_URG | TCP_ACK)) != (TCP_FIN | TCP_PSH | TCP_URG);
}

static __always_inline __u32 transport_tcp(void *ctx, __u32 is_xdp, struct packet *packet, __u32 quoted) {
  __u8 header[20] ALIGNED;
  __u32 room = packet->end - packet->transport_offset;

  if (quoted) {
    if (room < 8 || load_bytes(ctx, is_xdp, packet->transport_offset, header, 8)) return NW_REASON_SHORT;
  } else {
    if (room < 20 || load_bytes(ctx, is_xdp, packet->transport_offset, header, 20)) return NW_REASON_SHORT;
    if (header[12] >> 4 < 5) return NW_REASON_MALFORMED;
    if ((__u32)(header[12] >> 4) * 4 > room) return NW_REASON_SHORT;
    packet->tcp_flags = header[13] & 0x3f;
    if (!tcp_flags_possible(packet->tcp_flags)) return NW_REASON_TCP_FLAGS;
  }
  packet->source_port_be = *(__u16 *)&header[0];
  packet->destination_port_be = *(__u16 *)&header[2];
  return NW_REASON_NONE;
}

static __always_inline __u32 transport_icmp(struct packet *packet, const __u8 *header) {
  packet->icmp_type = header[0];
  packet->icmp_code = header[1];
  packet->is_icmp_error = icmp_is_error(packet->is_v4, header[0]);
  if (icmp_is_echo(packet->is_v4, header[0])) {
    packet->source_port_be = *(__u16 *)&header[4];
    packet->destination_port_be = packet->source_port_be;
  }
  return NW_REASON_NONE;
}

static __always_inline __u32 packet_transport(void *ctx, __u32 is_xdp, struct packet *packet, __u32 quoted) {
  __u32 reason = NW_REASON_NONE, room;
  __u8 header[8] ALIGNED;

  /* Most packets have no extension header: no call for them. */
  if (!packet->is_v4 && packet->protocol != PROTO_TCP && packet->protocol != PROTO_UDP) reason = transport_v6_extensions(ctx, is_xdp, packet);
  if (reason) return reason;
  if (packet->later_fragment) return NW_REASON_NONE;
  if (packet->protocol == PROTO_TCP) {
    reason = transport_tcp(ctx, is_xdp, packet, quoted);
  } else if (packet->protocol == PROTO_UDP || packet->protocol == PROTO_UDPLITE || packet->protocol == PROTO_SCTP ||
             packet_is_icmp(packet)) {
    room = packet->end - packet->transport_offset;
    if (room < 8 || load_bytes(ctx, is_xdp, packet->transport_offset, header, 8)) {
      reason = NW_REASON_SHORT;
    } else if (packet_is_icmp(packet)) {
      reason = transport_icmp(packet, header);
    } else {
      packet->source_port_be = *(__u16 *)&header[0];
      packet->destination_port_be = *(__u16 *)&header[2];
    }
  }
  return reason == NW_REASON_SHORT && packet->first_fragment ? NW_REASON_FRAG_TINY : reason;
}

/* RFC 4861 and RFC 2710: what IPv6 cannot live without. NEIGHBOUR passes, NEIGHBOUR_MALFORMED does not, NONE is other ICMP. */
static __always_inline __u32 packet_neighbour(const struct packet *packet) {
  __u8 type = packet->icmp_type;

  if (packet->is_v4 || packet->protocol != PROTO_ICMPV6 || packet->first_fragment) return NW_REASON_NONE;
  if (type >= 133 && type <= 136)
    return packet->hop_limit == 255 && packet->icmp_code == 0 ? NW_REASON_NEIGHBOUR : NW_REASON_NEIGHBOUR_MALFORMED;
  if (type == 130 || type == 131 || type == 132 || type == 143)
    return packet->hop_limit == 1 ? NW_REASON_NEIGHBOUR : NW_REASON_NEIGHBOUR_MALFORMED;
  return NW_REASON_NONE;
}

#endif
