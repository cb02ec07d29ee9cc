/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The policy image: everything the classifier needs, one block of 64-byte lines.
 *
 * nw_policy is an ARRAY_OF_MAPS, NW_MAX_CHUNKS entries for each of NW_BANKS banks; an inner map is an ARRAY with one struct nw_chunk
 * (mmapable), a part of an image: line i is line i % NW_CHUNK_LINES of chunk i / NW_CHUNK_LINES, at entry nw_chunk_entry(bank, chunk).
 * nw_live: a variable, struct nw_live, written as one word: which bank is live. A packet reads it once, so it sees one whole policy.
 * A new image is written into the other bank, which no packet reads any more, and goes live with that word. All fields are in host
 * order. Lines are addressed by index; line 0 is the header.
 *
 *   header | protocol table | port tables | address tables | diagrams | endpoint directory | rule table
 *
 * Classes. Every address that a rule mentions is in one table per family; looking an address up gives its *class*: two
 * addresses have one class exactly if they satisfy the same address predicates, family included. IPv4 and IPv6 classes are
 * numbered together. Protocol with destination port (ICMP: type << 8 | code) gives the *L4 class*, protocol with source port
 * the *source port class*. A verdict is a function of (source class, destination class, L4 class, source port class).
 *
 * Address reference (__u32): bits 31..30 NW_ADDRESS_*, 29..0 class or line.
 *   CLASS  the answer
 *   TREE   IPv4: a struct nw_tree16 on the low 16 bits; IPv6: a struct nw_tree64 on the high 64 bits
 *   LOW    IPv6 only: a struct nw_tree64 on the low 64 bits
 * A tree node covers ascending boundaries: child i holds values from keys[i-1] (inclusive) to keys[i] (exclusive). Unused keys
 * repeat the greatest value of their type, unused children repeat the last used child. IPv4 starts at root[address >> 16] of the
 * 4,096-line table at v4_root (__u32 references); v4_root 0: every IPv4 address has class v4_class. IPv6 starts at the reference
 * v6_root, or, where v6_table is not 0, at a reference of another 4,096-line table: at the line v6_table & 0xffffff the element
 * (high 64 bits - v6_base) >> (v6_table >> 24), the first one for addresses below v6_base, the last one for those behind the table.
 *
 * Protocol table: 256 struct nw_protocol at protocol_base. Its fields: bit 31 clear: the class; set: bits 30..0 is the first line
 * of 65,536 __u16 classes indexed by port (or ICMP type << 8 | code).
 *
 * Diagram reference (__u32): bits 31..30 kind, 29..28 dimension, 27..24 shift, 23..0 line; a LEAF uses bits 29..0 as rule index.
 *   LEAF   rule index in the rule table; NW_NO_MATCH if no rule of this diagram matches
 *   RADIX  16 __u32 references in one line, chosen by (id >> 4 * shift) & 15
 *   LIST   struct nw_list: the child whose key equals id, else the last child
 *   ROW    references at line + id / 16, element id % 16; the row holds every id of the dimension
 *
 * Endpoint directory: struct nw_image_endpoint at endpoint_base, NW_SLOT_ENTRIES a slot: nw_slot_entry(slot, variant, chain). An
 * entry of a chain that the endpoint does not have, or of nobody's slot, has default_rule NW_SLOT_UNUSED. `roots` are up to three
 * diagrams (rules that look at sources only or at no address, at destinations only, at both); an absent one is NW_NO_MATCH. The verdict
 * is the rule with the least index among the roots' leaves and default_rule: a rule that comes first in policy has the lower index.
 *
 * Chains: the tiers that one stage of a packet's way asks.
 *   INGRESS, EGRESS                      the host is an end of the flow; the profiles come last. Every endpoint has both
 *   FORWARD_INGRESS, FORWARD_EGRESS      applyOnForward policies; after the last tier the packet is open
 *   UNTRACKED_INGRESS, UNTRACKED_EGRESS  doNotTrack policies, for each packet; after the last tier: the next stage
 *   PRE_DNAT                             preDNAT policies, for first packets at ingress; after the last tier: the next stage
 * Variants of a chain, beside the one that is enforced:
 *   LOG     the same list with its Log rules in it: the verdict is NW_LOG if the packet is to be logged, else NW_NEXT. Only of
 *           chains with Log rules
 *   STAGED  the chain as it would be with the staged policies. Only of chains that staged policies change; such a chain need
 *           not have an enforced variant, and the enforced one that has no staged variant stays as it is
 * header.chains has bit nw_chain_bit(variant, chain) if some slot has that entry.
 *
 * Rule table: struct nw_image_rule at rule_base. */
