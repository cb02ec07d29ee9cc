/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Verdicts and reasons. NW_REASONS is the one list of reasons: number, name, verdict it goes with ("rule": the rule's
 * action decides), meaning. Numbers are append-only; the names appear in counters, trace, status, docs and tests. */
#ifndef NW_VERDICT_H
#define NW_VERDICT_H

#include "types.h"

#define NW_DENY 0
#define NW_ALLOW 1
#define NW_NEXT 2 /* of a chain only: no rule decided, the next stage does */
#define NW_LOG 3  /* of a chain's LOG variant only */

/* X(number, SYMBOL, "name", "verdict", "meaning") */
#define NW_REASONS(X) \
  X(1, POLICY, "policy", "rule", "a rule of a policy matched") \
  X(2, TIER_DEFAULT, "tier_default", "deny", "no rule of the tier matched and its default action is Deny") \
  X(3, PROFILE, "profile", "rule", "a rule of a profile matched") \
  X(4, NO_PROFILE, "no_profile", "deny", "no policy decided and no rule of a profile matched") \
  X(5, FAILSAFE, "failsafe", "allow", "a failsafe port") \
  X(6, ESTABLISHED, "established", "allow", "a packet of a flow that was allowed") \
  X(7, RELATED, "related", "allow", "an ICMP error about a flow that was allowed") \
  X(8, NO_ENDPOINT, "no_endpoint", "allow", "no host endpoint governs the interface") \
  X(9, FORWARDED, "forwarded", "allow", "the host is neither source nor destination") \
  X(10, NOT_IP, "not_ip", "allow", "ARP or another protocol that carries no IP") \
  X(11, NEIGHBOUR, "neighbour", "allow", "well-formed IPv6 neighbour discovery, router discovery or MLD") \
  X(12, SHORT, "short", "deny", "the packet ends inside a header") \
  X(13, MALFORMED, "malformed", "deny", "a header contradicts itself or the frame") \
  X(14, L2_DEPTH, "l2_depth", "deny", "more than two VLAN tags") \
  X(15, UNKNOWN_ETHERTYPE, "unknown_ethertype", "deny", "a tunnel below IP (MPLS, PPPoE) that is not looked into") \
  X(16, V6_EXT_LIMIT, "v6_ext_limit", "deny", "too many or too long IPv6 extension headers, or out of order") \
  X(17, SOURCE_ROUTE, "source_route", "deny", "IPv4 source route option or IPv6 type 0 routing header") \
  X(18, FRAG_NO_FIRST, "frag_no_first", "deny", "a later fragment whose first fragment was not allowed here") \
  X(19, FRAG_TINY, "frag_tiny", "deny", "a first fragment without the whole transport header") \
  X(20, TCP_FLAGS, "tcp_flags", "deny", "an impossible combination of TCP flags") \
  X(21, MARTIAN, "martian", "deny", "a source or destination that cannot be on this wire") \
  X(22, V4_MAPPED, "v4_mapped", "deny", "an IPv4-mapped IPv6 address on the wire") \
  X(23, NEIGHBOUR_MALFORMED, "neighbour_malformed", "deny", "neighbour discovery with a hop limit other than 255") \
  X(24, ICMP_UNRELATED, "icmp_unrelated", "deny", "an ICMP error about no flow that was allowed") \
  X(25, FAULT_IMAGE, "fault_image", "deny", "internal: no policy image, or it is damaged") \
  X(26, FAULT_ENDPOINT, "fault_endpoint", "deny", "internal: the interface's endpoint is not in the image") \
  X(27, FAULT_MAP, "fault_map", "deny", "internal: a map that must have an entry has none, or the entry was in use")

enum nw_reason {
  NW_REASON_NONE = 0,
#define NW_REASON_ENUM(number, symbol, name, verdict, meaning) NW_REASON_##symbol = number,
  NW_REASONS(NW_REASON_ENUM)
#undef NW_REASON_ENUM
  NW_REASON_COUNT
};

#define NW_REASON_SLOTS 64 /* room in nw_counter; more than NW_REASON_COUNT */

#endif
