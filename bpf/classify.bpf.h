/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Stage 4: the policy image decides (maps/policy.h, maps/policy_walk.h). */
#ifndef NW_CLASSIFY_BPF_H
#define NW_CLASSIFY_BPF_H

#include "image.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

static __always_inline void query_address(const struct nw_addr *address, __u64 *high, __u64 *low, __u32 is_v4) {
  const __u64 *words = (const __u64 *)address->bytes;

  *high = is_v4 ? 0 : bpf_be64_to_cpu(words[0]);
  *low = is_v4 ? addr_v4(address) : bpf_be64_to_cpu(words[1]);
}

/* Judges the packet, or with `reversed` the first packet of the flow that this packet answers. */
NW_GLOBAL int classify(const struct packet *packet, __u32 slot, __u32 reversed, struct nw_answer *answer) {
  struct nw_query query = {};
  nw_image image = policy_image();

  if (!packet || !answer) return 0;
  nw_answer_fault(answer, NW_REASON_FAULT_IMAGE);
  if (!image) return 0;
  query.is_v4 = packet->is_v4;
  query.protocol = packet->protocol;
  query.slot = slot;
  query.chain = reversed ? !packet->direction : packet->direction;
  if (reversed) {
    query_address(&packet->destination, &query.source_high, &query.source_low, packet->is_v4);
    query_address(&packet->source, &query.destination_high, &query.destination_low, packet->is_v4);
    query.source_port = bpf_ntohs(packet->destination_port_be);
    query.destination_port = bpf_ntohs(packet->source_port_be);
  } else {
    query_address(&packet->source, &query.source_high, &query.source_low, packet->is_v4);
    query_address(&packet->destination, &query.destination_high, &query.destination_low, packet->is_v4);
    query.source_port = bpf_ntohs(packet->source_port_be);
    query.destination_port = bpf_ntohs(packet->destination_port_be);
  }
  if (packet_is_icmp(packet)) {
    /* A tracked ICMP flow is an echo, begun by a request. */
    query.source_port = 0;
    query.destination_port = reversed ? icmp_echo_request(packet->is_v4) << 8 : packet->icmp_type << 8 | packet->icmp_code;
  }
  nw_walk(image, &query, answer);
  /* An image knows no other reasons; some of them would allow. */
  if (answer->rule != NW_WALK_FAULT && answer->reason > NW_REASON_NO_PROFILE) nw_answer_fault(answer, NW_REASON_FAULT_IMAGE);
  return 0;
}

#endif
