/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Small types that several maps share. */
#ifndef NW_TYPES_H
#define NW_TYPES_H

#include "abi.h"

/* An address in network order; IPv4 is v4-mapped (::ffff:a.b.c.d). Aligned to 8 so that it compares as two words. */
struct nw_addr {
  __u8 bytes[16];
} __attribute__((aligned(8)));
NW_ASSERT_SIZE(struct nw_addr, 16);

#define NW_INGRESS 0
#define NW_EGRESS 1
#define NW_DIRECTIONS 2

#endif
