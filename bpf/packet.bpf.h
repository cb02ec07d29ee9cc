/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 1: bytes -> struct packet, or the reason why not.
 *
 * packet_link() finds the network header, packet_network() reads addresses, packet_transport() everything behind them (transport.bpf.h). Each
 * returns NW_REASON_NONE to go on. The quoted packet of an ICMP error goes through the same two functions with `quoted` set, which
 * only forgives that it is cut off. */
#ifndef NW_PACKET_BPF_H
#define NW_PACKET_BPF_H

#include "bytes.bpf.h"
#include "verdict.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_QINQ_OLD 0x9100
#define ETHERTYPE_MPLS 0x8847
#define ETHERTYPE_MPLS_MULTICAST 0x8848
#define ETHERTYPE_PPPOE_SESSION 0x8864
#define ETHERTYPE_LEAST 0x0600 /* below: an 802.3 length */
#define LLC_SNAP 0xaa
#define LLC_IP 0x06

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMPV6 58
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

struct packet {
  struct nw_addr source;
  struct nw_addr destination; /* behind the source, as in the IPv6 header */
  __u32 is_v4;
  __u32 network_offset;   /* of the IP header */
  __u32 transport_offset; /* of the header behind it */
  __u32 end;              /* offset of the first byte behind the IP packet */
  __u32 ifindex;
  __u32 direction;
  __u32 length;   /* bytes of the frame; of one in several buffers at least those of the IP packet */
  __u32 segments; /* packets on the wire that this one stands for */
  __u32 fragment_id;
  __u16 source_port_be; /* ICMP echo: the identifier, in both */
  __u16 destination_port_be;
  __u8 protocol;
  __u8 icmp_type;
  __u8 icmp_code;
  __u8 tcp_flags;
  __u8 hop_limit;
  __u8 first_fragment; /* of several */
  __u8 later_fragment; /* carries no ports */
  __u8 is_icmp_error;
  __u8 near_is_host; /* the near end is an address of the host */
  __u8 near_is_one;  /* not a broadcast or multicast address */
  __u8 forwarded;    /* the host is not an end, though its address may be */
};

static __always_inline void addr_from_v4(struct nw_addr *to, __u32 address_be) {
  __u64 *words = (__u64 *)to->bytes;
  words[0] = 0;
  words[1] = (__u64)address_be << 32 | bpf_htonl(0xffff); /* one word, as it is read; the host is little endian, see nw_walk_port() */
}

static __always_inline __u32 addr_v4(const struct nw_addr *address) {
  return bpf_ntohl(((const __u32 *)address->bytes)[3]);
}

static __always_inline int addr_equal(const struct nw_addr *a, const struct nw_addr *b) {
  const __u64 *x = (const __u64 *)a->bytes, *y = (const __u64 *)b->bytes;
  return x[0] == y[0] && x[1] == y[1];
}

static __always_inline __u32 packet_is_icmp(const struct packet *packet) {
  return packet->protocol == (packet->is_v4 ? PROTO_ICMP : PROTO_ICMPV6);
}

static __always_inline __u32 icmp_echo_request(__u32 is_v4) { return is_v4 ? 8 : 128; }
static __always_inline __u32 icmp_echo_reply(__u32 is_v4) { return is_v4 ? 0 : 129; }

