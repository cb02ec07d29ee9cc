/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Walking a policy image (policy.h): the one text that the programs and user space's `image` engine both run.
 *
 * The includer defines `nw_image` (what an image is there) and nw_image_line(image, index), a pointer to a struct nw_line or
 * null beyond the end, before including this. Every function answers NW_WALK_FAULT (or a fault) for a damaged image; none reads
 * outside a line. */
#ifndef NW_POLICY_WALK_H
#define NW_POLICY_WALK_H

#include "branchless.h"
#include "policy.h"

#define NW_WALK_FAULT 0xffffffffU

struct nw_query {
  __u64 source_high, source_low; /* host order; IPv4: in the low 32 bits of source_low */
  __u64 destination_high, destination_low;
  __u32 is_v4;
  __u32 protocol;
  __u32 source_port;      /* host order, 0 without ports */
  __u32 destination_port; /* host order; ICMP: type << 8 | code */
  __u32 slot;             /* endpoint slot */
  __u32 chain;            /* NW_CHAIN_* */
  __u32 variant;          /* NW_VARIANT_* */
};

struct nw_classes {
  __u32 source, destination, l4, source_port; /* in the order of NW_DIM_* */
};

struct nw_answer {
  __u32 rule;    /* index in the rule table; NW_WALK_FAULT for a fault, NW_NO_MATCH where there is no such chain */
  __u32 verdict; /* NW_DENY, NW_ALLOW, NW_NEXT, NW_LOG */
  __u32 reason;  /* NW_REASON_*; a fault names itself, NONE with NW_NEXT and NW_LOG */
  __u32 counter; /* rule counter slot, NW_NO_COUNTER */
  __u32 staged;  /* 1: see struct nw_image_rule */
  struct nw_classes classes;
};

NW_INLINE __u32 nw_walk_v4(nw_image image, const struct nw_image_header *header, __u32 address) {
  __u32 ref, i, depth;
  const struct nw_line *line;

  if (!header->v4_root) return header->v4_class;
  line = nw_image_line(image, header->v4_root + (address >> 20));
  if (!line) return NW_WALK_FAULT;
  ref = line->words[address >> 16 & 15];
  for (depth = 0; depth < NW_ADDRESS_MAX_DEPTH_V4; depth++) {
    const struct nw_tree16 *node;
    __u32 child = 0;
    __u32 low = address & 0xffff;

    if (NW_ADDRESS_KIND(ref) == NW_ADDRESS_CLASS) return NW_ADDRESS_VALUE(ref);
    node = (const struct nw_tree16 *)nw_image_line(image, NW_ADDRESS_VALUE(ref));
    if (!node) return NW_WALK_FAULT;
    for (i = 0; i < 10; i++) child += nw_at_most_small(node->keys[i], low);
    NW_HIDE(child);
    if (child > 10) return NW_WALK_FAULT;
    ref = node->children[child];
  }
  return NW_ADDRESS_KIND(ref) == NW_ADDRESS_CLASS ? NW_ADDRESS_VALUE(ref) : NW_WALK_FAULT;
}

NW_INLINE __u32 nw_walk_v6(nw_image image, const struct nw_image_header *header, __u64 high, __u64 low) {
  __u32 place = nw_v6_place(header, high), index = place >> 4, ref, i, depth;
  const struct nw_line *line;

  NW_HIDE(index);
  line = nw_image_line(image, index);
  if (!line) return NW_WALK_FAULT;
  ref = line->words[place & 15];
  for (depth = 0; depth < NW_ADDRESS_MAX_DEPTH_V6; depth++) {
    const struct nw_tree64 *node;
    __u32 child = 0;
    __u64 value;

    if (NW_ADDRESS_KIND(ref) == NW_ADDRESS_CLASS) return NW_ADDRESS_VALUE(ref);
    value = NW_ADDRESS_KIND(ref) == NW_ADDRESS_LOW ? low : high;
    node = (const struct nw_tree64 *)nw_image_line(image, NW_ADDRESS_VALUE(ref));
    if (!node) return NW_WALK_FAULT;
    for (i = 0; i < 5; i++) child += nw_at_most(node->keys[i], value);
    NW_HIDE(child);
    if (child > 5) return NW_WALK_FAULT;
    ref = node->children[child];
  }
  return NW_ADDRESS_KIND(ref) == NW_ADDRESS_CLASS ? NW_ADDRESS_VALUE(ref) : NW_WALK_FAULT;
}

