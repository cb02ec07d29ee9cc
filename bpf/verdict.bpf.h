/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 5: what a reason means, and counting it. */
#ifndef NW_VERDICT_BPF_H
#define NW_VERDICT_BPF_H

#include "maps.bpf.h"
#include "packet.bpf.h"
#include "policy_walk.h"

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

static __always_inline void verdict_record(const struct nw_answer *answer) {
  __u32 zero = 0;
  struct nw_recorded *recorded = bpf_map_lookup_elem(&nw_recorded, &zero);

  if (!recorded) return;
  recorded->reason = answer->reason;
  recorded->verdict = verdict_of(answer);
  recorded->counter = answer->counter;
}

static __always_inline void count_add(struct nw_count *count, const struct packet *packet) {
  if (!count) return;
  count->packets += packet->segments;
  count->bytes += packet->length;
}

NW_GLOBAL int verdict_count(const struct packet *packet, __u32 interface_counter, const struct nw_answer *answer) {
  __u32 index, zero = 0;
  void *rules;

  if (!packet || !answer) return 0;
  if (nw_record) verdict_record(answer);
  index = nw_counter_index(interface_counter, packet->direction & 1, answer->reason & (NW_REASON_SLOTS - 1));
  count_add(bpf_map_lookup_elem(&nw_counter, &index), packet);
  if (answer->counter == NW_NO_RULE) return 0;
  rules = bpf_map_lookup_elem(&nw_rule_counter, &zero);
  if (!rules) return 0;
  index = answer->counter;
  count_add(bpf_map_lookup_elem(rules, &index), packet);
  return 0;
}

#endif
