/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The live policy image, as the walk of maps/policy_walk.h sees it. */
#ifndef NW_IMAGE_BPF_H
#define NW_IMAGE_BPF_H

#include "maps.bpf.h"

typedef void *nw_image;

static __always_inline const struct nw_line *nw_image_line(nw_image image, __u32 index) {
  return bpf_map_lookup_elem(image, &index);
}

#include "policy_walk.h"

static __always_inline nw_image policy_image(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&nw_policy, &zero);
}

static __always_inline __u32 policy_generation(void) {
  nw_image image = policy_image();
  const struct nw_line *line = image ? nw_image_line(image, 0) : 0;
  return line ? ((const struct nw_image_header *)line)->generation : 0;
}

#endif
