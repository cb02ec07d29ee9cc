/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The live policy image, as the walk of maps/policy_walk.h sees it. */
#ifndef NW_IMAGE_BPF_H
#define NW_IMAGE_BPF_H

#include "maps.bpf.h"

/* The first chunk holds all that most policies have: a packet looks it up once. */
struct image {
  const void *first; /* struct nw_chunk; null: no image */
  __u32 bank;
};
typedef struct image nw_image;

static __always_inline const void *chunk_of(__u32 bank, __u32 chunk) {
  __u32 entry = nw_chunk_entry(bank, chunk), zero = 0;
  void *map = bpf_map_lookup_elem(&nw_policy, &entry);

  return map ? bpf_map_lookup_elem(map, &zero) : 0;
}

static __always_inline const struct nw_line *nw_image_line(nw_image image, __u32 index) {
  const void *chunk = image.first;

  if (index >= NW_CHUNK_LINES) {
    if (index >= NW_MAX_IMAGE_LINES) return 0;
    chunk = chunk_of(image.bank, index >> NW_CHUNK_SHIFT);
    if (!chunk) return 0;
    index &= NW_CHUNK_LINES - 1;
  }
  return chunk + (__u64)index * NW_LINE_BYTES;
}

#include "policy_walk.h"

static __always_inline nw_image image_of(__u32 bank) {
  struct image image = {.first = chunk_of(bank & (NW_BANKS - 1), 0), .bank = bank & (NW_BANKS - 1)};
  return image;
}

/* What is live at this moment; all of a packet goes by one answer. */
static __always_inline struct nw_live policy_live(void) {
  union {
    __u64 word;
    struct nw_live live;
  } read = {.word = *(const volatile __u64 *)&nw_live};

  return read.live;
}

#endif
