/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 4: the policy image decides (maps/policy.h, maps/policy_walk.h), chain after chain.
 *
 * ask_policy() asks the chains of a packet's way until one decides; then the variants of the same chains: whether a Log rule came before,
 * and what the staged policies would do. */
#ifndef NW_CLASSIFY_BPF_H
#define NW_CLASSIFY_BPF_H

#include "image.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

#define NO_CHAIN 15U

struct judgement {
  struct nw_answer answer; /* what decides */
  __u32 decided;           /* the chain that did, NO_CHAIN */
  __u32 present;           /* 1 << chain: asked, and the endpoint has it */
  __u32 logged;            /* 1 << chain: a Log rule of it comes before what decided it */
  __u32 staged;            /* verdict with the staged policies, NW_NEXT: not asked */
  __u32 staged_decided;    /* the chain that would decide */
  __u32 staged_counter;    /* rule counter slot of the staged rule that would, NW_NO_COUNTER */
  __u32 chains;            /* the image's: see struct nw_image_header */
};

/* What one packet and its interface bring along. */
struct scene {
  struct nw_live live; /* the policy that all of the packet's way goes by */
  __u32 slot;
  __u32 interface_flags;
  __u32 untracked; /* the untracked chain has its say */
};

static __always_inline void query_address(const struct nw_addr *address, __u64 *high, __u64 *low, __u32 is_v4) {
  const __u64 *words = (const __u64 *)address->bytes;

  *high = is_v4 ? 0 : bpf_be64_to_cpu(words[0]);
  *low = is_v4 ? addr_v4(address) : bpf_be64_to_cpu(words[1]);
}

static __always_inline void query_of(const struct packet *packet, __u32 reversed, struct nw_query *query) {
  query->is_v4 = packet->is_v4;
  query->protocol = packet->protocol;
  if (reversed) {
    query_address(&packet->destination, &query->source_high, &query->source_low, packet->is_v4);
    query_address(&packet->source, &query->destination_high, &query->destination_low, packet->is_v4);
    query->source_port = bpf_ntohs(packet->destination_port_be);
    query->destination_port = bpf_ntohs(packet->source_port_be);
  } else {
    query_address(&packet->source, &query->source_high, &query->source_low, packet->is_v4);
    query_address(&packet->destination, &query->destination_high, &query->destination_low, packet->is_v4);
    query->source_port = bpf_ntohs(packet->source_port_be);
    query->destination_port = bpf_ntohs(packet->destination_port_be);
  }
  if (packet_is_icmp(packet)) {
    /* A tracked ICMP flow is an echo, begun by a request. */
    query->source_port = 0;
    query->destination_port = reversed ? icmp_echo_request(packet->is_v4) << 8 : packet->icmp_type << 8 | packet->icmp_code;
  }
}

/* An image may give these reasons and verdicts only; some others would allow. */
static __always_inline int answer_is_sound(const struct nw_answer *answer, __u32 chain) {
  if (answer->rule == NW_WALK_FAULT) return 1; /* names itself, and denies */
  if (answer->verdict == NW_NEXT)
    return answer->reason == NW_REASON_NONE && (chain > NW_CHAIN_EGRESS || answer->rule == NW_NO_MATCH);
  if (answer->verdict == NW_LOG) return answer->reason == NW_REASON_NONE; /* only a LOG variant is asked for it */
  if (answer->reason == NW_REASON_FORWARDED) return chain == NW_CHAIN_FORWARD_INGRESS || chain == NW_CHAIN_FORWARD_EGRESS;
  return answer->reason >= NW_REASON_POLICY && answer->reason <= NW_REASON_NO_PROFILE;
}

/* The way of a packet: chains in the order in which they are asked, four bits each, the first in the lowest; NO_CHAIN ends it. */
static __always_inline __u32 way_of(__u32 direction, __u32 forwarded, __u32 interface_flags, __u32 untracked) {
  __u32 way = NO_CHAIN << 4 | ((forwarded ? NW_CHAIN_FORWARD_INGRESS : NW_CHAIN_INGRESS) + direction);

  if (direction == NW_INGRESS && (interface_flags & NW_INTERFACE_FORWARD)) way = way << 4 | NW_CHAIN_PRE_DNAT;
  return untracked ? way << 4 | (NW_CHAIN_UNTRACKED_INGRESS + direction) : way;
}

#define MAX_WAY 3

/* A way ends in a decision: what no forward chain is there for is open. */
static __always_inline void answer_at_end(struct nw_answer *answer) {
  answer->verdict = NW_ALLOW;
  answer->reason = NW_REASON_FORWARDED;
  answer->counter = NW_NO_COUNTER;
}

static __always_inline void walk_chain(nw_image image, const struct nw_image_header *header, __u32 slot, __u32 variant, __u32 chain,
                                       struct nw_answer *answer) {
  nw_walk_chain(image, header, slot, variant, chain, answer);
  if (!answer_is_sound(answer, chain)) nw_answer_fault(answer, NW_REASON_FAULT_IMAGE);
}

