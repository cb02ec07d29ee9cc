// The layouts as the compiler of the programs saw them (BTF of the object) against those of this side.
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernel/datapath.h"
#include "kernel/skeleton.h"
#include "maps/conntrack.h"
#include "maps/counters.h"
#include "maps/endpoint.h"
#include "maps/failsafe.h"
#include "maps/policy.h"
#include "maps/settings.h"

namespace {

struct Member {
  std::string name;
  std::size_t offset = 0, size = 0;
};

struct Layout {
  std::string name;
  std::size_t size = 0;
  std::vector<Member> members;
};

#define MEMBER(type, member) Member{#member, offsetof(type, member), sizeof(type::member)}

// The parts of a policy image and counts are not here: the object keeps no types of what it reaches by casts. Both sides walk an image by one
// text (maps/policy_walk.h).
std::vector<Layout> layouts() {
  return {
      {"nw_stamp", sizeof(nw_stamp), {MEMBER(nw_stamp, magic), MEMBER(nw_stamp, abi_version), MEMBER(nw_stamp, netns_cookie)}},
      {"nw_addr", sizeof(nw_addr), {MEMBER(nw_addr, bytes)}},
      {"nw_interface", sizeof(nw_interface),
       {MEMBER(nw_interface, endpoint), MEMBER(nw_interface, counter), MEMBER(nw_interface, flags), MEMBER(nw_interface, pad)}},
      {"nw_cached_local", sizeof(nw_cached_local),
       {MEMBER(nw_cached_local, address), MEMBER(nw_cached_local, flags), MEMBER(nw_cached_local, pad)}},
      {"nw_live", sizeof(nw_live), {MEMBER(nw_live, bank), MEMBER(nw_live, generation)}},
      {"nw_failsafe_word", sizeof(nw_failsafe_word), {MEMBER(nw_failsafe_word, any), MEMBER(nw_failsafe_word, nets)}},
      {"nw_failsafe_key", sizeof(nw_failsafe_key),
       {MEMBER(nw_failsafe_key, prefixlen), MEMBER(nw_failsafe_key, direction), MEMBER(nw_failsafe_key, is_udp),
        MEMBER(nw_failsafe_key, port_be), MEMBER(nw_failsafe_key, peer)}},
      {"nw_settings", sizeof(nw_settings),
       {MEMBER(nw_settings, syn_sent_ns), MEMBER(nw_settings, tcp_established_ns), MEMBER(nw_settings, fins_seen_ns),
        MEMBER(nw_settings, reset_seen_ns), MEMBER(nw_settings, udp_ns), MEMBER(nw_settings, icmp_ns),
        MEMBER(nw_settings, generic_ns), MEMBER(nw_settings, flags), MEMBER(nw_settings, log_burst),
        MEMBER(nw_settings, log_interval_ns), MEMBER(nw_settings, service_port_ranges), MEMBER(nw_settings, service_ports)}},
      {"nw_ct_key", sizeof(nw_ct_key),
       {MEMBER(nw_ct_key, a), MEMBER(nw_ct_key, b), MEMBER(nw_ct_key, port_a_be), MEMBER(nw_ct_key, port_b_be),
        MEMBER(nw_ct_key, protocol), MEMBER(nw_ct_key, leg), MEMBER(nw_ct_key, pad), MEMBER(nw_ct_key, held)}},
      {"nw_ct_entry", sizeof(nw_ct_entry),
       {MEMBER(nw_ct_entry, created), MEMBER(nw_ct_entry, seen), MEMBER(nw_ct_entry, generation), MEMBER(nw_ct_entry, rule),
        MEMBER(nw_ct_entry, ifindex), MEMBER(nw_ct_entry, flags)}},
      {"nw_ct_slot", sizeof(nw_ct_slot), {MEMBER(nw_ct_slot, key), MEMBER(nw_ct_slot, entry)}},
      {"nw_ct_bucket", sizeof(nw_ct_bucket),
       {MEMBER(nw_ct_bucket, tags), MEMBER(nw_ct_bucket, turn), MEMBER(nw_ct_bucket, expected), MEMBER(nw_ct_bucket, pad)}},
      {"nw_ct_state", sizeof(nw_ct_state), {MEMBER(nw_ct_state, secret), MEMBER(nw_ct_state, hint), MEMBER(nw_ct_state, mask), MEMBER(nw_ct_state, pad)}},
      {"nw_fragment_key", sizeof(nw_fragment_key),
       {MEMBER(nw_fragment_key, source), MEMBER(nw_fragment_key, destination), MEMBER(nw_fragment_key, id),
        MEMBER(nw_fragment_key, ifindex), MEMBER(nw_fragment_key, protocol), MEMBER(nw_fragment_key, direction),
        MEMBER(nw_fragment_key, pad)}},
      {"nw_recorded", sizeof(nw_recorded),
       {MEMBER(nw_recorded, reason), MEMBER(nw_recorded, verdict), MEMBER(nw_recorded, counter), MEMBER(nw_recorded, logged),
        MEMBER(nw_recorded, staged), MEMBER(nw_recorded, staged_counter)}},
  };
}

struct Destroy {
  void operator()(nodewall_bpf* skeleton) const { nodewall_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<nodewall_bpf, Destroy>;

void compare(const btf* types, const Layout& layout) {
  CAPTURE(layout.name);
  const auto id = btf__find_by_name_kind(types, layout.name.c_str(), BTF_KIND_STRUCT);
  REQUIRE(id > 0);
  const auto* type = btf__type_by_id(types, static_cast<__u32>(id));
  CHECK(type->size == layout.size);
  REQUIRE(btf_vlen(type) == layout.members.size());
  const auto* members = btf_members(type);
  for (std::size_t i = 0; i < layout.members.size(); ++i) {
    CAPTURE(layout.members[i].name);
    CHECK(layout.members[i].name == btf__name_by_offset(types, members[i].name_off));
    CHECK(btf_member_bit_offset(type, static_cast<__u32>(i)) == layout.members[i].offset * 8);
    CHECK(static_cast<std::size_t>(btf__resolve_size(types, members[i].type)) == layout.members[i].size);
  }
}

}  // namespace

TEST_CASE("the layouts of the object are those of user space, member by member", "[abi]") {
  const Skeleton skeleton(nodewall_bpf__open());
  REQUIRE(skeleton);
  const auto* types = bpf_object__btf(skeleton->obj);
  REQUIRE(types != nullptr);
  for (const auto& layout : layouts()) compare(types, layout);
}

TEST_CASE("keys and values of the maps have the sizes of their structs", "[abi]") {
  const Skeleton skeleton(nodewall_bpf__open());
  REQUIRE(skeleton);
  struct Sizes {
    const bpf_map* map;
    std::size_t key, value;
  };
  const auto& maps = skeleton->maps;
  for (const auto& [map, key, value] : {Sizes{maps.nw_stamp, 4, sizeof(nw_stamp)}, Sizes{maps.data_nw_settings, 4, sizeof(nw_settings)},
                                        Sizes{maps.data_nw_failsafe, 4, sizeof(nw_failsafe_word) * NW_FAILSAFE_WORDS},
                                        Sizes{maps.nw_failsafe_net, sizeof(nw_failsafe_key), 1},
                                        Sizes{maps.nw_interface, 4, sizeof(nw_interface)}, Sizes{maps.nw_local, sizeof(nw_addr), 4},
                                        Sizes{maps.data_nw_if_cache, 4, 8 * NW_CACHE_LINES}, Sizes{maps.data_nw_local_cache, 4, sizeof(nw_cached_local) * NW_CACHE_LINES},
                                        Sizes{maps.data_nw_live, 4, sizeof(nw_live)},
                                        Sizes{maps.nw_ct, sizeof(nw_ct_key), sizeof(nw_ct_entry)},
                                        Sizes{maps.nw_ct_line, 4, sizeof(nw_ct_slot)}, Sizes{maps.nw_ct_new, 4, sizeof(nw_ct_slot)},
                                        Sizes{maps.nw_ct_bucket, 4, sizeof(nw_ct_bucket)}, Sizes{maps.nw_ct_hint, 4, 8}, Sizes{maps.data_nw_ct_state, 4, sizeof(nw_ct_state)},
                                        Sizes{maps.nw_fragment, sizeof(nw_fragment_key), 8},
                                        Sizes{maps.data_nw_recorded, 4, sizeof(nw_recorded)}}) {
    CAPTURE(bpf_map__name(map));
    CHECK(bpf_map__key_size(map) == key);
    CHECK(bpf_map__value_size(map) == value);
  }
}

TEST_CASE("which maps outlive a process is known by their names, also as the kernel cuts them", "[abi]") {
  for (const auto* name : {"nw_live", ".data.nw_live", ".data.nw_settin", ".data.nw_ct_sta"}) CHECK(nodewall::kernel::is_pinned_map(name));
  for (const auto* name : {"nw_recorded", ".data.nw_recorded", ".data.nw_record", "nw_scratch", "nodewall.rodata", ".rodata"})
    CHECK_FALSE(nodewall::kernel::is_pinned_map(name));
}

TEST_CASE("T-C4 the tables that strangers fill are seeded by the kernel", "[abi]") {
  const Skeleton skeleton(nodewall_bpf__open());
  REQUIRE(skeleton);
  const auto& maps = skeleton->maps;
  for (const bpf_map* map : {maps.nw_ct, maps.nw_fragment, maps.nw_local})
    CHECK((bpf_map__map_flags(map) & BPF_F_ZERO_SEED) == 0);
}
