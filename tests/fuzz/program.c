/* The programs of bpf/ in user space: the same text, with the headers of tests/fuzz/shim in place of libbpf's. */
#include "nodewall.bpf.c"

#include "program.h"

#define FIELD(field) (sizeof(*(field)) / sizeof(int)) /* of a map definition: __uint(field, value) */
#define ANNOUNCE(map) machine_map(&map, FIELD(map.type), sizeof(*map.key), sizeof(*map.value), FIELD(map.max_entries))
#define ANNOUNCE_VARIABLE(variable) machine_variable(&variable, sizeof(variable), 1)
#define ANNOUNCE_ARRAY(variable) machine_variable(variable, sizeof(variable[0]), sizeof(variable) / sizeof(variable[0]))
#define ANNOUNCE_OUTER(map) machine_map(&map, FIELD(map.type), sizeof(*map.key), 0, FIELD(map.max_entries))

const struct program_maps program_maps = {
    .settings = &nw_settings,
    .failsafe = nw_failsafe,
    .failsafe_net = &nw_failsafe_net,
    .interface = &nw_interface,
    .local = &nw_local,
    .interface_cache = nw_if_cache,
    .local_cache = nw_local_cache,
    .policy = &nw_policy,
    .live = &nw_live,
    .rule_counter = &nw_rule_counter,
    .ct = &nw_ct,
    .ct_line = &nw_ct_line,
    .ct_bucket = &nw_ct_bucket,
    .ct_hint = &nw_ct_hint,
    .ct_new = &nw_ct_new,
    .fragment = &nw_fragment,
    .counter = &nw_counter,
    .ct_counter = &nw_ct_counter,
    .event_state = &nw_event_state,
};

void program_announce_maps(void) {
  ANNOUNCE_VARIABLE(nw_settings);
  ANNOUNCE_ARRAY(nw_failsafe);
  ANNOUNCE(nw_failsafe_net);
  ANNOUNCE(nw_interface);
  ANNOUNCE(nw_local);
  ANNOUNCE_ARRAY(nw_if_cache);
  ANNOUNCE_ARRAY(nw_local_cache);
  ANNOUNCE_VARIABLE(nw_live);
  ANNOUNCE(nw_scratch);
  ANNOUNCE_OUTER(nw_policy);
  ANNOUNCE_OUTER(nw_rule_counter);
  ANNOUNCE(nw_ct);
  ANNOUNCE(nw_ct_line);
  ANNOUNCE(nw_ct_bucket);
  ANNOUNCE(nw_ct_hint);
  ANNOUNCE(nw_ct_new);
  ANNOUNCE_VARIABLE(nw_ct_state);
  ANNOUNCE(nw_fragment);
  ANNOUNCE_OUTER(nw_counter);
  ANNOUNCE(nw_ct_counter);
  ANNOUNCE_VARIABLE(nw_event_state);
}