/* Class of a port under one field of struct nw_protocol. */
NW_INLINE __u32 nw_walk_port(nw_image image, __u32 field, __u32 port) {
  const struct nw_line *line;
  __u32 word;

  if (!(field & NW_PORT_TABLE)) return field;
  line = nw_image_line(image, (field & ~NW_PORT_TABLE) + (port >> 5));
  if (!line) return NW_WALK_FAULT;
  word = line->words[port >> 1 & 15];
  return port & 1 ? word >> 16 : word & 0xffff; /* little endian: checked by compile's tests */
}

/* Follows one diagram; the rule index, NW_NO_MATCH, or NW_WALK_FAULT. */
NW_INLINE __u32 nw_walk_diagram(nw_image image, __u32 ref, const struct nw_classes *ids) {
  __u32 depth, i;

  for (depth = 0; depth < NW_REF_MAX_DEPTH; depth++) {
    __u32 kind = NW_REF_KIND(ref), is_row = kind & kind >> 1, id;
    const struct nw_line *line;

    if (kind == NW_REF_LEAF) return ref;
    id = ((const __u32 *)ids)[NW_REF_DIM(ref)];
    line = nw_image_line(image, NW_REF_LINE(ref) + is_row * (id >> 4)); /* is_row by arithmetic: see nw_at_most() */
    if (!line) return NW_WALK_FAULT;
    if (kind == NW_REF_LIST) {
      const struct nw_list *list = (const struct nw_list *)line;
      __u32 child = 7;
      for (i = 0; i < 7; i++) child -= nw_equal(list->keys[i], id) * (7 - i); /* keys differ: one at most */
      NW_HIDE(child);
      ref = list->children[child & 7];
    } else {
      ref = line->words[id >> ((1 - is_row) * NW_REF_SHIFT(ref) * 4 & 31) & 15];
    }
  }
  return NW_REF_KIND(ref) == NW_REF_LEAF ? ref : NW_WALK_FAULT;
}

NW_INLINE void nw_answer_fault(struct nw_answer *answer, __u32 reason) {
  answer->rule = NW_WALK_FAULT;
  answer->verdict = NW_DENY;
  answer->reason = reason;
  answer->counter = NW_NO_COUNTER;
  answer->staged = 0;
}

/* verifier: read at each use, or the ways to the class of one address would be told apart while the other is looked up. */
NW_INLINE __u32 nw_walk_needs(const struct nw_image_header *header, __u32 chain) {
  return nw_chain_needs(*(const volatile __u32 *)&header->needs, chain);
}

/* The classes of a packet, for all chains of `chain`'s direction; 0 for a damaged image. An address that none of them looks at has class 0. */
NW_INLINE int nw_walk_classes(nw_image image, const struct nw_image_header *header, const struct nw_query *query, __u32 chain,
                              struct nw_classes *ids) {
  const struct nw_line *line = nw_image_line(image, header->protocol_base + ((query->protocol & 255) >> 3));
  const struct nw_protocol *protocol;

  if (!line) return 0;
  protocol = (const struct nw_protocol *)line + (query->protocol & 7);
  ids->l4 = nw_walk_port(image, protocol->l4, query->destination_port & 0xffff);
  ids->source_port = nw_walk_port(image, protocol->source_port, query->source_port & 0xffff);
  ids->source = ids->destination = 0;
  if (nw_walk_needs(header, chain) & NW_NEEDS_SOURCE)
    ids->source = query->is_v4 ? nw_walk_v4(image, header, (__u32)query->source_low)
                               : nw_walk_v6(image, header, query->source_high, query->source_low);
  if (nw_walk_needs(header, chain) & NW_NEEDS_DESTINATION)
    ids->destination = query->is_v4 ? nw_walk_v4(image, header, (__u32)query->destination_low)
                                    : nw_walk_v6(image, header, query->destination_high, query->destination_low);
  return ids->l4 != NW_WALK_FAULT && ids->source_port != NW_WALK_FAULT && ids->source != NW_WALK_FAULT &&
         ids->destination != NW_WALK_FAULT;
}

