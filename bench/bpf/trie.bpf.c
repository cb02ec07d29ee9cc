// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/* A set of networks in the kernel's LPM trie, and nothing else: drops what comes from one of its members, passes the rest. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct v4_key {
  __u32 prefixlen;
  __u8 address[4];
};

struct v6_key {
  __u32 prefixlen;
  __u8 address[16];
};

/* The number of entries is set when the object is opened. */
#define MEMBERS(name_, key_)              \
  struct {                                \
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);  \
    __uint(map_flags, BPF_F_NO_PREALLOC); \
    __uint(max_entries, 1);               \
    __type(key, key_);                    \
    __type(value, __u8);                  \
  } name_ SEC(".maps")

MEMBERS(members_v4, struct v4_key);
MEMBERS(members_v6, struct v6_key);

#define SOURCE_V4 26 /* in a frame */
#define SOURCE_V6 22

SEC("xdp.frags")
int xdp_trie(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
  __u16 ethertype_be;

  if (data + SOURCE_V4 + 4 > data_end) return XDP_DROP;
  ethertype_be = *(__u16 *)(data + 12);
  if (ethertype_be == bpf_htons(ETH_P_IP)) {
    struct v4_key key = {.prefixlen = 32};

    __builtin_memcpy(key.address, data + SOURCE_V4, sizeof(key.address));
    return bpf_map_lookup_elem(&members_v4, &key) ? XDP_DROP : XDP_PASS;
  }
  if (ethertype_be == bpf_htons(ETH_P_IPV6) && data + SOURCE_V6 + 16 <= data_end) {
    struct v6_key key = {.prefixlen = 128};

    __builtin_memcpy(key.address, data + SOURCE_V6, sizeof(key.address));
    return bpf_map_lookup_elem(&members_v6, &key) ? XDP_DROP : XDP_PASS;
  }
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