static __always_inline __u32 icmp_is_error(__u32 is_v4, __u8 type) {
  if (!is_v4) return type >= 1 && type <= 4;
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static __always_inline __u32 icmp_is_echo(__u32 is_v4, __u8 type) {
  return type == icmp_echo_request(is_v4) || type == icmp_echo_reply(is_v4);
}

static __always_inline int ethertype_is_vlan(__u16 ethertype) {
  return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ || ethertype == ETHERTYPE_QINQ_OLD;
}

/* Logical-link control can carry IP too, behind a SNAP header or at an access point of its own; nobody needs it, so it is not let past
 * unread. */
static __always_inline __u32 link_802_3(void *ctx, __u32 is_xdp, __u32 offset) {
  __u8 llc[8] ALIGNED;

  if (load_bytes(ctx, is_xdp, offset, llc, sizeof(llc))) return NW_REASON_NOT_IP;
  if (llc[0] == llc[1] && (llc[0] == LLC_SNAP || llc[0] == LLC_IP)) return NW_REASON_UNKNOWN_ETHERTYPE;
  return NW_REASON_NOT_IP;
}

/* XDP has no protocol field beside the frame: the version says what it is. */
static __always_inline __u32 link_l3_xdp(void *ctx, struct packet *packet) {
  __u8 version;

  if (load_bytes(ctx, 1, 0, &version, 1)) return NW_REASON_SHORT;
  packet->is_v4 = version >> 4 == 4;
  return version >> 4 == 4 || version >> 4 == 6 ? NW_REASON_NONE : NW_REASON_UNKNOWN_ETHERTYPE;
}

static __always_inline __u32 packet_link(void *ctx, __u32 is_xdp, __u32 is_l3, struct packet *packet) {
  __u32 offset = 12, tags = link_offloaded_tags(ctx, is_xdp), i;
  __u16 ethertype_be = 0, ethertype;

  if (is_l3) {
    packet->network_offset = 0;
    if (is_xdp) return link_l3_xdp(ctx, packet);
    ethertype = link_protocol(ctx, is_xdp);
    /* A tag behind which nobody looks for IP. */
    if (ethertype_is_vlan(ethertype)) return NW_REASON_UNKNOWN_ETHERTYPE;
  } else {
    if (load_bytes(ctx, is_xdp, offset, &ethertype_be, 2)) return NW_REASON_SHORT;
    ethertype = bpf_ntohs(ethertype_be);
    for (i = 0; i <= NW_MAX_VLAN_TAGS && ethertype_is_vlan(ethertype); i++) {
      offset += 4;
      tags++;
      if (load_bytes(ctx, is_xdp, offset, &ethertype_be, 2)) return NW_REASON_SHORT;
      ethertype = bpf_ntohs(ethertype_be);
    }
    if (tags > NW_MAX_VLAN_TAGS || ethertype_is_vlan(ethertype)) return NW_REASON_L2_DEPTH;
    packet->network_offset = offset + 2;
  }
  if (ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6) {
    packet->is_v4 = ethertype == ETHERTYPE_IPV4;
    return NW_REASON_NONE;
  }
  if (ethertype == ETHERTYPE_MPLS || ethertype == ETHERTYPE_MPLS_MULTICAST || ethertype == ETHERTYPE_PPPOE_SESSION)
    return NW_REASON_UNKNOWN_ETHERTYPE;
  if (ethertype < ETHERTYPE_LEAST) return link_802_3(ctx, is_xdp, packet->network_offset);
  return NW_REASON_NOT_IP;
}

struct ipv4_header {
  __u8 version_ihl;
  __u8 tos;
  __u16 total_length_be;
  __u16 id_be;
  __u16 fragment_be;
  __u8 ttl;
  __u8 protocol;
  __u16 checksum;
  __u32 source_be;
  __u32 destination_be;
};

struct ipv6_header { /* up to the addresses */
  __u32 version_class_flow_be;
  __u16 payload_length_be;
  __u8 next_header;
  __u8 hop_limit;
};
#define IPV6_HEADER_BYTES 40

struct options {
  __u8 bytes[40];
};

/* Loose and strict source routes are the two options that change where a packet goes. */
NW_GLOBAL int ipv4_options_walk(const struct options *all, __u32 length) {
  const __u8 *options;
  __u32 i, skip = 0;

  if (!all) return NW_REASON_MALFORMED;
  options = all->bytes;
  for (i = 0; i < 40; i++) {
    if (i >= length || (!skip && options[i] == 0)) break;
    if (skip) {
      skip--;
      continue;
    }
    if (options[i] == 131 || options[i] == 137) return NW_REASON_SOURCE_ROUTE;
    if (options[i] == 1) continue;
    if (i + 1 >= length || i >= 39 || options[i + 1] < 2) return NW_REASON_MALFORMED;
    skip = options[i + 1] - 1;
  }
  return skip ? NW_REASON_MALFORMED : NW_REASON_NONE;
}

static __noinline __u32 ipv4_options(void *ctx, __u32 is_xdp, __u32 offset, __u32 length) {
  struct options options ALIGNED = {};

  __asm__ volatile("" : "+r"(length)); /* the compiler knows the callers, and would leave a check out that Linux 6.1 wants to see */
  if (length < 4 || length > 40) return NW_REASON_MALFORMED;
  if (load_bytes_variable(ctx, is_xdp, offset, options.bytes, length)) return NW_REASON_SHORT;
  return ipv4_options_walk(&options, length);
}

/* Whether the frame goes on up to `end`. One in several buffers is measured only when the first buffer leaves it open. */
static __always_inline int packet_reaches(void *ctx, __u32 is_xdp, struct packet *packet, __u32 quoted, __u32 end) {
  if (end <= packet->length) return 1;
  if (!is_xdp || quoted) return 0; /* a quoted packet ends before the frame does */
  packet->length = frame_length_of_all(ctx);
  return end <= packet->length;
}

static __always_inline __u32 network_v4(void *ctx, __u32 is_xdp, struct packet *packet, __u32 quoted) {
  struct ipv4_header header ALIGNED;
  __u32 length, total, fragment, offset = packet->network_offset;

  if (!packet_reaches(ctx, is_xdp, packet, quoted, offset + sizeof(header))) return NW_REASON_SHORT;
  if (load_bytes(ctx, is_xdp, offset, &header, sizeof(header))) return NW_REASON_SHORT;
  length = (header.version_ihl & 15) * 4;
  if (header.version_ihl >> 4 != 4 || length < sizeof(header)) return NW_REASON_MALFORMED;
  total = bpf_ntohs(header.total_length_be);
  /* Segments above 64 KB that the kernel has merged have length 0. */
  if (!total && packet->segments > 1) total = packet->length - offset;
  if (total < length) return NW_REASON_MALFORMED;
  if (quoted) total = packet->length - offset;
  if (total < length || !packet_reaches(ctx, is_xdp, packet, quoted, offset + total)) return NW_REASON_SHORT;
  addr_from_v4(&packet->source, header.source_be);
  addr_from_v4(&packet->destination, header.destination_be);
  packet->protocol = header.protocol;
  packet->hop_limit = header.ttl;
  packet->transport_offset = offset + length;
  packet->end = offset + total;
  fragment = bpf_ntohs(header.fragment_be);
  packet->fragment_id = header.id_be;
  packet->later_fragment = (fragment & 0x1fff) != 0;
  packet->first_fragment = (fragment & 0x3fff) == 0x2000;
  if ((fragment & 0x1fff) == 1 && header.protocol == PROTO_TCP) return NW_REASON_FRAG_TINY;
  if (length > sizeof(header) && !quoted)
    return ipv4_options(ctx, is_xdp, offset + sizeof(header), length - sizeof(header));
  return NW_REASON_NONE;
}

static __always_inline int addr_is_v4_mapped(const struct nw_addr *address) {
  const __u32 *words = (const __u32 *)address->bytes;
  return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline __u32 network_v6(void *ctx, __u32 is_xdp, struct packet *packet, __u32 quoted) {
  struct ipv6_header header ALIGNED;
  __u32 payload, offset = packet->network_offset, behind = offset + IPV6_HEADER_BYTES;

  if (!packet_reaches(ctx, is_xdp, packet, quoted, behind)) return NW_REASON_SHORT;
  if (load_bytes(ctx, is_xdp, offset, &header, sizeof(header))) return NW_REASON_SHORT;
  /* Both addresses: they are side by side in the header and here. */
  if (load_bytes(ctx, is_xdp, offset + sizeof(header), &packet->source, 2 * sizeof(struct nw_addr))) return NW_REASON_SHORT;
  if (bpf_ntohl(header.version_class_flow_be) >> 28 != 6) return NW_REASON_MALFORMED;
  payload = bpf_ntohs(header.payload_length_be);
  if (quoted || (!payload && packet->segments > 1)) payload = packet->length - behind;
  if (!packet_reaches(ctx, is_xdp, packet, quoted, behind + payload)) return NW_REASON_SHORT;
  packet->protocol = header.next_header;
  packet->hop_limit = header.hop_limit;
  packet->transport_offset = behind;
  packet->end = behind + payload;
  if (addr_is_v4_mapped(&packet->source) || addr_is_v4_mapped(&packet->destination)) return NW_REASON_V4_MAPPED;
  return NW_REASON_NONE;
}

static __always_inline __u32 packet_network(void *ctx, __u32 is_xdp, struct packet *packet, __u32 quoted) {
  return packet->is_v4 ? network_v4(ctx, is_xdp, packet, quoted) : network_v6(ctx, is_xdp, packet, quoted);
}

/* An address that cannot come from another host over this wire. */
static __always_inline __u32 packet_martian(const struct packet *packet) {
  if (packet->is_v4) {
    __u32 source = addr_v4(&packet->source), destination = addr_v4(&packet->destination);

    if (source >> 24 == 127 || (source >> 24 == 0 && source) || source >> 28 == 14 || source == 0xffffffff)
      return NW_REASON_MARTIAN;
    return destination >> 24 == 127 || destination >> 24 == 0 ? NW_REASON_MARTIAN : NW_REASON_NONE;
  }
  const __u64 *source = (const __u64 *)packet->source.bytes, *destination = (const __u64 *)packet->destination.bytes;
  const __u64 one = bpf_cpu_to_be64(1);

  if (packet->source.bytes[0] == 0xff || (!source[0] && source[1] == one)) return NW_REASON_MARTIAN;
  return !destination[0] && (!destination[1] || destination[1] == one) ? NW_REASON_MARTIAN : NW_REASON_NONE;
}

#endif
