/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The event of a packet that a Log rule matched (maps/events.h). Nothing here waits: an event that finds no room, or comes too early
 * for the rate limit, or meets another CPU at the limiter is left out and counted. */
#ifndef NW_LOG_BPF_H
#define NW_LOG_BPF_H

#include "verdict.bpf.h"

/* Generic cell rate algorithm: `next_ns` runs ahead of the clock by an interval for each event, by log_burst of them at most. */
static __always_inline int log_is_due(__u64 now) {
  __u64 interval = nw_settings.log_interval_ns, ahead, next, seen;

  if (!interval) return 1;
  seen = *(volatile __u64 *)&nw_event_state.next_ns;
  next = (seen > now ? seen : now) + interval;
  ahead = nw_settings.log_burst ? nw_settings.log_burst * interval : interval;
  if (next - now > ahead) return 0;
  return __sync_val_compare_and_swap(&nw_event_state.next_ns, seen, next) == seen;
}

static __always_inline void log_fill(struct nw_event *event, const struct packet *packet, const struct scene *scene,
                                     const struct judgement *judgement) {
  __u32 chain;

  event->source = packet->source;
  event->destination = packet->destination;
  event->ifindex = packet->ifindex;
  event->direction = packet->direction;
  event->verdict = verdict_of(&judgement->answer);
  event->reason = judgement->answer.reason;
  event->counter = judgement->answer.counter;
  event->generation = scene->live.generation;
  event->length = packet->length;
  event->source_port_be = packet->source_port_be;
  event->destination_port_be = packet->destination_port_be;
  event->protocol = packet->protocol;
  event->icmp_type = packet->icmp_type;
  event->icmp_code = packet->icmp_code;
  event->tcp_flags = packet->tcp_flags;
  event->forwarded = packet->forwarded;
  event->chain = 0;
  for (chain = 0; chain < NW_CHAINS; chain++)
    if (judgement->logged & (1U << chain)) event->chain = chain;
  event->pad[0] = event->pad[1] = 0;
}

NW_GLOBAL int log_packet(const struct packet *packet, const struct scene *scene, const struct judgement *judgement) {
  struct nw_event event;

  if (!packet || !scene || !judgement) return 0;
  event.time_ns = bpf_ktime_get_ns();
  if (!log_is_due(event.time_ns)) {
    __sync_fetch_and_add(&nw_event_state.suppressed, 1);
    return 0;
  }
  log_fill(&event, packet, scene, judgement);
  if (bpf_ringbuf_output(&nw_events, &event, sizeof(event), 0)) __sync_fetch_and_add(&nw_event_state.lost, 1);
  return 0;
}

#endif
