/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The entry points: one for each hook, the same pipeline in each. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "pipeline.bpf.h"

/* TC_ACT_UNSPEC under clsact, TCX_NEXT under tcx: the next program may still say no. */
#define TC_NEXT (-1)

SEC("xdp.frags")
int nw_xdp_ingress(struct xdp_md *ctx) {
  return judge(ctx, 1, ctx->ingress_ifindex, NW_INGRESS) == NW_ALLOW ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int nw_tc_ingress(struct __sk_buff *ctx) {
  return judge(ctx, 0, ctx->ifindex, NW_INGRESS) == NW_ALLOW ? TC_NEXT : TC_ACT_SHOT;
}

SEC("tc")
int nw_tc_egress(struct __sk_buff *ctx) {
  return judge(ctx, 0, ctx->ifindex, NW_EGRESS) == NW_ALLOW ? TC_NEXT : TC_ACT_SHOT;
}

char nw_license[] SEC("license") = "Dual BSD/GPL";
