/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 5: what a reason means, and counting it. */
#ifndef NW_VERDICT_BPF_H
#define NW_VERDICT_BPF_H

#include "maps.bpf.h"
#include "packet.bpf.h"
#include "classify.bpf.h"

#define REASON_BIT(reason) (1U << NW_REASON_##reason)
#define REASONS_THAT_ALLOW                                                                                                  \
  (REASON_BIT(FAILSAFE) | REASON_BIT(ESTABLISHED) | REASON_BIT(RELATED) | REASON_BIT(FORWARDED) | REASON_BIT(NOT_IP) | \
   REASON_BIT(NEIGHBOUR))
_Static_assert(NW_REASON_COUNT <= 32, "reasons fit a word of bits");

/* Reasons of policy carry their verdict in the answer; the others mean one thing always. */
static __always_inline __u32 verdict_of(const struct nw_answer *answer) {
  __u32 bit = 1U << (answer->reason & 31);

  if (bit & (REASON_BIT(POLICY) | REASON_BIT(PROFILE))) return answer->verdict;
  return bit & REASONS_THAT_ALLOW ? NW_ALLOW : NW_DENY;
}

static __always_inline void verdict_record(const struct judgement *judgement) {
  nw_recorded.reason = judgement->answer.reason;
  nw_recorded.verdict = verdict_of(&judgement->answer);
  nw_recorded.counter = judgement->answer.counter;
  nw_recorded.logged = judgement->logged != 0;
  nw_recorded.staged = judgement->staged;
  nw_recorded.staged_counter = judgement->staged_counter;
}

static __always_inline void count_add(struct nw_count *count, const struct packet *packet) {
  if (!count) return;
  count->packets += packet->segments;
  count->bytes += packet->length;
}

/* A count of a map that lies in parts. NW_NO_COUNTER is in none. */
static __always_inline void count_in(void *parts, __u32 index, const struct packet *packet) {
  __u32 entry = index / NW_PART_COUNTS, place = index % NW_PART_COUNTS;
  void *part = bpf_map_lookup_elem(parts, &entry);

  if (part) count_add(bpf_map_lookup_elem(part, &place), packet);
}

/* Staged policies count by their rules, and where they would change the verdict. */
NW_GLOBAL int count_staged(const struct packet *packet, __u32 interface_counter, const struct judgement *judgement) {
  __u32 index;

  if (!packet || !judgement) return 0;
  count_in(&nw_rule_counter, judgement->staged_counter, packet);
  if (judgement->staged == verdict_of(&judgement->answer)) return 0;
  index = nw_counter_index(interface_counter, packet->direction & 1,
                           judgement->staged == NW_ALLOW ? NW_COUNT_STAGED_ALLOW : NW_COUNT_STAGED_DENY);
  count_in(&nw_counter, index, packet);
  return 0;
}

static __always_inline void verdict_count(const struct packet *packet, __u32 interface_counter, const struct judgement *judgement) {
  __u32 index;

  if (nw_record) verdict_record(judgement);
  index = nw_counter_index(interface_counter, packet->direction & 1, judgement->answer.reason & (NW_REASON_SLOTS - 1));
  count_in(&nw_counter, index, packet);
  if (judgement->answer.counter != NW_NO_COUNTER) count_in(&nw_rule_counter, judgement->answer.counter, packet);
  if (judgement->staged != NW_NEXT) count_staged(packet, interface_counter, judgement);
}

#endif
