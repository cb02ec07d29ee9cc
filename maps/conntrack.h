/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Connection tracking.
 *
 *   nw_ct_line    ARRAY of struct nw_ct_slot, a cache line each: flows that were answered and confirmed
 *   nw_ct         HASH, no preallocation, bpfMapSizeConntrack entries: confirmed flows whose places in nw_ct_line are taken by others
 *   nw_ct_new     ARRAY of struct nw_ct_slot: flows that are not yet confirmed, those begun from outside (first packet at ingress) and
 *                 those begun by the host apart
 *   nw_ct_bucket  ARRAY of struct nw_ct_bucket: what the slots of nw_ct_new hold
 *   nw_ct_hint    ARRAY of words: where a flow can be at all
 *   nw_ct_state   a variable, struct nw_ct_state: what the places of flows depend on
 *
 * A first packet that policy or a failsafe port allows makes an entry on its side of nw_ct_new. A packet of the other direction finds it
 * there (reply). The next packet of the original direction after a reply moves it to nw_ct_line or nw_ct, where it stays until it is over. So a
 * flood of first packets can push out only flows that were never answered and confirmed, and only those begun on its own side.
 * No room in either: the flow stays in nw_ct_new; a packet that finds no entry is judged by policy, never allowed for lack of room.
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
  __u8 pad;
  __u8 held; /* NW_CT_HELD, wherever a flow is kept */
};
NW_ASSERT_SIZE(struct nw_ct_key, 40);
#define NW_CT_HELD 1

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

/* Moments: the low 32 bits of CLOCK_MONOTONIC (coarse) in ticks of 2^24 ns, 17 ms; they come again after 2.3 years. */
#define NW_CT_TICK_SHIFT 24
static inline __u32 nw_ct_tick(__u64 ns) { return (__u32)(ns >> NW_CT_TICK_SHIFT); }

struct nw_ct_entry {
  __u32 created;    /* tick */
  __u32 seen;       /* tick of the last packet */
  __u32 generation; /* policy generation that admitted it last */
  __u32 rule;       /* rule counter slot that admitted it, NW_NO_COUNTER if none */
  __u32 ifindex;    /* where the first packet was judged */
  __u32 flags;      /* NW_CT_* */
};
NW_ASSERT_SIZE(struct nw_ct_entry, 24);

/* Whether nothing was seen of it for so long, to a tick. Another processor may have written a later moment than ours. */
static inline int nw_ct_is_idle(const struct nw_ct_entry *entry, __u32 now, __u64 timeout_ns) {
  __s32 idle = (__s32)(now - entry->seen);
  return idle > 0 && (__u64)idle > timeout_ns >> NW_CT_TICK_SHIFT;
}

struct nw_ct_slot {
  struct nw_ct_key key;
  struct nw_ct_entry entry;
};
NW_ASSERT_SIZE(struct nw_ct_slot, 64);

/* Confirmed flows: each has NW_CT_CHOICES places among the lines, two by two beside each other, and is in the first that was free. The last word of a line's key
 * says what is in it: NW_CT_LINE_FREE, NW_CT_LINE_BUSY (somebody writes it), NW_CT_LINE_OVER, or the flow's own, which has NW_CT_HELD. Who wants a line
 * changes that word from free to busy by compare and swap, writes the line, then its word. A flow that ends makes its line one that is over. User space empties these, waits for all packets, and
 * then has them free: no packet that found a flow can meet another one in its line. */
#define NW_CT_LINES 262144U /* in pinned maps; a power of two */
#define NW_CT_CHOICES 4U
#define NW_CT_LINE_FREE 0U
#define NW_CT_LINE_BUSY 0xffffffffU
#define NW_CT_LINE_OVER 0xfefefefeU

typedef __u32 __attribute__((may_alias)) nw_ct_line_word;
static inline nw_ct_line_word *nw_ct_word_of(struct nw_ct_key *key) { return (nw_ct_line_word *)&key->protocol; }
static inline const nw_ct_line_word *nw_ct_word_in(const struct nw_ct_key *key) { return (const nw_ct_line_word *)&key->protocol; }

/* Unconfirmed flows: each has its place in one bucket, a cache line. The bucket has NW_CT_WAYS slots for flows begun from outside, and as many for those begun
 * by the host. `tags` says what is in each: NW_CT_EMPTY, NW_CT_BUSY (somebody writes it), or the flow's tag; the key decides. Who wants a slot changes its
 * tag to NW_CT_BUSY by compare and swap, writes the slot, then its tag. A side that is full gives up its slots in turn, the one written longest ago first. */
#define NW_CT_BUCKETS 49152U /* in pinned maps */
#define NW_CT_SIDES 2U       /* begun from outside, by the host */
#define NW_CT_WAYS 4U
#define NW_CT_EMPTY 0U
#define NW_CT_BUSY 1U

