/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* nw_events:      RINGBUF of struct nw_event: packets that a Log rule matched. A full ring buffer or the rate limit
 *                 (nw_settings.log_interval_ns) costs the event, never the packet.
 * nw_event_state: a variable, struct nw_event_state. */
#ifndef NW_EVENTS_H
#define NW_EVENTS_H

#include "types.h"

#define NW_EVENTS_BYTES (1U << 18) /* of the ring buffer; some 2,000 events */

struct nw_event {
  __u64 time_ns; /* CLOCK_MONOTONIC */
  struct nw_addr source;
  struct nw_addr destination;
  __u32 ifindex;
  __u32 direction; /* NW_INGRESS, NW_EGRESS */
  __u32 verdict;   /* NW_DENY, NW_ALLOW: what became of the packet */
  __u32 reason;    /* NW_REASON_* */
  __u32 counter;   /* rule counter slot of the rule that decided, 0xffffffff if none */
  __u32 generation; /* of the policy that logged it */
  __u32 length;    /* bytes of the frame */
  __u16 source_port_be; /* ICMP echo: the identifier, in both */
  __u16 destination_port_be;
  __u8 protocol;
  __u8 icmp_type;
  __u8 icmp_code;
  __u8 tcp_flags;
  __u8 forwarded; /* 1: judged as forwarded traffic */
  __u8 chain;     /* NW_CHAIN_* whose Log rule it was; the last one if several */
  __u8 pad[2];
};
NW_ASSERT_SIZE(struct nw_event, 80);

struct nw_event_state {
  __u64 next_ns;    /* limiter: when the next event would come if events came evenly (GCRA's theoretical arrival time) */
  __u64 suppressed; /* events that the rate limit kept back */
  __u64 lost;       /* events for which the ring buffer had no room */
};
NW_ASSERT_SIZE(struct nw_event_state, 24);

#endif
