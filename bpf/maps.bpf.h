/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Every map of the programs on one screen. What an entry means is in maps/. */
#ifndef NW_MAPS_BPF_H
#define NW_MAPS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "conntrack.h"
#include "counters.h"
#include "endpoint.h"
#include "events.h"
#include "failsafe.h"
#include "policy.h"
#include "settings.h"

#define NW_MAP_SHARED_ARRAY(name_, value_, entries_) \
  struct {                                           \
    __uint(type, BPF_MAP_TYPE_ARRAY);                \
    __uint(map_flags, BPF_F_MMAPABLE);               \
    __uint(max_entries, entries_);                   \
    __type(key, __u32);                              \
    __type(value, value_);                           \
  } name_ SEC(".maps")

/* An ARRAY of one entry that is a variable to the programs: they know its address and look nothing up. User space knows it by the variable's
 * name, and maps it. */
#define NW_VARIABLE(name_) name_ SEC(".data." #name_)
#define NW_VARIABLES(name_, count_) name_[count_] SEC(".data." #name_)

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct nw_stamp);
} nw_stamp SEC(".maps");

struct nw_settings NW_VARIABLE(nw_settings);
struct nw_failsafe_word NW_VARIABLES(nw_failsafe, NW_FAILSAFE_WORDS);

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, NW_MAX_FAILSAFE_NETS);
  __type(key, struct nw_failsafe_key);
  __type(value, __u8);
} nw_failsafe_net SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NW_MAX_INTERFACES);
  __type(key, __u32);
  __type(value, struct nw_interface);
} nw_interface SEC(".maps");

__u64 NW_VARIABLES(nw_if_cache, NW_CACHE_LINES);

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, NW_MAX_LOCAL_ADDRESSES);
  __type(key, struct nw_addr);
  __type(value, __u32);
} nw_local SEC(".maps");

struct nw_cached_local NW_VARIABLES(nw_local_cache, NW_CACHE_LINES);

/* Inner maps all have one shape, so that the verifier can put the look-up in place of the call. */
struct nw_chunk_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(struct nw_chunk)); /* by size: the compiler leaves types of inner maps incomplete */
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, NW_BANKS * NW_MAX_CHUNKS);
  __type(key, __u32);
  __array(values, struct nw_chunk_map);
} nw_policy SEC(".maps");

struct nw_live NW_VARIABLE(nw_live);

struct nw_part {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, NW_PART_COUNTS);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(struct nw_count));
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, NW_MAX_RULE_COUNTERS / NW_PART_COUNTS);
  __type(key, __u32);
  __array(values, struct nw_part);
} nw_rule_counter SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 512000); /* bpfMapSizeConntrack */
  __type(key, struct nw_ct_key);
  __type(value, struct nw_ct_entry);
} nw_ct SEC(".maps");

/* Of pinned maps NW_CT_BUCKETS; user space sets it along with the size. */
const volatile __u32 nw_ct_buckets = NW_CT_BUCKETS;
const volatile __u32 nw_ct_lines = NW_CT_LINES; /* likewise */
/* The processor makes stores visible in their order (x86 does): no barrier is needed between them. */
const volatile __u32 nw_stores_in_order = 0;

NW_MAP_SHARED_ARRAY(nw_ct_line, struct nw_ct_slot, NW_CT_LINES);
NW_MAP_SHARED_ARRAY(nw_ct_bucket, struct nw_ct_bucket, NW_CT_BUCKETS);
NW_MAP_SHARED_ARRAY(nw_ct_new, struct nw_ct_slot, NW_CT_BUCKETS * NW_CT_SIDES * NW_CT_WAYS);
NW_MAP_SHARED_ARRAY(nw_ct_hint, __u64, NW_CT_HINTS * NW_CT_HINT_WORDS);
struct nw_ct_state NW_VARIABLE(nw_ct_state);

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, NW_MAX_FRAGMENTS);
  __type(key, struct nw_fragment_key);
  __type(value, __u64);
} nw_fragment SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, NW_MAX_INTERFACES * NW_DIRECTIONS * NW_REASON_SLOTS / NW_PART_COUNTS);
  __type(key, __u32);
  __array(values, struct nw_part);
} nw_counter SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, NW_CT_COUNTS);
  __type(key, __u32);
  __type(value, __u64);
} nw_ct_counter SEC(".maps");

struct nw_event_state NW_VARIABLE(nw_event_state);

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, NW_EVENTS_BYTES);
} nw_events SEC(".maps");

/* Only for test runs: what the last packet met. Production programs are loaded with nw_record 0 and have no trace of it. */
const volatile __u32 nw_record = 0;

struct nw_recorded NW_VARIABLE(nw_recorded);

#endif
