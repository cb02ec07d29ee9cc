/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The stages in order; the only place that knows the order.
 *
 *   endpoint -> link, network -> local or forwarded? -> transport -> untracked policy -> ICMP error -> conntrack -> failsafe
 *     -> preDNAT policy -> the host's own policy, or that of forwarded traffic -> verdict
 *
 * judge() answers NW_ALLOW or NW_DENY. Whatever fails inside is a fault_* reason and denies. */
#ifndef NW_PIPELINE_BPF_H
#define NW_PIPELINE_BPF_H

#include "classify.bpf.h"
#include "conntrack.bpf.h"
#include "failsafe.bpf.h"
#include "log.bpf.h"
#include "transport.bpf.h"
#include "verdict.bpf.h"

/* verifier: it knows nothing of what is in a map, so the ways to one place are one state there. On the stack it would tell them apart by
 * what each has left in the packet: more than a million instructions, and more than 512 bytes. Programs of these hooks do not interrupt
 * each other on a CPU: all run with bottom halves off. Should a kernel come where they do (PREEMPT_RT goes that way), the second one finds
 * the first one's mark and drops its packet. */
struct scratch {
  __u32 busy;
  struct packet packet;
  struct packet quoted; /* of an ICMP error */
  struct judgement judgement;
  struct scene scene;
  __u32 openings; /* of packets before: up by one for each flow that policy let begin, down for each that it did not */
};

#define MOST_OPENINGS 3U
#define EXPECTS_OPENING 2U

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct scratch);
} nw_scratch SEC(".maps");

/* What nw_local says of an address; 0: nothing. `address` on the stack: Linux 6.1 takes no other keys. */
static __always_inline __u32 local_entry(const struct nw_addr *address) {
  __u32 line = nw_local_line(address);
  const struct nw_cached_local *cached = &nw_local_cache[line & (NW_CACHE_LINES - 1)];
  __u32 seen = *(const volatile __u32 *)&cached->flags;
  const __u32 *flags;

  if ((seen & NW_LOCAL_KINDS) && addr_equal(&cached->address, address)) return seen & NW_LOCAL_KINDS;
  if (seen & NW_LOCAL_WHOLE) return 0;
  flags = bpf_map_lookup_elem(&nw_local, address);
  if (!flags) return 0;
  return *flags ? *flags : NW_LOCAL_BROADCAST;
}

/* NW_LOCAL_* of an address of the host, or of one that speaks to every host; else 0. */
static __always_inline __u32 address_local(const struct nw_addr *address, __u32 is_v4) {
  __u32 local;

  if (is_v4 ? address->bytes[12] >> 4 == 14 || addr_v4(address) == 0xffffffff : address->bytes[0] == 0xff) return NW_LOCAL_BROADCAST;
  local = local_entry(address);
  if (local) return local;
  /* All of 127.0.0.0/8, whichever part of it the interface has. */
  return is_v4 && address->bytes[12] == 127 ? NW_LOCAL_ADDRESS : 0;
}

/* Who the ends are. */
static __always_inline void packet_ends(void *ctx, __u32 is_xdp, struct packet *packet) {
  if (packet->direction == NW_INGRESS) {
    __u32 local = address_local(&packet->destination, packet->is_v4);

    packet->near_is_host = local != 0;
    packet->near_is_one = !!(local & NW_LOCAL_ADDRESS);
    packet->forwarded = !local || (local & NW_LOCAL_SERVICE);
  } else {
    packet->forwarded = !is_xdp && ((struct __sk_buff *)ctx)->ingress_ifindex != 0;
    packet->near_is_host = !packet->forwarded || address_local(&packet->source, packet->is_v4) != 0;
  }
}

/* NodePorts: an address of the host, and yet a service sends it elsewhere. */
static __always_inline int packet_is_for_service(const struct packet *packet) {
  __u16 port = bpf_ntohs(packet->destination_port_be);
  __u32 i;

  if (!nw_settings.service_port_ranges || packet->direction != NW_INGRESS || !packet->near_is_one) return 0;
  if (packet->protocol != PROTO_TCP && packet->protocol != PROTO_UDP && packet->protocol != PROTO_SCTP) return 0;
  for (i = 0; i < NW_MAX_SERVICE_PORT_RANGES && i < nw_settings.service_port_ranges; i++)
    if (nw_settings.service_ports[i].first <= port && port <= nw_settings.service_ports[i].last) return 1;
  return 0;
}

