/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Connection tracking.
 *
 *   nw_ct          HASH, no preallocation, bpfMapSizeConntrack entries: flows that were answered and confirmed
 *   nw_ct_new_in   LRU_HASH: flows begun from outside (first packet at ingress), not yet confirmed
 *   nw_ct_new_out  LRU_HASH: flows begun by the host (first packet at egress), not yet confirmed
 *
 * A first packet that policy or a failsafe port allows makes an entry in the nw_ct_new_* of its direction. A packet of the
 * other direction finds it there (reply). The next packet of the original direction after a reply moves it to nw_ct. So a
 * flood of first packets can push out only flows that were never answered and confirmed, and only those begun on its own side.
 * nw_ct full: the flow stays in nw_ct_new_*; a packet that finds no entry is judged by policy, never allowed for lack of room.
 *
 * Key: the two ends in a fixed order, so that both directions meet: end `a` is the one whose (address, port) compares lower
 * bytewise. ICMP echo: both ports are the identifier. Protocols without ports: 0.
 *
 * A forwarded flow is seen twice, at the interface it comes in by and at the one it leaves by, often with equal addresses; each interface
 * has its say. So each has an entry of its own, its leg. A forwarded flow behind an address of the host (NAT) is kept like the host's own:
 * there the answers come to the host's address. */
#ifndef NW_CONNTRACK_H
#define NW_CONNTRACK_H

#include "types.h"

#define NW_CT_LEG_HOST 0 /* an address of the host is the near end */
#define NW_CT_LEG_IN 1   /* forwarded; its first packet came in here */
#define NW_CT_LEG_OUT 2  /* forwarded; its first packet left here */

struct nw_ct_key {
  struct nw_addr a;
  struct nw_addr b;
  __u16 port_a_be;
  __u16 port_b_be;
  __u8 protocol;
  __u8 leg; /* NW_CT_LEG_* */
  __u8 pad[2];
};
NW_ASSERT_SIZE(struct nw_ct_key, 40);

#define NW_CT_FROM_HOST 1U     /* first packet was at egress */
#define NW_CT_REPLIED 2U       /* a packet of the other direction was seen */
#define NW_CT_FIN_ORIGINAL 4U  /* FIN seen in the direction of the first packet */
#define NW_CT_FIN_REPLY 8U
#define NW_CT_RST 16U          /* RST seen; cleared by later traffic without RST */
#define NW_CT_FAILSAFE 32U     /* admitted by a failsafe port: policy is never asked again */
#define NW_CT_ADOPTED 64U      /* seeded from the host's open sockets at first enforcement */
#define NW_CT_A_IS_SOURCE 128U /* end a sent the first packet */
#define NW_CT_REVOKED 512U     /* a later policy denies it: no packet passes by it; policy is asked for each, in the direction of the first */
#define NW_CT_FORWARDED 256U   /* forwarded traffic: the forward chains are asked again, not the host's own */

struct nw_ct_entry {
  __u64 created_ns; /* CLOCK_MONOTONIC (coarse) */
  __u64 seen_ns;    /* last packet; written when it changes by more than a millisecond */
  __u32 generation; /* policy generation that admitted it last */
  __u32 rule;       /* rule counter slot that admitted it, NW_NO_RULE if none */
  __u32 ifindex;    /* where the first packet was judged */
  __u32 flags;      /* NW_CT_* */
};
NW_ASSERT_SIZE(struct nw_ct_entry, 32);
#define NW_NO_RULE 0xffffffffU

/* Fragments: first fragments that were allowed. LRU_HASH nw_fragment -> __u64 seen_ns. */
struct nw_fragment_key {
  struct nw_addr source;
  struct nw_addr destination;
  __u32 id; /* IPv4: 16 bits */
  __u32 ifindex;
  __u8 protocol;
  __u8 direction;
  __u8 pad[6];
};
NW_ASSERT_SIZE(struct nw_fragment_key, 48);
#define NW_FRAGMENT_TIMEOUT_NS 30000000000ULL

#endif
