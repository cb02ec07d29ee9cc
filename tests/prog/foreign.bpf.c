/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What other people's programs and hardware do to packets before ours see them. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TCX_NEXT_PROGRAM (-1)

const volatile __u32 to_ifindex = 0;

/* A tag beside the frame, as hardware delivers it. */
SEC("tcx/egress")
int push_tag(struct __sk_buff *ctx) {
  return bpf_skb_vlan_push(ctx, bpf_htons(0x8100), 10) ? TC_ACT_SHOT : TCX_NEXT_PROGRAM;
}

/* Into the ingress of an interface that the packet did not come in by. */
SEC("tcx/egress")
int redirect_in(struct __sk_buff *ctx) {
  (void)ctx;
  return bpf_redirect(to_ifindex, BPF_F_INGRESS);
}

/* All bits of metadata that anybody could take for a mark. */
SEC("xdp.frags")
int leave_metadata(struct xdp_md *ctx) {
  void *data;
  __u32 *mark;

  if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark))) return XDP_ABORTED;
  mark = (void *)(long)ctx->data_meta;
  data = (void *)(long)ctx->data;
  if ((void *)(mark + 1) > data) return XDP_ABORTED;
  *mark = 0xffffffff;
  return XDP_PASS;
}

char foreign_license[] SEC("license") = "Dual BSD/GPL";
