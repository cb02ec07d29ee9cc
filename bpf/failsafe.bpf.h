/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 2: failsafe ports (maps/failsafe.h). */
#ifndef NW_FAILSAFE_BPF_H
#define NW_FAILSAFE_BPF_H

#include "branchless.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* Failsafe ports are the host's own: not of what it forwards elsewhere, but of whatever comes to its addresses. */
static __always_inline __u32 failsafe_applies(const struct packet *packet) {
  return packet->direction == NW_INGRESS ? packet->near_is_host : !packet->forwarded;
}

/* A port that is open for some peers only. */
NW_GLOBAL int failsafe_peer(const struct packet *packet, __u32 reversed, __u32 direction, __u32 is_udp) {
  struct nw_failsafe_key key;
  const __u8 *open;
  __u16 port_be;

  if (!packet) return 0;
  port_be = reversed ? packet->source_port_be : packet->destination_port_be;
  key.prefixlen = sizeof(key) * 8 - 32;
  key.direction = direction;
  key.is_udp = is_udp;
  __builtin_memcpy(key.port_be, &port_be, 2);
  if ((direction == NW_INGRESS) != reversed)
    __builtin_memcpy(key.peer, packet->source.bytes, 16);
  else
    __builtin_memcpy(key.peer, packet->destination.bytes, 16);
  open = bpf_map_lookup_elem(&nw_failsafe_net, &key);
  return open && *open;
}

/* Whether the packet opens a failsafe flow; with `reversed`, whether the packet that it answers did. */
static __always_inline int failsafe_match(const struct packet *packet, __u32 reversed) {
  __u32 direction, is_udp, index;
  const struct nw_failsafe_word *word;
  __u64 bit;
  __u16 port;

  if (packet->protocol != PROTO_TCP && packet->protocol != PROTO_UDP) return 0;
  is_udp = packet->protocol == PROTO_UDP;
  direction = (reversed ? !packet->direction : packet->direction) & 1;
  port = bpf_ntohs(reversed ? packet->source_port_be : packet->destination_port_be);
  index = nw_failsafe_index(direction, is_udp, port);
  NW_HIDE(index); /* verifier: Linux 6.1 does not know how large the parts of an "or" are together */
  word = &nw_failsafe[index & (NW_FAILSAFE_WORDS - 1)];
  bit = 1ULL << (port & 63);
  if (word->any & bit) return 1;
  return word->nets & bit ? failsafe_peer(packet, reversed, direction, is_udp) : 0;
}

#endif