struct nw_ct_bucket {
  __u32 tags[NW_CT_SIDES][NW_CT_WAYS];
  __u32 turn[NW_CT_SIDES]; /* the way that is given up next */
  __u32 expected;          /* 0; written to have the line at hand */
  __u32 pad[5];
};
NW_ASSERT_SIZE(struct nw_ct_bucket, 64);

static inline __u32 nw_ct_slot_index(__u32 bucket, __u32 side, __u32 way) { return (bucket * NW_CT_SIDES + side) * NW_CT_WAYS + way; }

/* The hint: a Bloom filter that stays in the processor's caches, so that a packet of no flow costs no look into the tables. A flow has a word of it, and two
 * bits of the word's lower half while it is in nw_ct_line or nw_ct, the same two of the upper half while it is in nw_ct_new. Several flows may share bits; one that
 * lacks a bit is not there. Who adds a flow to a table sets its bits first; who moves it sets those of the new place before the old one is empty.
 *
 * There are two hints, of which one is read (nw_ct_state.hint) and written. Bits of flows that are gone are cleared by user space: it says that the other one
 * is being made, from when on packets write both, empties it, waits until each packet is through that knew nothing of this, sets the bits of all flows,
 * and makes it the one that is read. A hint has as many words as its number of flows asks for, a power of two: nw_ct_state.mask + 1. */
#define NW_CT_HINTS 2U
#define NW_CT_HINT_WORDS 131072U     /* room of each */
#define NW_CT_HINT_BITS 2U           /* of a flow, in either half; see nw_ct_find_place() */
#define NW_CT_HINT_READ 1U           /* nw_ct_state.hint: the number of the one that is read */
#define NW_CT_HINT_BEING_MADE 2U     /* nw_ct_state.hint: packets write both */
#define NW_CT_HINT_UNCONFIRMED 32    /* shift of the bits for flows in nw_ct_new */

#define NW_CT_KEY_WORDS (sizeof(struct nw_ct_key) / sizeof(__u32))

struct nw_ct_state {
  __u32 secret[NW_CT_KEY_WORDS]; /* random, made with the table: nobody outside can choose packets that meet in one bucket or word */
  __u32 hint;                    /* NW_CT_HINT_READ, NW_CT_HINT_BEING_MADE */
  __u32 mask[NW_CT_HINTS];       /* of a hint's words; less than NW_CT_HINT_WORDS */
  __u32 pad[3];
};
NW_ASSERT_SIZE(struct nw_ct_state, 64);

struct nw_ct_place {
  __u32 bucket;
  __u32 tag;
  __u32 word; /* in a hint, before its mask */
  __u32 bits; /* of the word's half */
  __u32 lines[NW_CT_CHOICES / 2]; /* before the mask */
};

/* Both legs of a flow have one place. The sum of products is NH of UMAC (RFC 4418): for a secret that nobody sees the results of, two keys
 * meet with a probability of 2^-32. What follows spreads it over all bits. */
static inline __attribute__((always_inline)) void nw_ct_find_place(const struct nw_ct_key *key, const struct nw_ct_state *state, __u32 buckets,
                                                                   struct nw_ct_place *place) {
  __u32 words[NW_CT_KEY_WORDS], i;
  __u64 hash = 0;

  __builtin_memcpy(words, key, sizeof(words));
  words[NW_CT_KEY_WORDS - 1] = key->protocol;
  for (i = 0; i < NW_CT_KEY_WORDS; i += 2)
    hash += (__u64)(words[i] + state->secret[i]) * (words[i + 1] + state->secret[i + 1]);
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ULL;
  hash ^= hash >> 29;
  place->bucket = (__u32)((hash >> 32) * buckets >> 32);
  place->tag = (__u32)hash | 2; /* neither NW_CT_EMPTY nor NW_CT_BUSY */
  place->word = (__u32)hash;
  place->bits = 1U << (hash >> 20 & 31) | 1U << (hash >> 25 & 31);
  place->lines[0] = (__u32)(hash >> 15);
  place->lines[1] = place->lines[0] ^ ((__u32)(hash >> 40) | 2); /* other lines */
}

static inline __u32 nw_ct_line_index(const struct nw_ct_place *place, __u32 choice, __u32 lines) {
  return (place->lines[choice / 2] ^ (choice & 1)) & (lines - 1);
}

/* In nw_ct_hint: a place's word in one of the hints. */
static inline __u32 nw_ct_hint_index(const struct nw_ct_state *state, const struct nw_ct_place *place, __u32 hint) {
  hint &= NW_CT_HINTS - 1;
  return hint * NW_CT_HINT_WORDS + (place->word & state->mask[hint] & (NW_CT_HINT_WORDS - 1));
}

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