/* The header of a sound image, or null. */
NW_INLINE const struct nw_image_header *nw_walk_header(nw_image image) {
  const struct nw_image_header *header = (const struct nw_image_header *)nw_image_line(image, 0);
  return header && header->magic == NW_MAGIC && header->version == NW_IMAGE_VERSION ? header : 0;
}

/* What a chain says to answer->classes. A chain that the endpoint does not have says NW_NEXT; one that it must have is a fault. */
NW_INLINE void nw_walk_chain(nw_image image, const struct nw_image_header *header, __u32 slot, __u32 variant, __u32 chain,
                             struct nw_answer *answer) {
  const struct nw_image_endpoint *endpoint;
  const struct nw_image_rule *rule;
  const struct nw_line *line;
  __u32 entry, place, i;

  nw_answer_fault(answer, NW_REASON_FAULT_ENDPOINT);
  if (slot >= header->endpoint_slots) return;
  entry = nw_slot_entry(slot, variant & (NW_VARIANTS - 1), chain & (NW_CHAINS - 1));
  line = nw_image_line(image, header->endpoint_base + (entry >> 2));
  if (!line) return;
  place = entry & 3;
  NW_HIDE(place); /* verifier: Linux 6.1 loses the bounds where the compiler masks the parts of a sum first and joins them by "or" */
  endpoint = (const struct nw_image_endpoint *)line + (place & 3);
  if (endpoint->default_rule == NW_SLOT_UNUSED) {
    if (chain <= NW_CHAIN_EGRESS && variant == NW_VARIANT_ENFORCED) return;
    answer->rule = NW_NO_MATCH;
    answer->verdict = NW_NEXT;
    answer->reason = NW_REASON_NONE;
    return;
  }

  answer->reason = NW_REASON_FAULT_IMAGE;
  answer->rule = endpoint->default_rule;
  for (i = 0; i < 3; i++) {
    __u32 leaf = nw_walk_diagram(image, endpoint->roots[i], &answer->classes);
    if (leaf == NW_WALK_FAULT) {
      nw_answer_fault(answer, NW_REASON_FAULT_IMAGE);
      return;
    }
    if (leaf < answer->rule) answer->rule = leaf;
    __asm__ volatile("" ::: "memory"); /* verifier: one state instead of one for each leaf */
  }

  line = answer->rule < header->rule_count ? nw_image_line(image, header->rule_base + (answer->rule >> 3)) : 0;
  if (!line) {
    nw_answer_fault(answer, NW_REASON_FAULT_IMAGE);
    return;
  }
  rule = (const struct nw_image_rule *)line + (answer->rule & 7);
  answer->verdict = rule->verdict;
  answer->reason = rule->reason;
  answer->counter = rule->counter;
  answer->staged = rule->staged;
}

/* The classifier: a packet's query -> the rule that decides in one chain. */
NW_INLINE void nw_walk(nw_image image, const struct nw_query *query, struct nw_answer *answer) {
  const struct nw_image_header *header = nw_walk_header(image);

  nw_answer_fault(answer, NW_REASON_FAULT_IMAGE);
  if (!header || !nw_walk_classes(image, header, query, query->chain, &answer->classes)) return;
  /* verifier: from here on the classes are what memory holds, one state instead of one for each way they were found. */
  __asm__ volatile("" ::: "memory");
  nw_walk_chain(image, header, query->slot, query->variant, query->chain, answer);
}

#endif
