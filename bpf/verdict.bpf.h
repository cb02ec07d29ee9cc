/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 5: what a reason means, and counting it. */
#ifndef NW_VERDICT_BPF_H
#define NW_VERDICT_BPF_H

#include "maps.bpf.h"
#include "packet.bpf.h"
#include "classify.bpf.h"

/* Reasons of policy carry their verdict in the answer; the others mean one thing always. */
static __always_inline __u32 verdict_of(const struct nw_answer *answer) {
  switch (answer->reason) {
    case NW_REASON_POLICY:
    case NW_REASON_PROFILE:
      return answer->verdict;
    case NW_REASON_FAILSAFE:
    case NW_REASON_ESTABLISHED:
    case NW_REASON_RELATED:
    case NW_REASON_FORWARDED:
    case NW_REASON_NOT_IP:
    case NW_REASON_NEIGHBOUR:
      return NW_ALLOW;
  }
  return NW_DENY;
}

static __always_inline void verdict_record(const struct judgement *judgement) {
  __u32 zero = 0;
  struct nw_recorded *recorded = bpf_map_lookup_elem(&nw_recorded, &zero);

  if (!recorded) return;
  recorded->reason = judgement->answer.reason;
  recorded->verdict = verdict_of(&judgement->answer);
  recorded->counter = judgement->answer.counter;
  recorded->logged = judgement->logged != 0;
  recorded->staged = judgement->staged;
  recorded->staged_counter = judgement->staged_counter;
}

static __always_inline void count_add(struct nw_count *count, const struct packet *packet) {
  if (!count) return;
  count->packets += packet->segments;
  count->bytes += packet->length;
}

/* Where a look-up can only be in an inner map, Linux 6.10 and later replace it by code with the size of the map that the verifier was
 * shown, which has one entry: the others would not be found. So there is a second map that it could be in, and never is. */
static __always_inline void count_rule(const struct packet *packet, __u32 counter) {
  __u32 zero = 0;
  void *rules = bpf_map_lookup_elem(&nw_rule_counter, &zero);

  if (!rules) return;
  if (counter >= NW_MAX_RULE_COUNTERS) {
    rules = &nw_counter;
    counter = 0;
  }
  asm volatile("" : "+r"(rules)); /* one look-up for both, not one each */
  count_add(bpf_map_lookup_elem(rules, &counter), packet);
}

/* Staged policies count by their rules, and where they would change the verdict. */
static __always_inline void count_staged(const struct packet *packet, __u32 interface_counter, const struct judgement *judgement) {
  __u32 index;

  if (judgement->staged_counter != NW_NO_RULE) count_rule(packet, judgement->staged_counter);
  if (judgement->staged == verdict_of(&judgement->answer)) return;
  index = nw_counter_index(interface_counter, packet->direction & 1,
                           judgement->staged == NW_ALLOW ? NW_COUNT_STAGED_ALLOW : NW_COUNT_STAGED_DENY);
  count_add(bpf_map_lookup_elem(&nw_counter, &index), packet);
}

NW_GLOBAL int verdict_count(const struct packet *packet, __u32 interface_counter, const struct judgement *judgement) {
  __u32 index;

  if (!packet || !judgement) return 0;
  if (nw_record) verdict_record(judgement);
  index = nw_counter_index(interface_counter, packet->direction & 1, judgement->answer.reason & (NW_REASON_SLOTS - 1));
  count_add(bpf_map_lookup_elem(&nw_counter, &index), packet);
  if (judgement->answer.counter != NW_NO_RULE) count_rule(packet, judgement->answer.counter);
  if (judgement->staged != NW_NEXT) count_staged(packet, interface_counter, judgement);
  return 0;
}

#endif
