/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Counts lie in parts, so that a processor has memory for those that are in use only: nw_counter and nw_rule_counter are ARRAY_OF_MAPS of
 * PERCPU_ARRAYs of NW_PART_COUNTS struct nw_count; count i is value i % NW_PART_COUNTS of entry i / NW_PART_COUNTS. Entries are there from
 * the first one on, as many as are in use.
 *
 * nw_counter:      packets by interface, direction and reason: count nw_counter_index(interface.counter, direction, reason).
 * nw_rule_counter: packets that a rule decided (first packets of flows; later ones are `established`): count of the rule's slot.
 * nw_ct_counter:   PERCPU_ARRAY of __u64 by NW_CT_COUNT_*. */
#ifndef NW_COUNTERS_H
#define NW_COUNTERS_H

#include "verdict.h"

struct nw_count {
  __u64 packets; /* a GSO/GRO packet counts as its segments */
  __u64 bytes;
};
NW_ASSERT_SIZE(struct nw_count, 16);

/* First packets that the staged policies would judge otherwise, beside the reasons in nw_counter. */
#define NW_COUNT_STAGED_DENY 62U  /* allowed, and would be denied */
#define NW_COUNT_STAGED_ALLOW 63U /* denied, and would be allowed */

static inline __u32 nw_counter_index(__u32 interface_counter, __u32 direction, __u32 reason) {
  return (interface_counter * NW_DIRECTIONS + direction) * NW_REASON_SLOTS + reason;
}

#define NW_PART_COUNTS 2048U /* 16 interfaces */

#define NW_CT_COUNT_FULL 0      /* nw_ct had no room: the flow stayed unconfirmed */
#define NW_CT_COUNT_CREATED 1   /* entries made */
#define NW_CT_COUNT_CONFIRMED 2 /* entries moved to nw_ct */
#define NW_CT_COUNT_REJUDGED 3  /* flows asked again after a policy change */
#define NW_CT_COUNT_REVOKED 4   /* of those, flows that are denied from then on */
#define NW_CT_COUNT_EVICTED 5   /* unconfirmed flows that newer ones pushed out */
#define NW_CT_COUNTS 8

/* nw_recorded: a variable, written only by programs loaded for test runs. */
struct nw_recorded {
  __u32 reason;  /* NW_REASON_* */
  __u32 verdict; /* NW_DENY, NW_ALLOW */
  __u32 counter; /* rule counter slot, 0xffffffff if no rule decided */
  __u32 logged;  /* 1: a Log rule matched before what decided */
  __u32 staged;  /* verdict with the staged policies: NW_DENY, NW_ALLOW; NW_NEXT if they were not asked */
  __u32 staged_counter; /* rule counter slot of the staged rule that would decide, 0xffffffff if none */
};
NW_ASSERT_SIZE(struct nw_recorded, 24);

#endif