#ifndef NW_POLICY_H
#define NW_POLICY_H

#include "branchless.h"
#include "verdict.h"

#define NW_LINE_BYTES 64
#define NW_IMAGE_VERSION 5
#define NW_MAX_IMAGE_LINES (1U << 24)
#ifndef NW_CHUNK_SHIFT     /* the fuzzers' chunks are smaller, to have many */
#define NW_CHUNK_SHIFT 16 /* 4 MB: ten thousand rules are in the first one, which is looked up once a packet */
#endif
#define NW_CHUNK_LINES (1U << NW_CHUNK_SHIFT)
#define NW_MAX_CHUNKS (NW_MAX_IMAGE_LINES / NW_CHUNK_LINES)
#define NW_BANKS 2U
#define NW_MAX_L4_CLASSES 65536U

struct nw_line {
  __u32 words[16];
} __attribute__((aligned(64)));
NW_ASSERT_SIZE(struct nw_line, NW_LINE_BYTES);

struct nw_chunk {
  struct nw_line lines[NW_CHUNK_LINES];
};

static inline __u32 nw_chunk_entry(__u32 bank, __u32 chunk) { return bank * NW_MAX_CHUNKS + chunk; }

struct nw_live {
  __u32 bank;
  __u32 generation; /* of the image in it; 0: there is none yet */
} __attribute__((aligned(8)));
NW_ASSERT_SIZE(struct nw_live, 8);

struct nw_image_header {
  __u32 magic; /* NW_MAGIC */
  __u32 version;
  __u32 line_count;
  __u32 v4_root;
  __u32 v4_class;
  __u32 v6_root; /* an address reference */
  __u32 protocol_base;
  __u32 endpoint_base;
  __u32 endpoint_slots;
  __u32 rule_base;
  __u32 rule_count;
  __u32 chains; /* nw_chain_bit() of every kind of entry there is */
  __u32 needs;  /* see nw_chain_needs() */
  __u32 v6_table;
  __u64 v6_base;
};
NW_ASSERT_SIZE(struct nw_image_header, NW_LINE_BYTES);

#define NW_V6_TABLE_LINE(table) ((table) & 0xffffffU)
#define NW_V6_TABLE_SHIFT(table) ((table) >> 24 & 63U)
#define NW_V6_ROOT_WORD 5U      /* of the header: v6_root */
#define NW_ROOT_LINES 4096U     /* of both tables */
#define NW_ROOT_ELEMENTS 65536U

/* The element of the table at header->v6_table. */
NW_INLINE __u32 nw_v6_element(const struct nw_image_header *header, __u64 high) {
  __u64 offset = (high - header->v6_base) >> NW_V6_TABLE_SHIFT(header->v6_table);
  __u32 behind = nw_at_most(NW_ROOT_ELEMENTS, offset), element;

  element = ((__u32)offset | (0U - behind)) & (0U - nw_at_most(header->v6_base, high));
  NW_HIDE(element);
  return element & (NW_ROOT_ELEMENTS - 1);
}

/* Where the walk of an IPv6 address begins, line << 4 | word: an element of the table, or v6_root in the header. verifier: not by a
 * branch, behind which it would follow the walk twice. */
NW_INLINE __u32 nw_v6_place(const struct nw_image_header *header, __u64 high) {
  __u32 has_table = nw_equal(header->v6_table, 0) - 1;
  __u32 place = (NW_V6_TABLE_LINE(header->v6_table) << 4) + nw_v6_element(header, high);

  place = (place & has_table) | (NW_V6_ROOT_WORD & ~has_table);
  NW_HIDE(place);
  return place;
}

