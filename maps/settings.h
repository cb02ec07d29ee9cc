/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* nw_settings: a variable, struct nw_settings. What the programs need to know beside the policy. */
#ifndef NW_SETTINGS_H
#define NW_SETTINGS_H

#include "types.h"

#define NW_SETTING_KEEP_ESTABLISHED 1U /* established flows are not judged again when policy changes */

struct nw_port_range {
  __u16 first; /* inclusive, host order */
  __u16 last;
};
NW_ASSERT_SIZE(struct nw_port_range, 4);

#define NW_MAX_SERVICE_PORT_RANGES 7U

struct nw_settings {
  __u64 syn_sent_ns; /* TCP, not answered */
  __u64 tcp_established_ns;
  __u64 fins_seen_ns;
  __u64 reset_seen_ns;
  __u64 udp_ns;
  __u64 icmp_ns;
  __u64 generic_ns;
  __u32 flags; /* NW_SETTING_* */
  __u32 log_burst; /* packets that may be logged at once */
  __u64 log_interval_ns; /* between two logged packets on the long run; 0: no limit */
  __u32 service_port_ranges; /* of service_ports */
  struct nw_port_range service_ports[NW_MAX_SERVICE_PORT_RANGES]; /* TCP, UDP, SCTP to an address of the host: a service sends it elsewhere */
};
NW_ASSERT_SIZE(struct nw_settings, 104);

#endif