/* An ICMP error passes if the packet it quotes is of a flow that was allowed and came from whom the error goes to; and, on
 * its way out, if it is about traffic that this host only forwards. */
static __noinline __u32 icmp_error(void *ctx, __u32 is_xdp, const struct packet *packet, struct packet *quoted) {
  const struct packet fresh = {.segments = 1};

  *quoted = fresh;
  quoted->is_v4 = packet->is_v4;
  quoted->network_offset = packet->transport_offset + 8;
  quoted->length = packet->end;
  quoted->direction = !packet->direction;
  quoted->near_is_host = packet->near_is_host;
  quoted->forwarded = packet->forwarded;
  if (quoted->network_offset > MAX_OFFSET) return NW_REASON_ICMP_UNRELATED;
  if (packet_network(ctx, is_xdp, quoted, 1) || !addr_equal(&quoted->source, &packet->destination)) return NW_REASON_ICMP_UNRELATED;
  if (packet->direction == NW_EGRESS && !packet->forwarded && !address_local(&quoted->destination, quoted->is_v4)) return NW_REASON_FORWARDED;
  if (packet_transport(ctx, is_xdp, quoted, 1) || quoted->later_fragment) return NW_REASON_ICMP_UNRELATED;
  return conntrack_quoted(quoted) ? NW_REASON_RELATED : NW_REASON_ICMP_UNRELATED;
}

/* The untracked stage sees every packet but those of failsafe ports, in both directions, so that these are tracked. */
static __always_inline __u32 untracked_applies(const struct packet *packet, __u32 interface_flags) {
  if (!(interface_flags & NW_INTERFACE_UNTRACKED)) return 0;
  if (packet->direction == NW_EGRESS && packet->forwarded) return 0;
  return !failsafe_applies(packet) || (!failsafe_match(packet, 0) && !failsafe_match(packet, 1));
}

static __always_inline int untracked_decided(const struct judgement *judgement) {
  return judgement->decided == NW_CHAIN_UNTRACKED_INGRESS || judgement->decided == NW_CHAIN_UNTRACKED_EGRESS;
}

/* Forwarded traffic that no chain of the interface is about needs no entry, unless NAT shows it with an address of the host. */
static __always_inline int is_tracked(const struct packet *packet, const struct scene *scene) {
  return packet->near_is_host || (scene->interface_flags & NW_INTERFACE_FORWARD);
}

static __always_inline void ask(const struct packet *packet, const struct scene *scene, struct judgement *judgement) {
  ask_policy(packet, scene, way_of(packet->direction, packet->forwarded, scene->interface_flags, scene->untracked), 0, judgement);
}

/* What is beside the verdict belongs to first packets; only the untracked stage has none and speaks of each. */
static __always_inline void forget_beside(struct judgement *judgement) {
  judgement->logged &= 1U << NW_CHAIN_UNTRACKED_INGRESS | 1U << NW_CHAIN_UNTRACKED_EGRESS;
  if (judgement->staged_decided == NW_CHAIN_UNTRACKED_INGRESS || judgement->staged_decided == NW_CHAIN_UNTRACKED_EGRESS) return;
  judgement->staged = NW_NEXT;
  judgement->staged_counter = NW_NO_COUNTER;
}

