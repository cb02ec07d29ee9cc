/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What the kernel is to the programs, in user space: maps, a clock, a packet. Included by C and C++.
 *
 * Maps: each key and value is a heap block of exactly its size, freed when the entry is removed, so that the sanitizers see every
 * read outside and every use behind a removal. Hash tables have room for NW_MACHINE_ENTRIES only: full tables are met often.
 * Packet: `linear` bytes that the program may reach by pointer, the rest by helper alone, each a heap block of exactly its size.
 * Per-CPU maps have one CPU. A map that was not announced by machine_map() ends the process. */
#ifndef NW_FUZZ_MACHINE_H
#define NW_FUZZ_MACHINE_H

#include <linux/bpf.h>
#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NW_MACHINE_ENTRIES 6

struct machine_context {
  union {
    struct __sk_buff skb;
    struct xdp_md xdp;
  } as; /* first: the program sees nothing else */
  __u8 *linear;
  __u8 *rest;
  __u32 linear_length;
  __u32 rest_length;
};

/* To prepare a machine. */
void machine_map(const void *map, __u32 type, __u32 key_size, __u32 value_size, __u32 most);
/* A variable of the programs, as user space sees it: an array of one entry, or of `most` values of value_size where it is an array. */
void machine_variable(void *variable, __u32 value_size, __u32 most);
/* One more inner map for an array of maps: `most` values of value_size; and the one that programs find at an entry, null: none. */
void *machine_add_inner(const void *map, __u32 value_size, __u32 most);
void machine_put_inner(const void *map, __u32 index, const void *inner);
void machine_reset(const void *map);
void machine_forget(const void *map, __u32 index); /* an entry of an array is as if it had never been asked for */
void machine_set_clock(__u64 ns);
/* The only entry of a map: its key is written to `key`. Null when it has none or several. */
void *machine_only_entry(const void *map, void *key);

/* What the programs call. */
void *machine_data(const void *ctx);
void *machine_data_end(const void *ctx);
void *bpf_map_lookup_elem(const void *map, const void *key);
long bpf_map_update_elem(const void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(const void *map, const void *key);
long bpf_skb_load_bytes(const void *ctx, __u32 offset, void *to, __u32 length);
long bpf_xdp_load_bytes(const void *ctx, __u32 offset, void *to, __u32 length);
__u64 bpf_xdp_get_buff_len(const void *ctx);
__u64 bpf_ktime_get_coarse_ns(void);
__u64 bpf_ktime_get_ns(void);
long bpf_ringbuf_output(const void *ring, const void *data, __u64 size, __u64 flags); /* reads the record; full from time to time */

#ifdef __cplusplus
}
#endif

#endif
