/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Where flows are kept (maps/conntrack.h): finding, adding, moving and removing entries. What an entry means is in conntrack.bpf.h. */
#ifndef NW_FLOW_TABLE_BPF_H
#define NW_FLOW_TABLE_BPF_H

#include "branchless.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

static __always_inline void ct_count(__u32 what) {
  __u64 *count = bpf_map_lookup_elem(&nw_ct_counter, &what);
  if (count) (*count)++;
}

/* Whether the packet's source is end `a`. */
static __always_inline __u32 ct_key(const struct packet *packet, struct nw_ct_key *key) {
  const __u64 *source = (const __u64 *)packet->source.bytes, *destination = (const __u64 *)packet->destination.bytes;
  __u64 s0 = bpf_be64_to_cpu(source[0]), d0 = bpf_be64_to_cpu(destination[0]);
  __u64 s1 = bpf_be64_to_cpu(source[1]), d1 = bpf_be64_to_cpu(destination[1]);
  __u16 sp = bpf_ntohs(packet->source_port_be), dp = bpf_ntohs(packet->destination_port_be);
  __u32 a_is_source = s0 != d0 ? s0 < d0 : s1 != d1 ? s1 < d1 : sp <= dp;

  if (a_is_source) {
    key->a = packet->source;
    key->b = packet->destination;
    key->port_a_be = packet->source_port_be;
    key->port_b_be = packet->destination_port_be;
  } else {
    key->a = packet->destination;
    key->b = packet->source;
    key->port_a_be = packet->destination_port_be;
    key->port_b_be = packet->source_port_be;
  }
  key->protocol = packet->protocol;
  key->leg = NW_CT_LEG_HOST; /* of the others: ct_find_leg() */
  key->pad = 0;
  key->held = NW_CT_HELD;
  return a_is_source;
}

/* Where a flow can be. */
struct ct_place {
  __u64 *hint;       /* its word in the hint that is read; null: not looked for yet */
  __u64 *other_hint; /* in one that is being made, or null */
  struct nw_ct_place in;
};

/* 0: there is no such place, which cannot be. */
static __always_inline int ct_reach(const struct nw_ct_key *key, struct ct_place *place) {
  __u32 hint, index;

  if (place->hint) return 1;
  nw_ct_find_place(key, &nw_ct_state, nw_ct_buckets, &place->in);
  hint = *(const volatile __u32 *)&nw_ct_state.hint;
  index = nw_ct_hint_index(&nw_ct_state, &place->in, hint);
  place->hint = bpf_map_lookup_elem(&nw_ct_hint, &index);
  if (hint & NW_CT_HINT_BEING_MADE) {
    index = nw_ct_hint_index(&nw_ct_state, &place->in, ~hint);
    place->other_hint = bpf_map_lookup_elem(&nw_ct_hint, &index);
  }
  return place->hint != 0;
}

/* `shift`: 0 for confirmed flows, NW_CT_HINT_UNCONFIRMED for others. */
static __always_inline int ct_may_be_in(const struct ct_place *place, __u32 shift) {
  return !(~(*(const volatile __u64 *)place->hint >> shift) & place->in.bits);
}

static __always_inline void ct_write_hint(__u64 *hint, __u64 bits) {
  if (~*(volatile __u64 *)hint & bits) __sync_fetch_and_or(hint, bits);
}

/* Before the flow is added there. */
static __always_inline void ct_hint(const struct ct_place *place, __u32 shift) {
  __u64 bits = (__u64)place->in.bits << shift;

  if (place->hint) ct_write_hint(place->hint, bits);
  if (place->other_hint) ct_write_hint(place->other_hint, bits);
}

static __always_inline __u32 ct_key_equal(const struct nw_ct_key *a, const struct nw_ct_key *b) {
  const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
  __u64 differs = (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]);

  NW_HIDE(differs); /* one branch for the verifier */
  return !differs;
}

/* The first way of a side whose tag is this one; NW_CT_WAYS: none. */
static __always_inline __u32 ct_way(const struct nw_ct_bucket *bucket, __u32 side, __u32 tag) {
  const volatile __u32 *tags = bucket->tags[side & 1];
  __u32 ways, i;

  ways = nw_equal(tags[0], tag) | nw_equal(tags[1], tag) << 1 | nw_equal(tags[2], tag) << 2 | nw_equal(tags[3], tag) << 3;
  if (!ways) return NW_CT_WAYS;
  i = nw_equal(ways & 1, 0) + nw_equal(ways & 3, 0) + nw_equal(ways & 7, 0); /* zeros behind the lowest bit */
  NW_HIDE(i);
  return i & (NW_CT_WAYS - 1);
}