/* A flow of an older policy. Its first packet is asked about again: this one, or the one that this one answers. */
static __always_inline void judge_again(const struct packet *packet, const struct scene *scene, __u32 state, __u32 asked,
                                        struct judgement *judgement) {
  __u32 is_reply = (state & CT_STATE) == CT_REJUDGE_REPLY, forwarded = !!(state & CT_FORWARDED), allowed;

  if (is_reply) {
    ask_policy(packet, scene, way_of(!packet->direction, forwarded, scene->interface_flags, 0), 1, judgement);
    forget_beside(judgement);
  } else if (!asked) {
    ask(packet, scene, judgement);
  }
  allowed = verdict_of(&judgement->answer) == NW_ALLOW;
  conntrack_rejudged(packet, allowed, judgement->answer.counter, scene->live.generation);
  if (!allowed) return;
  judgement->answer.reason = NW_REASON_ESTABLISHED;
  judgement->answer.counter = NW_NO_COUNTER;
}

/* An address of the host, or one of its broadcast addresses, as the source of what comes from outside: whatever policy says of it, nobody
 * else may bear it. Asked of first packets that would pass, so that floods of others pay nothing. */
NW_GLOBAL int refuse_own_source(const struct packet *packet, struct judgement *judgement) {
  struct nw_addr source;

  if (!packet || !judgement) return 0;
  source = packet->source;
  if (!local_entry(&source)) return 0;
  judgement->answer.reason = NW_REASON_MARTIAN;
  judgement->answer.counter = NW_NO_COUNTER;
  if (judgement->staged == NW_ALLOW) judgement->staged = NW_DENY;
  return 0;
}

static __always_inline void refuse_spoofed(const struct packet *packet, const struct scene *scene, struct judgement *judgement) {
  if (packet->direction != NW_INGRESS || (scene->interface_flags & NW_INTERFACE_LOOPBACK)) return;
  if (verdict_of(&judgement->answer) != NW_ALLOW || judgement->answer.reason == NW_REASON_FORWARDED) return;
  refuse_own_source(packet, judgement);
}

static __always_inline void judge_known(struct judgement *judgement) {
  judgement->answer.verdict = NW_ALLOW;
  judgement->answer.reason = NW_REASON_ESTABLISHED;
  judgement->answer.counter = NW_NO_COUNTER;
}

/* Policy and a packet of no flow. What came of those before it says what to expect: floods of denied packets wait for no bucket. */
static __always_inline void judge_first(struct scratch *scratch) {
  const struct packet *packet = &scratch->packet;
  const struct scene *scene = &scratch->scene;
  struct judgement *judgement = &scratch->judgement;
  __u32 openings = scratch->openings;

  if (!scene->untracked) {
    if (openings >= EXPECTS_OPENING) conntrack_expect(packet);
    ask(packet, scene, judgement);
  }
  refuse_spoofed(packet, scene, judgement);
  if (verdict_of(&judgement->answer) == NW_ALLOW) {
    if (openings < MOST_OPENINGS) scratch->openings = openings + 1;
    conntrack_open(packet, packet->forwarded ? NW_CT_FORWARDED : 0, judgement->answer.counter, scene->live.generation);
  } else if (openings) {
    scratch->openings = openings - 1;
  }
}

/* Conntrack and policy. Fills the judgement. */
static __always_inline void judge_flow(struct scratch *scratch) {
  const struct packet *packet = &scratch->packet;
  const struct scene *scene = &scratch->scene;
  struct judgement *judgement = &scratch->judgement;
  __u32 state;

  /* One image answers for all stages, so the later ones are asked along with the untracked one. */
  if (scene->untracked) {
    ask(packet, scene, judgement);
    if (untracked_decided(judgement)) {
      refuse_spoofed(packet, scene, judgement);
      return;
    }
  }
  if (!is_tracked(packet, scene)) {
    if (!scene->untracked) ask(packet, scene, judgement);
    return;
  }
  state = packet_is_first(packet) ? CT_NEW : conntrack_lookup(packet, scene->live.generation);
  if (state == CT_KNOWN) {
    judge_known(judgement);
    forget_beside(judgement);
    return;
  }
  if (failsafe_applies(packet) && failsafe_match(packet, (state & CT_STATE) == CT_REJUDGE_REPLY)) {
    judge_known(judgement);
    forget_beside(judgement);
    judgement->answer.reason = NW_REASON_FAILSAFE;
    if (state == CT_NEW) {
      refuse_spoofed(packet, scene, judgement);
      if (judgement->answer.reason == NW_REASON_FAILSAFE) conntrack_open(packet, NW_CT_FAILSAFE, NW_NO_COUNTER, scene->live.generation);
    } else {
      conntrack_rejudged(packet, 1, NW_NO_COUNTER, scene->live.generation);
    }
    return;
  }
  if (state == CT_NEW)
    judge_first(scratch);
  else
    judge_again(packet, scene, state, scene->untracked, judgement);
}

