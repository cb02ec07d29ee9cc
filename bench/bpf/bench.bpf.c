// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/* What the harness needs in the kernel beside the engine: a packet generator, programs that do nothing, and feeders: those put the next
 * frame in the place of the one that a test run began with and go on in the program under measurement. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "frame.h"

struct frame {
  __u8 bytes[BENCH_FRAME_BYTES];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, BENCH_MAX_FRAMES);
  __type(key, __u32);
  __type(value, struct frame);
} frames SEC(".maps");

/* Written before the program is loaded. */
const volatile __u32 frame_mask = 0;  /* frames in use - 1; a power of two less one */
const volatile __u32 header_bytes = BENCH_HEADER_BYTES; /* that or BENCH_FRAME_BYTES, not more than the frame has */
const volatile __u32 vary_at = 0; /* where two random bytes go, the source port for flows without end; 0: nowhere */

__u32 next_frame = 0; /* one generator at a time; frames sent so far */
__u64 interval_ns = 0; /* between two frames; 0: as fast as it goes */
__u64 due_ns = 0;

static __always_inline void wait_until_due(void) {
  __u64 now = bpf_ktime_get_ns();
  int i;

  for (i = 0; i < 4096 && now < due_ns; i++) now = bpf_ktime_get_ns();
  /* A late generator does not make up for it: that would be a burst. */
  due_ns = (now > due_ns + 64 * interval_ns ? now : due_ns) + interval_ns;
}

struct next_programs {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
};
struct next_programs next_xdp SEC(".maps"), next_tc SEC(".maps"); /* what a feeder goes on in; each for programs of one kind */

/* Writes the next frame's headers. The caller has checked that there is room for BENCH_HEADER_BYTES. */
static __always_inline int write_next(void *data, void *data_end) {
  __u32 index = next_frame++ & frame_mask & (BENCH_MAX_FRAMES - 1);
  const struct frame *frame = bpf_map_lookup_elem(&frames, &index);

  if (!frame) return -1;
  __builtin_memcpy(data, frame, BENCH_HEADER_BYTES);
  if (header_bytes > BENCH_HEADER_BYTES) {
    if (data + BENCH_FRAME_BYTES > data_end) return -1;
    __builtin_memcpy(data + BENCH_HEADER_BYTES, frame->bytes + BENCH_HEADER_BYTES, BENCH_FRAME_BYTES - BENCH_HEADER_BYTES);
  }
  if (vary_at && vary_at <= BENCH_HEADER_BYTES - 2) *(__u16 *)(data + vary_at) = bpf_get_prandom_u32();
  return 0;
}

/* Each run sends the next frame of the map out of the interface it stands for. */
SEC("xdp")
int generate(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

  if (interval_ns) wait_until_due();
  if (data + BENCH_HEADER_BYTES > data_end || write_next(data, data_end)) return XDP_ABORTED;
  return XDP_TX;
}

SEC("xdp.frags")
int feed_xdp(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

  if (data + BENCH_HEADER_BYTES > data_end || write_next(data, data_end)) return XDP_ABORTED;
  bpf_tail_call(ctx, &next_xdp, 0);
  return XDP_ABORTED;
}

SEC("tc")
int feed_tc(struct __sk_buff *ctx) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

  if (data + BENCH_HEADER_BYTES > data_end || write_next(data, data_end)) return TC_ACT_STOLEN;
  bpf_tail_call(ctx, &next_tc, 0);
  return TC_ACT_STOLEN;
}

/* Programs that do nothing else, of the kind that ours are. "half" lets every other packet pass. */
SEC("xdp.frags")
int xdp_drop(struct xdp_md *ctx __attribute__((unused))) {
  return XDP_DROP;
}

SEC("xdp.frags")
int xdp_pass(struct xdp_md *ctx __attribute__((unused))) {
  return XDP_PASS;
}

__u32 half = 0;

SEC("xdp.frags")
int xdp_half(struct xdp_md *ctx __attribute__((unused))) {
  return half++ & 1 ? XDP_PASS : XDP_DROP;
}

/* Reads the EtherType, as whatever looks at packets must, and drops. */
SEC("xdp.frags")
int xdp_read(struct xdp_md *ctx) {
  const __u8 *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

  if (data + 14 > data_end) return XDP_ABORTED;
  return *(const volatile __u16 *)(data + 12) ? XDP_DROP : XDP_ABORTED;
}

SEC("tc")
int tc_drop(struct __sk_buff *skb __attribute__((unused))) {
  return TC_ACT_SHOT;
}

SEC("tc")
int tc_pass(struct __sk_buff *skb __attribute__((unused))) {
  return TC_ACT_UNSPEC;
}

SEC("tc")
int tc_half(struct __sk_buff *skb __attribute__((unused))) {
  return half++ & 1 ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
