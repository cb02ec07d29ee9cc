/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* nw_interface: HASH ifindex (__u32) -> struct nw_interface. Written by user space. No entry = no host endpoint governs the
 * interface. Order of changes: the image with the endpoint's slot goes live before the entry, and the entry goes before the
 * slot; a slot that the image does not have is a fault and denies. */
#ifndef NW_ENDPOINT_H
#define NW_ENDPOINT_H

#include "types.h"

#define NW_INTERFACE_L3 1U /* frames have no Ethernet header (tun, wireguard) */
#define NW_INTERFACE_LOOPBACK 2U /* addresses of the host itself are no martians here */
/* Which chains the endpoint has. While an image is replaced, those of the old and of the new one: a chain that an image does not have
 * decides nothing. */
#define NW_INTERFACE_UNTRACKED 4U /* an untracked chain, enforced or staged */
#define NW_INTERFACE_FORWARD 8U   /* a forward or preDNAT chain, enforced or staged */
/* An enforced one of them, so that a forwarded packet must be sound; staged chains change no verdict. */
#define NW_INTERFACE_STRICT_INGRESS 16U /* forward, preDNAT or untracked */
#define NW_INTERFACE_STRICT_EGRESS 32U  /* forward or preDNAT */
#define NW_INTERFACE_CHAINS (NW_INTERFACE_UNTRACKED | NW_INTERFACE_FORWARD | NW_INTERFACE_STRICT_INGRESS | NW_INTERFACE_STRICT_EGRESS)

struct nw_interface {
  __u32 endpoint; /* slot in the image's endpoint directory */
  __u32 counter;  /* 0..NW_MAX_INTERFACES-1: block of nw_counter */
  __u32 flags;    /* NW_INTERFACE_* */
  __u32 pad;
};
NW_ASSERT_SIZE(struct nw_interface, 16);

/* nw_local: HASH struct nw_addr -> __u32 flags. The addresses that are the host's own, broadcast addresses of its networks
 * included. Multicast and 255.255.255.255 are recognised without an entry. */
#define NW_LOCAL_ADDRESS 1U
#define NW_LOCAL_BROADCAST 2U
#define NW_LOCAL_SERVICE 4U /* what comes to it a service sends elsewhere: forwarded traffic */
#define NW_LOCAL_KINDS 7U

/* Direct-mapped caches of these two tables, for a variable answers in a tenth of the time. Written by user space along with the tables; what is
 * not in the cache is looked up in the table.
 *
 * nw_if_cache: a variable, NW_CACHE_LINES words: nw_interface_word() at nw_interface_line(ifindex); 0: nothing. One word, so never half an entry.
 * nw_local_cache: a variable, NW_CACHE_LINES struct nw_cached_local: one at nw_local_line(address). Before an entry changes its flags are 0 and
 *                 every packet that saw others is through; so likewise before they are set again. NW_LOCAL_WHOLE: no other address that would
 *                 have this line is in the table. Nearly all lines are whole: what comes from a stranger's address costs no look-up. */
#define NW_CACHE_LINES 256U
#define NW_LOCAL_WHOLE 8U

static inline __u32 nw_interface_line(__u32 ifindex) { return ifindex & (NW_CACHE_LINES - 1); }

/* 0 for an entry that does not fit; it is not cached. */
static inline __u64 nw_interface_word(__u32 ifindex, const struct nw_interface *entry) {
  if (entry->endpoint >> 12 || entry->counter >> 12 || entry->flags >> 8) return 0;
  return ifindex | (__u64)entry->endpoint << 32 | (__u64)entry->counter << 44 | (__u64)entry->flags << 56;
}
static inline __u32 nw_word_endpoint(__u64 word) { return word >> 32 & 0xfff; }
static inline __u32 nw_word_counter(__u64 word) { return word >> 44 & 0xfff; }
static inline __u32 nw_word_flags(__u64 word) { return word >> 56; }

struct nw_cached_local {
  struct nw_addr address;
  __u32 flags; /* NW_LOCAL_*; without one of NW_LOCAL_KINDS there is no address in it */
  __u32 pad[3];
};
NW_ASSERT_SIZE(struct nw_cached_local, 32);

static inline __u32 nw_local_line(const struct nw_addr *address) {
  const __u64 *words = (const __u64 *)address->bytes;
  return (words[0] * 31 + words[1]) * 0x9e3779b97f4a7c15ULL >> 56;
}

#endif