#define NW_ADDRESS_KIND(ref) ((ref) >> 30)
#define NW_ADDRESS_VALUE(ref) ((ref) & 0x3fffffffU)
#define NW_ADDRESS_CLASS 0U
#define NW_ADDRESS_TREE 1U
#define NW_ADDRESS_LOW 2U
#define NW_ADDRESS_MAX_DEPTH_V4 6  /* nodes on a path: 11^5 > 65,536 */
#define NW_ADDRESS_MAX_DEPTH_V6 24 /* 12 for each half: 6^12 > 2^31 */

struct nw_tree16 {
  __u16 keys[10];
  __u32 children[11];
};
NW_ASSERT_SIZE(struct nw_tree16, NW_LINE_BYTES);

struct nw_tree64 {
  __u64 keys[5];
  __u32 children[6];
};
NW_ASSERT_SIZE(struct nw_tree64, NW_LINE_BYTES);

struct nw_protocol {
  __u32 l4;
  __u32 source_port;
};
NW_ASSERT_SIZE(struct nw_protocol, 8);
#define NW_PORT_TABLE 0x80000000U

#define NW_DIM_SOURCE 0U
#define NW_DIM_DESTINATION 1U
#define NW_DIM_L4 2U
#define NW_DIM_SOURCE_PORT 3U

#define NW_REF_KIND(ref) ((ref) >> 30)
#define NW_REF_DIM(ref) ((ref) >> 28 & 3U)
#define NW_REF_SHIFT(ref) ((ref) >> 24 & 15U)
#define NW_REF_LINE(ref) ((ref) & 0xffffffU)
#define NW_REF_LEAF 0U
#define NW_REF_RADIX 1U
#define NW_REF_LIST 2U
#define NW_REF_ROW 3U
#define NW_NO_MATCH 0x3fffffffU /* a LEAF, greater than any rule index */
#define NW_REF_MAX_DEPTH 32

struct nw_list {
  __u32 keys[7]; /* unused: 0xffffffff */
  __u32 children[8];
  __u32 pad;
};
NW_ASSERT_SIZE(struct nw_list, NW_LINE_BYTES);

#define NW_CHAIN_INGRESS 0U /* NW_INGRESS, NW_EGRESS */
#define NW_CHAIN_EGRESS 1U
#define NW_CHAIN_FORWARD_INGRESS 2U
#define NW_CHAIN_FORWARD_EGRESS 3U
#define NW_CHAIN_UNTRACKED_INGRESS 4U
#define NW_CHAIN_UNTRACKED_EGRESS 5U
#define NW_CHAIN_PRE_DNAT 6U
#define NW_CHAINS 8U /* one is not used */

#define NW_VARIANT_ENFORCED 0U
#define NW_VARIANT_LOG 1U
#define NW_VARIANT_STAGED 2U
#define NW_VARIANTS 4U /* one is not used */
#define NW_SLOT_ENTRIES (NW_VARIANTS * NW_CHAINS)

static inline __u32 nw_slot_entry(__u32 slot, __u32 variant, __u32 chain) { return (slot * NW_VARIANTS + variant) * NW_CHAINS + chain; }
static inline __u32 nw_chain_bit(__u32 variant, __u32 chain) { return 1U << (variant * NW_CHAINS + chain); }

/* Which addresses of a packet the diagrams of the chains and variants of a direction look at: most look at the far end only, and the
 * other address is not looked up. Two bits for ingress, two for egress; chains of egress have odd numbers. */
#define NW_NEEDS_SOURCE 1U
#define NW_NEEDS_DESTINATION 2U
static inline __u32 nw_chain_needs(__u32 needs, __u32 chain) { return needs >> (chain & 1) * 2; }

#define NW_SLOT_UNUSED 0xffffffffU
struct nw_image_endpoint {
  __u32 roots[3];
  __u32 default_rule; /* NW_SLOT_UNUSED: no such chain */
};
NW_ASSERT_SIZE(struct nw_image_endpoint, 16);

struct nw_image_rule {
  __u8 verdict; /* NW_DENY, NW_ALLOW, NW_NEXT, NW_LOG */
  __u8 reason;  /* NW_REASON_*; NONE with NW_NEXT and NW_LOG */
  __u8 staged;  /* 1: of a staged policy, or the end of a tier that only staged policies make count */
  __u8 pad;
  __u32 counter; /* rule counter slot; NW_NO_COUNTER with NW_NEXT and NW_LOG */
};
NW_ASSERT_SIZE(struct nw_image_rule, 8);

#endif