/* The enforced chains of the packet, or with `reversed` of the first packet of the flow that this packet answers. */
NW_GLOBAL int classify(const struct packet *packet, const struct scene *scene, __u32 way, __u32 reversed, struct judgement *judgement) {
  const struct nw_image_header *header;
  struct nw_query query = {};
  nw_image image;
  __u32 i;

  if (!packet || !scene || !judgement) return 0;
  nw_answer_fault(&judgement->answer, NW_REASON_FAULT_IMAGE);
  judgement->decided = way & 15;
  judgement->present = 1U << (way & 15);
  judgement->chains = 0;
  image = image_of(scene->live.bank);
  header = nw_walk_header(image);
  if (!header) return 0;
  query_of(packet, reversed, &query);
  if (!nw_walk_classes(image, header, &query, way & 15, &judgement->answer.classes)) return 0;
  judgement->chains = header->chains;
  judgement->present = 0;
  for (i = 0; i < MAX_WAY; i++, way >>= 4) {
    __u32 chain = way & 15;

    if (chain == NO_CHAIN) break;
    /* verifier: from here on the classes are what memory holds, one state instead of one for each way they were found. */
    __asm__ volatile("" ::: "memory");
    walk_chain(image, header, scene->slot, NW_VARIANT_ENFORCED, chain, &judgement->answer);
    if (judgement->answer.rule != NW_NO_MATCH) judgement->present |= 1U << chain;
    judgement->decided = chain;
    if (judgement->answer.verdict != NW_NEXT) return 0;
  }
  judgement->decided = NO_CHAIN;
  answer_at_end(&judgement->answer);
  return 0;
}

/* Another chain or variant for the same packet. */
NW_GLOBAL int classify_more(const struct scene *scene, __u32 variant, __u32 chain, struct judgement *judgement) {
  const struct nw_image_header *header;
  nw_image image;

  if (!scene || !judgement) return 0;
  nw_answer_fault(&judgement->answer, NW_REASON_FAULT_IMAGE);
  image = image_of(scene->live.bank);
  header = nw_walk_header(image);
  if (!header) return 0;
  walk_chain(image, header, scene->slot, variant, chain, &judgement->answer);
  return 0;
}

/* Log rules before what decided, in every chain that was asked. Uses judgement->answer up. */
static __always_inline void ask_log(const struct scene *scene, __u32 way, struct judgement *judgement) {
  __u32 i;

  for (i = 0; i < MAX_WAY; i++, way >>= 4) {
    __u32 chain = way & 15;

    if (chain == NO_CHAIN) return;
    if (judgement->chains & nw_chain_bit(NW_VARIANT_LOG, chain & (NW_CHAINS - 1))) {
      classify_more(scene, NW_VARIANT_LOG, chain, judgement);
      if (judgement->answer.verdict == NW_LOG) judgement->logged |= 1U << chain;
    }
    if (chain == judgement->decided) return;
  }
}

/* The same way, with the staged variant of each chain that has one. Uses judgement->answer up. */
static __always_inline void ask_staged(const struct scene *scene, __u32 way, struct judgement *judgement) {
  __u32 i, is_staged = 0, decided = NO_CHAIN;

  for (i = 0; i < MAX_WAY; i++, way >>= 4) {
    __u32 chain = way & 15;

    if (chain == NO_CHAIN) break;
    classify_more(scene, NW_VARIANT_STAGED, chain, judgement);
    if (judgement->answer.rule == NW_NO_MATCH)
      classify_more(scene, NW_VARIANT_ENFORCED, chain, judgement);
    else
      is_staged = 1;
    if (judgement->answer.verdict == NW_NEXT) continue;
    decided = chain;
    break;
  }
  if (!is_staged) return;
  if (decided == NO_CHAIN) answer_at_end(&judgement->answer);
  judgement->staged = judgement->answer.verdict == NW_ALLOW ? NW_ALLOW : NW_DENY;
  judgement->staged_decided = decided;
  judgement->staged_counter = judgement->answer.staged ? judgement->answer.counter : NW_NO_COUNTER;
}

#define CHAIN_BITS(variant) (((1U << NW_CHAINS) - 1) << ((variant) * NW_CHAINS))

NW_GLOBAL int ask_beside(const struct scene *scene, __u32 way, struct judgement *judgement) {
  struct nw_answer enforced;

  if (!scene || !judgement) return 0;
  enforced = judgement->answer;
  judgement->logged = 0;
  judgement->staged = NW_NEXT;
  judgement->staged_counter = NW_NO_COUNTER;
  if (judgement->chains & CHAIN_BITS(NW_VARIANT_LOG)) ask_log(scene, way, judgement);
  if (judgement->chains & CHAIN_BITS(NW_VARIANT_STAGED)) ask_staged(scene, way, judgement);
  judgement->answer = enforced;
  return 0;
}

static __always_inline void ask_policy(const struct packet *packet, const struct scene *scene, __u32 way, __u32 reversed,
                                       struct judgement *judgement) {
  classify(packet, scene, way, reversed, judgement);
  if (judgement->chains & ~CHAIN_BITS(NW_VARIANT_ENFORCED)) ask_beside(scene, way, judgement);
}

#endif
