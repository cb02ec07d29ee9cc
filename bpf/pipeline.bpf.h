/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The stages in order; the only place that knows the order.
 *
 *   endpoint -> link, network -> local? -> transport -> failsafe -> ICMP error -> conntrack -> classify -> verdict
 *
 * judge() answers NW_ALLOW or NW_DENY. Whatever fails inside is a fault_* reason and denies. */
#ifndef NW_PIPELINE_BPF_H
#define NW_PIPELINE_BPF_H

#include "classify.bpf.h"
#include "conntrack.bpf.h"
#include "failsafe.bpf.h"
#include "verdict.bpf.h"

static __always_inline int address_is_local(const struct nw_addr *address, __u32 is_v4) {
  /* Multicast and broadcast; and all of 127.0.0.0/8, whichever part of it the interface has. */
  if (is_v4 ? address->bytes[12] >> 4 == 14 || address->bytes[12] == 127 || addr_v4(address) == 0xffffffff : address->bytes[0] == 0xff) return 1;
  return bpf_map_lookup_elem(&nw_local, address) != 0;
}

/* The host is an end of it: the rest is forwarded traffic. */
static __always_inline int packet_is_local(void *ctx, __u32 is_xdp, const struct packet *packet) {
  if (packet->direction == NW_INGRESS) return address_is_local(&packet->destination, packet->is_v4);
  return is_xdp || ((struct __sk_buff *)ctx)->ingress_ifindex == 0;
}

/* An ICMP error passes if the packet it quotes is of a flow that was allowed and came from whom the error goes to; and, on
 * its way out, if it is about traffic that this host only forwards. */
static __noinline __u32 icmp_error(void *ctx, __u32 is_xdp, const struct packet *packet, const struct nw_settings *settings) {
  struct packet quoted = {};

  quoted.is_v4 = packet->is_v4;
  quoted.network_offset = packet->transport_offset + 8;
  quoted.length = packet->end;
  quoted.segments = 1;
  quoted.direction = !packet->direction;
  if (quoted.network_offset > MAX_OFFSET) return NW_REASON_ICMP_UNRELATED;
  if (packet_network(ctx, is_xdp, &quoted, 1) || !addr_equal(&quoted.source, &packet->destination))
    return NW_REASON_ICMP_UNRELATED;
  if (packet->direction == NW_EGRESS && !address_is_local(&quoted.destination, quoted.is_v4)) return NW_REASON_FORWARDED;
  if (packet_transport(ctx, is_xdp, &quoted, 1) || quoted.later_fragment) return NW_REASON_ICMP_UNRELATED;
  return conntrack_quoted(&quoted, settings) ? NW_REASON_RELATED : NW_REASON_ICMP_UNRELATED;
}

/* Conntrack and policy. Fills the answer: verdict, reason and counter. */
NW_GLOBAL int judge_flow(const struct packet *packet, const struct nw_settings *settings, __u32 slot,
                                 struct nw_answer *answer) {
  __u32 allowed;
  int state;

  if (!packet || !settings || !answer) return 0;
  state = conntrack_lookup(packet, settings);

  answer->verdict = NW_ALLOW;
  answer->reason = NW_REASON_ESTABLISHED;
  answer->counter = NW_NO_RULE;
  if (state == CT_KNOWN) return 0;
  if (failsafe_match(packet, state == CT_REJUDGE_REPLY)) {
    answer->reason = NW_REASON_FAILSAFE;
    if (state == CT_NEW)
      conntrack_open(packet, settings, NW_CT_FAILSAFE, NW_NO_RULE);
    else
      conntrack_rejudged(packet, 1, NW_NO_RULE);
    return 0;
  }
  classify(packet, slot, state == CT_REJUDGE_REPLY, answer);
  allowed = verdict_of(answer) == NW_ALLOW;
  if (state == CT_NEW) {
    if (allowed) conntrack_open(packet, settings, 0, answer->counter);
    return 0;
  }
  conntrack_rejudged(packet, allowed, answer->counter);
  if (allowed) {
    answer->reason = NW_REASON_ESTABLISHED;
    answer->counter = NW_NO_RULE;
  }
  return 0;
}

static __always_inline void judge_local(void *ctx, __u32 is_xdp, struct packet *packet, __u32 slot, struct nw_answer *answer) {
  const struct nw_settings *settings;
  __u32 zero = 0;

  answer->reason = packet_transport(ctx, is_xdp, packet, 0);
  if (answer->reason) return;
  if (packet->later_fragment) {
    answer->reason = fragment_later(packet);
    return;
  }
  answer->reason = packet_neighbour(packet);
  if (answer->reason) return;
  settings = bpf_map_lookup_elem(&nw_settings, &zero);
  if (!settings) { /* cannot be: arrays have all their entries */
    answer->reason = NW_REASON_FAULT_MAP;
    return;
  }
  if (packet->is_icmp_error)
    answer->reason = icmp_error(ctx, is_xdp, packet, settings);
  else
    judge_flow(packet, settings, slot, answer);
  if (packet->first_fragment) fragment_first(packet, verdict_of(answer) == NW_ALLOW);
}

static __always_inline void track_masqueraded(void *ctx, __u32 is_xdp, struct packet *packet) {
  __u32 zero = 0;
  const struct nw_settings *settings = bpf_map_lookup_elem(&nw_settings, &zero);

  if (settings && !packet_transport(ctx, is_xdp, packet, 0)) conntrack_masqueraded(packet, settings);
}

static __always_inline int judge(void *ctx, __u32 is_xdp, __u32 ifindex, __u32 direction) {
  const struct nw_interface *interface = bpf_map_lookup_elem(&nw_interface, &ifindex);
  struct nw_answer answer = {.verdict = NW_DENY, .counter = NW_NO_RULE};
  struct packet packet = {};

  if (!interface) return NW_ALLOW; /* NW_REASON_NO_ENDPOINT: there is no block of counters */
  packet.ifindex = ifindex;
  packet.direction = direction;
  packet.length = frame_length(ctx, is_xdp);
  packet.segments = frame_segments(ctx, is_xdp);
  answer.reason = packet_link(ctx, is_xdp, interface->flags & NW_INTERFACE_L3, &packet);
  if (!answer.reason) answer.reason = packet_network(ctx, is_xdp, &packet, 0);
  if (!answer.reason && direction == NW_INGRESS && !(interface->flags & NW_INTERFACE_LOOPBACK))
    answer.reason = packet_martian(&packet);
  if (!answer.reason && !packet_is_local(ctx, is_xdp, &packet)) {
    answer.reason = NW_REASON_FORWARDED;
    if (direction == NW_EGRESS && address_is_local(&packet.source, packet.is_v4)) track_masqueraded(ctx, is_xdp, &packet);
  }
  if (!answer.reason) judge_local(ctx, is_xdp, &packet, interface->endpoint, &answer);
  verdict_count(&packet, interface->counter, &answer);
  return verdict_of(&answer);
}

#endif
