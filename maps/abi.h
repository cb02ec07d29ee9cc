/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The layout contract between the programs in the kernel and user space: version, stamp, limits.
 *
 * Everything in maps/ is included by BPF C, C and C++; it uses <linux/types.h> only. Multi-byte fields are in host order
 * unless their name ends in _be. There is no implicit padding. docs/abi.md has the rule for raising NW_ABI_VERSION.
 *
 * A variable is an ARRAY of one entry, mmapable, whose address the programs know: a global variable to them, which is its value. It is pinned by the
 * variable's name; the kernel shows it as .data.<name>, cut off. */
#ifndef NW_ABI_H
#define NW_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define NW_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " must be " #bytes " bytes")
#else
#define NW_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " must be " #bytes " bytes")
#endif

#define NW_ABI_VERSION 7
#define NW_MAGIC 0x6c77646eU /* "ndwl" */

#define NW_MAX_INTERFACES 4096     /* entries of nw_interface, slots of nw_counter */
#define NW_MAX_LOCAL_ADDRESSES 65536
#define NW_MAX_FAILSAFE_NETS 4096
#define NW_MAX_RULE_COUNTERS 1048576 /* most rule slots */
#define NW_NO_COUNTER 0xffffffffU    /* in the place of a rule slot: none */
#define NW_MAX_FRAGMENTS 16384
#define NW_MAX_EXTENSION_HEADERS 8   /* IPv6 headers walked before the packet is dropped */
#define NW_MAX_EXTENSION_BYTES 256
#define NW_MAX_VLAN_TAGS 2

/* The one entry of nw_stamp: who wrote the pinned maps. Read before anything else that is pinned is believed. */
struct nw_stamp {
  __u32 magic;
  __u32 abi_version;
  __u64 netns_cookie; /* SO_NETNS_COOKIE of the network namespace that the programs serve */
};
NW_ASSERT_SIZE(struct nw_stamp, 16);

#endif