/* ICMP errors have no flow of their own. Where no chain is about forwarded traffic, those about it are open. */
static __always_inline void judge_icmp_error(void *ctx, __u32 is_xdp, struct scratch *scratch) {
  const struct packet *packet = &scratch->packet;
  const struct scene *scene = &scratch->scene;
  struct judgement *judgement = &scratch->judgement;
  const __u32 of_untracked = 1U << NW_CHAIN_UNTRACKED_INGRESS | 1U << NW_CHAIN_UNTRACKED_EGRESS;
  __u32 reason;

  if (scene->untracked || packet->forwarded) {
    ask(packet, scene, judgement);
    forget_beside(judgement); /* what staged policies behind the untracked stage say is nothing to an error */
    if (untracked_decided(judgement)) return;
  }
  reason = icmp_error(ctx, is_xdp, packet, &scratch->quoted);
  if (reason == NW_REASON_ICMP_UNRELATED && packet->forwarded && !(judgement->present & ~of_untracked) &&
      judgement->answer.reason == NW_REASON_FORWARDED)
    reason = NW_REASON_FORWARDED;
  judgement->answer.reason = reason;
  judgement->answer.counter = NW_NO_COUNTER;
}

/* No enforced policy of the interface is about the packet: what is wrong with its headers is its receiver's affair. */
static __always_inline int is_nobodys(const struct packet *packet, __u32 interface_flags) {
  if (packet->direction == NW_EGRESS) return packet->forwarded && !(interface_flags & NW_INTERFACE_STRICT_EGRESS);
  return !packet->near_is_host && !(interface_flags & NW_INTERFACE_STRICT_INGRESS);
}

static __always_inline void judge_packet(void *ctx, __u32 is_xdp, struct scratch *scratch) {
  struct packet *packet = &scratch->packet;
  struct scene *scene = &scratch->scene;
  struct judgement *judgement = &scratch->judgement;
  __u32 reason = packet_transport(ctx, is_xdp, packet, 0);

  if (!reason && packet->later_fragment) reason = fragment_later(packet);
  if (!reason) reason = packet_neighbour(packet);
  judgement->answer.reason = reason;
  if (reason) {
    if (verdict_of(&judgement->answer) == NW_DENY && is_nobodys(packet, scene->interface_flags)) judgement->answer.reason = NW_REASON_FORWARDED;
    return;
  }
  if (!packet->forwarded && packet_is_for_service(packet)) packet->forwarded = 1;
  scene->untracked = untracked_applies(packet, scene->interface_flags);
  if (packet->is_icmp_error)
    judge_icmp_error(ctx, is_xdp, scratch);
  else
    judge_flow(scratch);
  if (packet->first_fragment) fragment_first(packet, verdict_of(&judgement->answer) == NW_ALLOW);
}

/* Forwarded traffic that no chain of the interface is about. */
static __always_inline void judge_open(void *ctx, __u32 is_xdp, struct packet *packet, __u32 generation) {
  if (packet->direction == NW_EGRESS && packet->near_is_host && !packet_transport(ctx, is_xdp, packet, 0))
    conntrack_masqueraded(packet, generation);
}

static __always_inline int is_open(const struct packet *packet, __u32 interface_flags) {
  if (!packet->forwarded || (interface_flags & NW_INTERFACE_FORWARD)) return 0;
  return packet->direction == NW_EGRESS || (!(interface_flags & NW_INTERFACE_UNTRACKED) && !packet->near_is_host);
}

