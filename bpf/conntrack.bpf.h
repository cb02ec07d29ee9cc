/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 3: connection tracking (maps/conntrack.h). */
#ifndef NW_CONNTRACK_BPF_H
#define NW_CONNTRACK_BPF_H

#include "flow_table.bpf.h"

static __always_inline __u32 ct_now(void) { return nw_ct_tick(bpf_ktime_get_coarse_ns()); }

enum ct_state {
  CT_NEW,      /* no flow: policy decides */
  CT_KNOWN,    /* a flow that was allowed */
  CT_REJUDGE,  /* a flow of an older policy, packet in the direction of its first one */
  CT_REJUDGE_REPLY,
};
#define CT_STATE 3U
#define CT_FORWARDED 4U /* beside CT_REJUDGE*: the flow is forwarded traffic */

static __always_inline __u64 ct_timeout(const struct nw_ct_entry *entry, __u8 protocol, __u32 confirmed) {
  const __u32 fins = NW_CT_FIN_ORIGINAL | NW_CT_FIN_REPLY;

  if (protocol == PROTO_UDP || protocol == PROTO_UDPLITE) return nw_settings.udp_ns;
  if (protocol == PROTO_ICMP || protocol == PROTO_ICMPV6) return nw_settings.icmp_ns;
  if (protocol != PROTO_TCP) return nw_settings.generic_ns;
  if (entry->flags & NW_CT_RST) return nw_settings.reset_seen_ns;
  if ((entry->flags & fins) == fins) return nw_settings.fins_seen_ns;
  return confirmed ? nw_settings.tcp_established_ns : nw_settings.syn_sent_ns;
}

/* Whether the packet can be one of the flow: at this hook only one end can have sent it, and of ICMP only an echo belongs to a
 * flow, requests from the end that began it and replies from the other. `original`: in the direction of the first packet. */
static __always_inline int ct_belongs(const struct packet *packet, const struct nw_ct_entry *entry, __u32 a_is_source,
                                      __u32 *original) {
  *original = a_is_source == !!(entry->flags & NW_CT_A_IS_SOURCE);
  if (*original != ((packet->direction == NW_EGRESS) == !!(entry->flags & NW_CT_FROM_HOST))) return 0;
  if (!packet_is_icmp(packet)) return 1;
  return packet->icmp_type == (*original ? icmp_echo_request(packet->is_v4) : icmp_echo_reply(packet->is_v4));
}