static __always_inline struct nw_ct_bucket *ct_bucket(const struct ct_place *place) {
  __u32 index = place->in.bucket;

  return bpf_map_lookup_elem(&nw_ct_bucket, &index);
}

static __always_inline struct nw_ct_slot *ct_slot(const struct ct_place *place, __u32 side, __u32 way) {
  __u32 index = nw_ct_slot_index(place->in.bucket, side, way);

  return bpf_map_lookup_elem(&nw_ct_new, &index);
}

static __always_inline struct nw_ct_entry *ct_find_new(const struct ct_place *place, const struct nw_ct_bucket *bucket, const struct nw_ct_key *key,
                                                      __u32 side) {
  __u32 way = ct_way(bucket, side & 1, place->in.tag);
  struct nw_ct_slot *slot;

  if (way >= NW_CT_WAYS) return 0;
  slot = ct_slot(place, side & 1, way);
  if (!slot || !ct_key_equal(&slot->key, key)) return 0;
  /* Still the same: nobody began to write the slot while its key was read. */
  return *(const volatile __u32 *)&bucket->tags[side & 1][way] == place->in.tag ? &slot->entry : 0;
}

/* Who sees the word sees what was written before it. A barrier would wait for the cache lines of that. */
static __always_inline void ct_publish(__u32 *word, __u32 value) {
  if (nw_stores_in_order)
    *(volatile __u32 *)word = value;
  else
    __sync_lock_test_and_set(word, value);
}

struct ct_found {
  struct nw_ct_entry *entry;
  __u32 confirmed;
};

/* An unconfirmed entry for this very key: of `side`, or then of the other side if it is asked for `both`. */
static __always_inline struct nw_ct_entry *ct_find_unconfirmed(const struct ct_place *place, const struct nw_ct_key *key, __u32 side, __u32 both) {
  const struct nw_ct_bucket *bucket = ct_bucket(place);
  struct nw_ct_entry *entry;

  if (!bucket) return 0;
  entry = ct_find_new(place, bucket, key, side);
  return entry || !both ? entry : ct_find_new(place, bucket, key, !side);
}

static __always_inline struct nw_ct_slot *ct_line(const struct ct_place *place, __u32 choice) {
  __u32 index = nw_ct_line_index(&place->in, choice, nw_ct_lines);

  return bpf_map_lookup_elem(&nw_ct_line, &index);
}

static __always_inline struct nw_ct_entry *ct_find_confirmed(const struct ct_place *place, const struct nw_ct_key *key) {
  struct nw_ct_slot *line;
  __u32 i;

#pragma unroll
  for (i = 0; i < NW_CT_CHOICES; i++) {
    line = ct_line(place, i);
    if (line && ct_key_equal(&line->key, key)) return &line->entry;
  }
  return bpf_map_lookup_elem(&nw_ct, key);
}

/* The entry for this very key; an unconfirmed one as ct_find_unconfirmed() has it. */
static __always_inline void ct_find_key(struct ct_place *place, const struct nw_ct_key *key, __u32 side, __u32 both, struct ct_found *found) {
  found->entry = 0;
  if (!ct_reach(key, place)) return;
  found->confirmed = 1;
  if (ct_may_be_in(place, 0)) {
    found->entry = ct_find_confirmed(place, key);
    if (found->entry) return;
  }
  if (!ct_may_be_in(place, NW_CT_HINT_UNCONFIRMED)) return;
  found->confirmed = 0;
  found->entry = ct_find_unconfirmed(place, key, side, both);
  /* It may just have moved. */
  if (found->entry || !ct_may_be_in(place, 0)) return;
  found->confirmed = 1;
  found->entry = ct_find_confirmed(place, key);
}

static __always_inline void ct_forget_lines(const struct ct_place *place, const struct nw_ct_key *key) {
  __u32 i;

#pragma unroll
  for (i = 0; i < NW_CT_CHOICES; i++) {
    struct nw_ct_slot *line = ct_line(place, i);

    if (line && ct_key_equal(&line->key, key)) __sync_val_compare_and_swap(nw_ct_word_of(&line->key), *nw_ct_word_in(key), NW_CT_LINE_OVER);
  }
}

/* NW_CT_LINE_FREE: the flow has a line now. NW_CT_LINE_BUSY: another processor writes one of its places, perhaps for this very flow. What else:
 * all its places are taken, or the flow's own word: it has a line. Who goes through the places of one flow at the same time meets at the first free
 * one, so it gets one line. */
