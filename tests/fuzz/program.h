/* The programs of bpf/, built for user space (program.c), and their maps by name. Included by C and C++. */
#ifndef NW_FUZZ_PROGRAM_H
#define NW_FUZZ_PROGRAM_H

#include "machine.h"

#ifdef __cplusplus
extern "C" {
#endif

int nw_xdp_ingress(struct xdp_md *ctx);
int nw_tc_ingress(struct __sk_buff *ctx);
int nw_tc_egress(struct __sk_buff *ctx);

/* Where a map is, to be given to the machine. */
struct program_maps {
  const void *settings, *failsafe, *failsafe_net, *interface, *interface_cache, *local, *local_cache, *policy, *live, *rule_counter;
  const void *ct, *ct_line, *ct_bucket, *ct_hint, *ct_new, *fragment, *counter, *ct_counter, *event_state;
};
extern const struct program_maps program_maps;

/* Announces all maps to the machine; once. */
void program_announce_maps(void);

#ifdef __cplusplus
}
#endif

#endif