/* The policy is asked about every SYN: a flood of them costs no look-up. */
static __always_inline int packet_is_first(const struct packet *packet) {
  return packet->protocol == PROTO_TCP && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline void ct_find_host(struct ct_place *place, const struct nw_ct_key *key, const struct packet *packet, struct ct_found *found) {
  ct_find_key(place, key, packet->direction == NW_INGRESS, 1, found);
}

/* The leg of a forwarded flow that the packet is of: one that began in its direction here, or else in the other. Sets key->leg. */
static __always_inline void ct_find_leg(struct ct_place *place, struct nw_ct_key *key, const struct packet *packet, __u32 a_is_source,
                                        struct ct_found *found) {
  __u32 i, original;

  for (i = 0; i < 2; i++) {
    __u32 from_host = (packet->direction ^ i) & 1;

    key->leg = from_host ? NW_CT_LEG_OUT : NW_CT_LEG_IN;
    ct_find_key(place, key, from_host, 0, found);
    if (found->entry && ct_belongs(packet, found->entry, a_is_source, &original)) return;
  }
  found->entry = 0;
}

static __always_inline void ct_find(struct ct_place *place, struct nw_ct_key *key, const struct packet *packet, __u32 a_is_source,
                                    struct ct_found *found) {
  if (packet->near_is_host)
    ct_find_host(place, key, packet, found);
  else
    ct_find_leg(place, key, packet, a_is_source, found);
}

static __always_inline void ct_touch(const struct packet *packet, const struct ct_place *place, const struct nw_ct_key *key,
                                     const struct ct_found *found, __u32 original, __u32 now) {
  struct nw_ct_entry *entry = found->entry;
  __u32 flags = entry->flags;

  if (packet->protocol == PROTO_TCP) {
    if (packet->tcp_flags & TCP_RST)
      flags |= NW_CT_RST;
    else
      flags &= ~NW_CT_RST;
    if (packet->tcp_flags & TCP_FIN) flags |= original ? NW_CT_FIN_ORIGINAL : NW_CT_FIN_REPLY;
  }
  if (!original) flags |= NW_CT_REPLIED;
  if (flags != entry->flags) entry->flags = flags;
  if (entry->seen != now) entry->seen = now;
  if (!found->confirmed && original && (flags & NW_CT_REPLIED) && !(flags & NW_CT_RST)) ct_confirm(place, key, entry);
}

static __always_inline int ct_expired(const struct packet *packet, const struct ct_found *found, __u32 now) {
  return nw_ct_is_idle(found->entry, now, ct_timeout(found->entry, packet->protocol, found->confirmed));
}

/* A revoked flow asks for each packet: the policy may allow it one day. */
static __always_inline int ct_asks_again(const struct nw_ct_entry *entry, __u32 generation) {
  if (entry->flags & NW_CT_REVOKED) return 1;
  return entry->generation != generation && !(entry->flags & NW_CT_FAILSAFE) && !(nw_settings.flags & NW_SETTING_KEEP_ESTABLISHED);
}

/* The policy denies the flow now. It stays known, with the end that began it: what the other end still sends would else be a first
 * packet, and the denied end's packets the answers to it. */
static __always_inline void ct_revoke(struct nw_ct_entry *entry) {
  entry->seen = ct_now();
  if (entry->flags & NW_CT_REVOKED) return;
  entry->flags |= NW_CT_REVOKED;
  ct_count(NW_CT_COUNT_REVOKED);
}

/* What is known about the flow of a packet that is not its first. Touches the entry unless the policy has to be asked first. */
NW_GLOBAL int conntrack_lookup(const struct packet *packet, __u32 generation) {
  struct nw_ct_key key;
  struct ct_place place = {};
  struct ct_found found;
  __u32 a_is_source, original, now;

  if (!packet) return CT_NEW;
  a_is_source = ct_key(packet, &key);
  ct_find(&place, &key, packet, a_is_source, &found);
  if (!found.entry) return CT_NEW;
  now = ct_now();
  if (ct_expired(packet, &found, now)) {
    ct_remove(&place, &key);
    return CT_NEW;
  }
  if (!ct_belongs(packet, found.entry, a_is_source, &original)) return CT_NEW;
  if (ct_asks_again(found.entry, generation))
    return (original ? CT_REJUDGE : CT_REJUDGE_REPLY) | (found.entry->flags & NW_CT_FORWARDED ? CT_FORWARDED : 0);
  ct_touch(packet, &place, &key, &found, original, now);
  return CT_KNOWN;
}

/* The policy was asked again about a flow. */
NW_GLOBAL int conntrack_rejudged(const struct packet *packet, __u32 allowed, __u32 rule, __u32 generation) {
  struct nw_ct_key key;
  struct ct_place place = {};
  struct ct_found found;
  __u32 a_is_source;

  if (!packet) return 0;
  a_is_source = ct_key(packet, &key);
  ct_count(NW_CT_COUNT_REJUDGED);
  ct_find(&place, &key, packet, a_is_source, &found);
  if (!found.entry) return 0;
  if (!allowed) {
    ct_revoke(found.entry);
    return 0;
  }
  found.entry->flags &= ~NW_CT_REVOKED;
  found.entry->generation = generation;
  found.entry->rule = rule;
  ct_touch(packet, &place, &key, &found, a_is_source == !!(found.entry->flags & NW_CT_A_IS_SOURCE), ct_now());
  return 0;
}

/* Packets that open no flow: resets, and ICMP other than an echo request. */
static __always_inline int ct_opens_flow(const struct packet *packet) {
  if (packet->protocol == PROTO_TCP) return !(packet->tcp_flags & TCP_RST);
  return !packet_is_icmp(packet) || packet->icmp_type == icmp_echo_request(packet->is_v4);
}

static __always_inline int ct_is_over(const struct nw_ct_entry *entry) {
  const __u32 fins = NW_CT_FIN_ORIGINAL | NW_CT_FIN_REPLY;
  return (entry->flags & (NW_CT_RST | NW_CT_REVOKED)) || (entry->flags & fins) == fins;
}

/* A flow is likely to begin: its bucket is asked for while policy still is. A store waits for no memory, as a load would; the word means nothing. */
NW_GLOBAL int conntrack_expect(const struct packet *packet) {
  struct nw_ct_key key;
  struct ct_place place = {};
  struct nw_ct_bucket *bucket;

  if (!packet) return 0;
  ct_key(packet, &key);
  if (!ct_reach(&key, &place)) return 0;
  bucket = ct_bucket(&place);
  if (bucket) *(volatile __u32 *)&bucket->expected = 0;
  return 0;
}

/* A first packet was allowed. `flags`: NW_CT_FAILSAFE, NW_CT_FORWARDED. */
NW_GLOBAL int conntrack_open(const struct packet *packet, __u32 flags, __u32 rule, __u32 generation) {
  struct nw_ct_key key;
  struct ct_place place = {};
  struct ct_found found;
  struct nw_ct_entry entry = {};
  __u32 now = ct_now();

  if (!packet || !ct_opens_flow(packet)) return 0;
  if (ct_key(packet, &key)) flags |= NW_CT_A_IS_SOURCE;
  if (packet->direction == NW_EGRESS) flags |= NW_CT_FROM_HOST;
  if (packet->near_is_host) {
    ct_find_host(&place, &key, packet, &found);
  } else {
    key.leg = packet->direction == NW_EGRESS ? NW_CT_LEG_OUT : NW_CT_LEG_IN;
    ct_find_key(&place, &key, packet->direction == NW_EGRESS, 0, &found);
  }
  if (found.entry && ct_expired(packet, &found, now)) {
    ct_remove(&place, &key);
  } else if (found.entry) {
    const __u32 same = NW_CT_A_IS_SOURCE | NW_CT_FROM_HOST;
    /* A SYN on a flow in use changes nothing about it. */
    if (!ct_is_over(found.entry) && (found.entry->flags & same) == (flags & same)) {
      found.entry->generation = generation;
      if (!found.confirmed) found.entry->seen = now;
      return 0;
    }
    if (!ct_is_over(found.entry) && found.confirmed) return 0;
    ct_remove(&place, &key);
  }
  entry.created = entry.seen = now;
  entry.generation = generation;
  entry.rule = rule;
  entry.ifindex = packet->ifindex;
  entry.flags = flags;
  ct_insert(&place, &key, &entry, packet->direction == NW_EGRESS);
  return 0;
}

/* A forwarded packet leaves with an address of the host as its source: the host's NAT gave it that. Answers will come to the
 * host's address, and are no more the host's own traffic than this packet is. */
NW_GLOBAL int conntrack_masqueraded(const struct packet *packet, __u32 generation) {
  int state;

  if (!packet || packet->later_fragment || packet->is_icmp_error) return 0;
  state = packet_is_first(packet) ? CT_NEW : conntrack_lookup(packet, generation);
  if (state == CT_NEW)
    conntrack_open(packet, NW_CT_FORWARDED, NW_NO_COUNTER, generation);
  else if (state != CT_KNOWN)
    conntrack_rejudged(packet, 1, NW_NO_COUNTER, generation);
  return 0;
}

/* Whether the quoted packet of an ICMP error belongs to a flow that was allowed. Changes nothing. */
static __always_inline int conntrack_quoted(const struct packet *quoted) {
  struct nw_ct_key key;
  struct ct_place place = {};
  struct ct_found found;
  __u32 a_is_source = ct_key(quoted, &key), original;

  ct_find(&place, &key, quoted, a_is_source, &found);
  return found.entry && !(found.entry->flags & NW_CT_REVOKED) && ct_belongs(quoted, found.entry, a_is_source, &original) &&
         !ct_expired(quoted, &found, ct_now());
}

/* Fragments behind the first one. */
static __always_inline void fragment_key(const struct packet *packet, struct nw_fragment_key *key) {
  __builtin_memset(key, 0, sizeof(*key));
  key->source = packet->source;
  key->destination = packet->destination;
  key->id = packet->fragment_id;
  key->ifindex = packet->ifindex;
  key->protocol = packet->is_v4 ? packet->protocol : 0; /* IPv6: later fragments may name another header first */
  key->direction = packet->direction;
}

NW_GLOBAL int fragment_later(const struct packet *packet) {
  struct nw_fragment_key key;
  const __u64 *seen_ns;
  __u64 now = bpf_ktime_get_coarse_ns();

  if (!packet) return NW_REASON_FRAG_NO_FIRST;
  fragment_key(packet, &key);
  seen_ns = bpf_map_lookup_elem(&nw_fragment, &key);
  if (!seen_ns || (now > *seen_ns && now - *seen_ns > NW_FRAGMENT_TIMEOUT_NS)) return NW_REASON_FRAG_NO_FIRST;
  return NW_REASON_ESTABLISHED;
}

NW_GLOBAL int fragment_first(const struct packet *packet, __u32 allowed) {
  struct nw_fragment_key key;
  __u64 now = bpf_ktime_get_coarse_ns();

  if (!packet) return 0;
  fragment_key(packet, &key);
  if (allowed)
    bpf_map_update_elem(&nw_fragment, &key, &now, BPF_ANY);
  else
    bpf_map_delete_elem(&nw_fragment, &key);
  return 0;
}

#endif
