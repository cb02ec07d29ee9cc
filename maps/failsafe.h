/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Failsafe ports: looked up before anything that can be misconfigured.
 *
 * nw_failsafe: a variable, NW_FAILSAFE_WORDS struct nw_failsafe_word; each holds 64 ports of one direction and protocol:
 * index nw_failsafe_index(direction, is_udp, port), bit port % 64. `any` = open for every peer; `nets` = open for peers in
 * nw_failsafe_net. The port is the packet's destination port in both directions.
 *
 * nw_failsafe_net: LPM_TRIE struct nw_failsafe_key -> __u8: 1 open; 0 closed, for the IPv4-mapped addresses (a prefix of 96 bits) inside
 * an IPv6 net, which are no IPv6 peers. The peer is the source at ingress, the destination at egress. */
#ifndef NW_FAILSAFE_H
#define NW_FAILSAFE_H

#include "types.h"

#define NW_FAILSAFE_WORDS 4096

static inline __u32 nw_failsafe_index(__u32 direction, __u32 is_udp, __u16 port) {
  return ((direction << 1 | is_udp) << 10) | port >> 6;
}

struct nw_failsafe_word {
  __u64 any;
  __u64 nets;
};
NW_ASSERT_SIZE(struct nw_failsafe_word, 16);

struct nw_failsafe_key {
  __u32 prefixlen; /* 32 bits of the fields before peer + bits of peer (IPv4: 96 + its own) */
  __u8 direction;
  __u8 is_udp;
  __u8 port_be[2];
  __u8 peer[16]; /* as struct nw_addr */
};
NW_ASSERT_SIZE(struct nw_failsafe_key, 24);

#endif
