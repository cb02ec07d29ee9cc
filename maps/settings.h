/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* nw_settings: ARRAY with one struct nw_settings. What the programs need to know beside the policy. */
#ifndef NW_SETTINGS_H
#define NW_SETTINGS_H

#include "types.h"

#define NW_SETTING_KEEP_ESTABLISHED 1U /* established flows are not judged again when policy changes */

struct nw_settings {
  __u64 syn_sent_ns; /* TCP, not answered */
  __u64 tcp_established_ns;
  __u64 fins_seen_ns;
  __u64 reset_seen_ns;
  __u64 udp_ns;
  __u64 icmp_ns;
  __u64 generic_ns;
  __u32 flags; /* NW_SETTING_* */
  __u32 pad;
};
NW_ASSERT_SIZE(struct nw_settings, 64);

#endif
