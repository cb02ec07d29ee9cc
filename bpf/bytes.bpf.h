/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* How the hooks differ: reaching the bytes. `is_xdp` is a constant at every call, so a program keeps one of the two branches. */
#ifndef NW_BYTES_BPF_H
#define NW_BYTES_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Set by the loader: the kernel has bpf_xdp_load_bytes (5.18). Without it there are no frames in several buffers either. */
const volatile __u32 nw_have_xdp_load = 1;

/* verifier: a global function is checked once, by itself; a static one again for every state it is called in, which multiplies
 * (more than a million instructions). Its pointer arguments may be null as far as the verifier knows. */
#define NW_GLOBAL __attribute__((noinline))

#define MAX_OFFSET 0x7fff
#define ALIGNED __attribute__((aligned(8)))

/* verifier: a field of the context is read at a constant offset from an unchanged pointer; left to itself the compiler merges
 * the two branches below into one load at a computed offset ("dereference of modified ctx ptr"). Outside the kernel, where pointers
 * do not fit such a field, tests/fuzz/shim has its own. */
#ifndef CTX_POINTER
#define CTX_POINTER(ctx, type, field)                             \
  ({                                                              \
    void *pointer_;                                               \
    asm volatile("%0 = *(u32 *)(%1 + %2)"                         \
                 : "=r"(pointer_)                                 \
                 : "r"(ctx), "i"(__builtin_offsetof(type, field))); \
    pointer_;                                                     \
  })
#endif

/* compiler: it knows nothing of where a packet begins, so it would copy byte by byte, and who reads a word of that afterwards waits. The
 * kernels that load these programs take words from any address of a packet (verifier: CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS). `to` is aligned to
 * its longest word, `length` is a constant. */
static __always_inline void copy_words(void *to, const void *from, const __u32 length) {
#ifdef __bpf__
  __u32 i = 0;

#pragma unroll
  for (; i + 8 <= length && length % 8 == 0; i += 8) *(__u64 *)(to + i) = *(const __u64 *)(from + i);
#pragma unroll
  for (; i + 4 <= length; i += 4) *(__u32 *)(to + i) = *(const __u32 *)(from + i);
#pragma unroll
  for (; i + 2 <= length; i += 2) *(__u16 *)(to + i) = *(const __u16 *)(from + i);
  if (i < length) *(__u8 *)(to + i) = *(const __u8 *)(from + i);
#else
  __builtin_memcpy(to, from, length);
#endif
}

/* `to` is aligned to eight bytes where there are so many; `length` is a constant. 0 = done. */
static __always_inline int load_bytes(void *ctx, __u32 is_xdp, __u32 offset, void *to, const __u32 length) {
  void *data, *data_end;

  if (is_xdp) {
    data = CTX_POINTER(ctx, struct xdp_md, data);
    data_end = CTX_POINTER(ctx, struct xdp_md, data_end);
  } else {
    data = CTX_POINTER(ctx, struct __sk_buff, data);
    data_end = CTX_POINTER(ctx, struct __sk_buff, data_end);
  }
  if (offset > MAX_OFFSET) return -1; /* verifier: bounds the packet pointer */
  if (data + offset + length <= data_end) {
    copy_words(to, data + offset, length);
    return 0;
  }
  if (!is_xdp) return bpf_skb_load_bytes(ctx, offset, to, length);
  return nw_have_xdp_load ? bpf_xdp_load_bytes(ctx, offset, to, length) : -1;
}

/* verifier: the same number below 0x10000, of which nothing else is known any more. States that differ in what is known of a number only are
 * walked apart; two bytes that are not at the beginning of a word are memory without a memory. */
static __always_inline __u32 forget(__u32 number) {
  volatile struct {
    __u16 beginning, number;
  } __attribute__((aligned(8))) word;

  word.number = number;
  return word.number;
}

/* verifier: for loops. load_bytes has two ways to the bytes, and each step of a loop would double what is to be walked: Linux 6.1 gives
 * up after a million instructions. */
static __always_inline int load_bytes_one_way(void *ctx, __u32 is_xdp, __u32 offset, void *to, const __u32 length) {
  if (offset > MAX_OFFSET) return -1;
  if (!is_xdp) return bpf_skb_load_bytes(ctx, offset, to, length);
  return nw_have_xdp_load ? bpf_xdp_load_bytes(ctx, offset, to, length) : load_bytes(ctx, is_xdp, offset, to, length);
}

/* `length` is 4..40 and a multiple of 4 at run time. */
static __always_inline int load_bytes_variable(void *ctx, __u32 is_xdp, __u32 offset, void *to, __u32 length) {
  __u32 i;

  if (!is_xdp) return bpf_skb_load_bytes(ctx, offset, to, length);
  if (nw_have_xdp_load) return bpf_xdp_load_bytes(ctx, offset, to, length);
  for (i = 0; i < length && i < 40; i += 4)
    if (load_bytes(ctx, is_xdp, offset + i, (__u8 *)to + i, 4)) return -1;
  return 0;
}

/* Of a frame in several buffers at XDP: of the first of them. */
static __always_inline __u32 frame_length(void *ctx, __u32 is_xdp) {
  if (!is_xdp) return ((struct __sk_buff *)ctx)->len;
  return CTX_POINTER(ctx, struct xdp_md, data_end) - CTX_POINTER(ctx, struct xdp_md, data);
}

static __always_inline __u32 frame_length_of_all(void *ctx) {
  return nw_have_xdp_load ? bpf_xdp_get_buff_len(ctx) : frame_length(ctx, 1);
}

static __always_inline __u32 frame_segments(void *ctx, __u32 is_xdp) {
  __u32 segments = is_xdp ? 1 : ((struct __sk_buff *)ctx)->gso_segs;
  return segments ? segments : 1;
}

/* Tags that the hardware took off the frame. */
static __always_inline __u32 link_offloaded_tags(void *ctx, __u32 is_xdp) {
  return is_xdp ? 0 : ((struct __sk_buff *)ctx)->vlan_present != 0;
}

static __always_inline __u16 link_protocol(void *ctx, __u32 is_xdp) {
  return is_xdp ? 0 : bpf_ntohs(((struct __sk_buff *)ctx)->protocol);
}

#endif