/* 0: no host endpoint governs the interface. */
static __always_inline int interface_of(__u32 ifindex, struct nw_interface *interface) {
  __u64 word = *(const volatile __u64 *)&nw_if_cache[nw_interface_line(ifindex)];
  const struct nw_interface *entry;

  if ((__u32)word == ifindex) {
    interface->endpoint = nw_word_endpoint(word);
    interface->counter = nw_word_counter(word);
    interface->flags = nw_word_flags(word);
    return 1;
  }
  entry = bpf_map_lookup_elem(&nw_interface, &ifindex);
  if (!entry) return 0;
  *interface = *entry;
  return 1;
}

static __always_inline void scratch_begin(struct scratch *scratch, __u32 ifindex, __u32 direction) {
  const struct packet packet = {.ifindex = ifindex, .direction = direction};
  const struct judgement judgement = {.answer = {.verdict = NW_DENY, .reason = NW_REASON_FAULT_MAP, .counter = NW_NO_COUNTER},
                                      .staged = NW_NEXT,
                                      .staged_counter = NW_NO_COUNTER};

  scratch->packet = packet;
  scratch->judgement = judgement;
  scratch->scene.untracked = 0;
}

/* Fills the judgement. */
static __always_inline void judge_frame(void *ctx, __u32 is_xdp, struct scratch *scratch) {
  struct packet *packet = &scratch->packet;
  const struct scene *scene = &scratch->scene;
  __u32 reason = packet_link(ctx, is_xdp, scene->interface_flags & NW_INTERFACE_L3, packet);

  if (!reason) reason = packet_network(ctx, is_xdp, packet, 0);
  if (!reason && packet->direction == NW_INGRESS && !(scene->interface_flags & NW_INTERFACE_LOOPBACK)) reason = packet_martian(packet);
  scratch->judgement.answer.reason = reason;
  if (reason) return;
  packet_ends(ctx, is_xdp, packet);
  if (is_open(packet, scene->interface_flags)) {
    scratch->judgement.answer.reason = NW_REASON_FORWARDED;
    judge_open(ctx, is_xdp, packet, scene->live.generation);
  } else {
    judge_packet(ctx, is_xdp, scratch);
  }
}

/* The scratch is another packet's: NW_REASON_FAULT_MAP. */
static __always_inline void count_busy(__u32 interface_counter, __u32 direction, __u32 segments, __u32 length) {
  const struct packet packet = {.segments = segments, .length = length};

  count_in(&nw_counter, nw_counter_index(interface_counter, direction, NW_REASON_FAULT_MAP), &packet);
}

static __always_inline int judge(void *ctx, __u32 is_xdp, __u32 ifindex, __u32 direction) {
  struct nw_interface interface;
  struct scratch *scratch;
  struct nw_live live;
  __u32 zero = 0, verdict;

  scratch = bpf_map_lookup_elem(&nw_scratch, &zero);
  if (!scratch) return NW_DENY; /* cannot be: arrays have all their entries */
  /* The policy before the interface: user space waits for who saw the old policy before it changes an interface, and the other way round. */
  live = policy_live();
  if (!interface_of(ifindex, &interface)) return NW_ALLOW; /* NW_REASON_NO_ENDPOINT: there is no block of counters */
  if (*(volatile __u32 *)&scratch->busy) {
    count_busy(interface.counter, direction, frame_segments(ctx, is_xdp), frame_length(ctx, is_xdp));
    return NW_DENY;
  }
  *(volatile __u32 *)&scratch->busy = 1;
  scratch_begin(scratch, ifindex, direction);
  scratch->scene.live = live;
  scratch->scene.slot = interface.endpoint;
  scratch->scene.interface_flags = interface.flags;
  scratch->packet.length = frame_length(ctx, is_xdp);
  scratch->packet.segments = frame_segments(ctx, is_xdp);
  judge_frame(ctx, is_xdp, scratch);
  verdict_count(&scratch->packet, interface.counter, &scratch->judgement);
  if (scratch->judgement.logged) log_packet(&scratch->packet, &scratch->scene, &scratch->judgement);
  verdict = verdict_of(&scratch->judgement.answer);
  *(volatile __u32 *)&scratch->busy = 0;
  return verdict;
}

#endif