static __always_inline __u32 ct_add_line(const struct ct_place *place, const struct nw_ct_key *key, const struct nw_ct_entry *entry) {
  __u32 seen = NW_CT_LINE_OVER, i;

  for (i = 0; i < NW_CT_CHOICES; i++) {
    struct nw_ct_slot *line = ct_line(place, i);
    nw_ct_line_word *word;

    if (!line) return NW_CT_LINE_OVER; /* cannot be */
    word = nw_ct_word_of(&line->key);
    seen = *(volatile nw_ct_line_word *)word;
    if (seen == NW_CT_LINE_FREE) seen = __sync_val_compare_and_swap(word, NW_CT_LINE_FREE, NW_CT_LINE_BUSY);
    if (seen == NW_CT_LINE_BUSY) return seen;
    if (seen == NW_CT_LINE_FREE) {
      line->key.a = key->a;
      line->key.b = key->b;
      line->key.port_a_be = key->port_a_be;
      line->key.port_b_be = key->port_b_be;
      line->entry = *entry;
      ct_publish(word, *nw_ct_word_in(key));
      return seen;
    }
    if (ct_key_equal(&line->key, key)) return seen;
  }
  return NW_CT_LINE_OVER;
}

/* Two packets may have made an entry for one flow at the same time. */
static __always_inline void ct_forget_new(const struct ct_place *place, const struct nw_ct_key *key) {
  struct nw_ct_bucket *bucket = ct_bucket(place);
  __u32 i;

  if (!bucket) return;
  for (i = 0; i < NW_CT_SIDES * NW_CT_WAYS; i++) {
    __u32 side = i / NW_CT_WAYS, way = i % NW_CT_WAYS, *tag = &bucket->tags[side][way];
    const struct nw_ct_slot *slot;

    if (*(volatile __u32 *)tag != place->in.tag) continue;
    slot = ct_slot(place, side, way);
    if (slot && ct_key_equal(&slot->key, key)) __sync_val_compare_and_swap(tag, place->in.tag, NW_CT_EMPTY);
  }
}

static __always_inline void ct_remove(struct ct_place *place, const struct nw_ct_key *key) {
  bpf_map_delete_elem(&nw_ct, key);
  if (!ct_reach(key, place)) return;
  ct_forget_lines(place, key);
  ct_forget_new(place, key);
}

/* The third leg: from nw_ct_new to a line, or to nw_ct. No room there: the flow stays where it is, and its next packet tries again. */
static __always_inline void ct_confirm(const struct ct_place *place, const struct nw_ct_key *key, const struct nw_ct_entry *entry) {
  struct nw_ct_entry copy = *entry;
  __u32 line;

  ct_hint(place, 0);
  line = ct_add_line(place, key, &copy);
  if (line == NW_CT_LINE_BUSY) return;
  if (line == NW_CT_LINE_OVER && bpf_map_update_elem(&nw_ct, key, &copy, BPF_NOEXIST)) {
    ct_count(NW_CT_COUNT_FULL);
    return;
  }
  ct_forget_new(place, key);
  ct_count(NW_CT_COUNT_CONFIRMED);
}

/* The slot that a new flow gets, marked as being written; NW_CT_WAYS: others write them all. */
static __always_inline __u32 ct_take_way(struct nw_ct_bucket *bucket, __u32 side) {
  __u32 way = ct_way(bucket, side, NW_CT_EMPTY), i;

  if (way >= NW_CT_WAYS) way = bucket->turn[side];
  for (i = 0; i < NW_CT_WAYS; i++, way++) {
    __u32 *tag = &bucket->tags[side][way & (NW_CT_WAYS - 1)];
    __u32 before = *(volatile __u32 *)tag;

    if (before == NW_CT_BUSY || __sync_val_compare_and_swap(tag, before, NW_CT_BUSY) != before) continue;
    if (before != NW_CT_EMPTY) {
      bucket->turn[side] = way + 1;
      ct_count(NW_CT_COUNT_EVICTED);
    }
    return way & (NW_CT_WAYS - 1);
  }
  return NW_CT_WAYS;
}

static __always_inline void ct_insert(const struct ct_place *place, const struct nw_ct_key *key, const struct nw_ct_entry *entry, __u32 side) {
  struct nw_ct_bucket *bucket = ct_bucket(place);
  struct nw_ct_slot *slot;
  __u32 way;

  if (!bucket || !place->hint) return; /* cannot be */
  side &= 1;
  way = ct_take_way(bucket, side);
  if (way >= NW_CT_WAYS) return;
  ct_hint(place, NW_CT_HINT_UNCONFIRMED); /* behind the other locked instruction, which waited for all stores */
  slot = ct_slot(place, side, way);
  if (!slot) return; /* cannot be */
  slot->key = *key;
  slot->entry = *entry;
  ct_publish(&bucket->tags[side][way], place->in.tag);
  ct_count(NW_CT_COUNT_CREATED);
}

#endif
