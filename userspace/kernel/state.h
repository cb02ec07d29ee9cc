// What the files of this room share: the loaded object and small wrappers over libbpf. Not for other rooms.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "kernel/datapath.h"
#include "kernel/flow_lines.h"
#include "kernel/flow_table.h"
#include "kernel/skeleton.h"

namespace nodewall::kernel {

struct SkeletonDelete {
  void operator()(nodewall_bpf* skeleton) const { nodewall_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<nodewall_bpf, SkeletonDelete>;

struct RingDelete {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

// Where libbpf puts the records of one read.
struct EventSink {
  EventBatch batch;
  std::size_t left = 0;
};

// A part of a policy image. It stays mapped from its first change on: to map 4 MB takes longer than most changes do.
struct Chunk {
  Fd map;
  std::optional<Mapped> memory;
};

struct Datapath::State {
  DatapathOptions options;
  Skeleton skeleton;
  bool adopted = false;
  std::map<std::pair<std::uint32_t, Hook>, Fd> links;  // without pins the links live here
  // Inner maps. To open one by its number takes CAP_SYS_ADMIN, which a daemon has given up after its start.
  std::array<std::vector<Chunk>, NW_BANKS> chunks;  // of the policy image
  std::vector<Fd> counters, rule_counters;      // parts
  bool unsettled = false;                        // packets may still see an older policy
  bool last_given = false;                       // the live image is of this process,
  std::optional<std::vector<LineRange>> standby_changes;  // and the other bank lacks no more than this
  std::optional<FlowTable> flows;                      // nw_ct_new
  std::optional<FlowLines> flow_lines;                // nw_ct_line
  EventSink event_sink;
  std::unique_ptr<ring_buffer, RingDelete> events;     // nw_events, mapped by the first read
  nw_recorded* recorded = nullptr;                     // mapped when test runs are possible
  std::optional<nw_interface> run_interface;           // what stands at ifindex 1

  ~State();
  [[nodiscard]] bool pinned() const { return !options.pin_dir.empty(); }
  [[nodiscard]] int map(const bpf_map* map) const { return bpf_map__fd(map); }
  [[nodiscard]] int program(Hook hook) const;
  // policy_image.cc
  [[nodiscard]] Result<nw_live> live() const;
  Status open_chunks(std::uint32_t bank);
  Status fit_chunks(std::uint32_t bank, std::size_t count);
  Status write_standby(std::uint32_t bank, std::span<const nw_line> lines, const std::optional<std::vector<LineRange>>& lacks);
  Status go_live(const nw_live& next);
  Status put_interface(std::uint32_t ifindex, const nw_interface& entry);  // interface_maps.cc
  [[nodiscard]] Result<std::vector<nw_failsafe_word>> failsafe_words() const;  // policy_maps.cc
  Status for_each_flow(const std::function<void(const nw_ct_key&, FlowTable::In)>& flow) const;  // conntrack.cc
  Status hint_flows();
  Status free_lines();
  Status renew_hint(std::size_t count);
  Status sweep_hint(const FlowTable::Count& left);
  Status open_counters();  // those that are there; counters.cc
  Status reserve_counters(std::uint32_t interface_counter);
  // Returns when every packet is through that was at work when it was called; inner_maps.cc.
  Status wait_for_packets();
};

// Where our filter sits under clsact.
inline constexpr __u32 kClsactHandle = 0x6e77;
inline constexpr __u32 kClsactPriority = 1;

// Opens the object, adopting maps pinned under options.pin_dir; object.cc.
Result<Skeleton> load_object(const DatapathOptions& options, bool& adopted);
// The last step of a change of conntrack's size, when no program uses the old table any more; object.cc.
Status finish_resize(const DatapathOptions& options, int flows);
// The kernel is short of something, or does not let us: that says nothing about what is pinned.
constexpr bool passes_by(int error) {
  return error == ENOMEM || error == EMFILE || error == ENFILE || error == EINTR || error == EAGAIN || error == EPERM;
}

// Pins; pins.cc.
std::string maps_dir(const std::string& pin_dir);
std::string links_dir(const std::string& pin_dir);
std::string link_path(const std::string& pin_dir, std::uint32_t ifindex, Hook hook);
struct LinkPin {
  std::string path;
  std::uint32_t ifindex = 0;
  Hook hook = Hook::tc_ingress;
};
std::vector<LinkPin> list_link_pins(const std::string& pin_dir);
Status prepare_pin_dir(const std::string& pin_dir);

// The entries of a hash-like map, by value.
template <typename Key>
Result<std::vector<Key>> map_keys(int fd) {
  std::vector<Key> keys;
  Key key{}, next{};
  // Bounded: other writers may keep a walk going for ever.
  for (std::size_t i = 0; i < 4'000'000; ++i) {
    if (bpf_map_get_next_key(fd, i == 0 ? nullptr : &key, &next) != 0) {
      // A part of them, taken for all, would leave entries where they must go.
      if (errno != ENOENT) return fail(errno_error("walk over a map", errno));
      break;
    }
    keys.push_back(next);
    key = next;
  }
  return keys;
}

// A key that is gone when it is looked up was removed meanwhile.
template <typename Key, typename Value>
Result<std::vector<std::pair<Key, Value>>> map_entries(int fd) {
  auto keys = map_keys<Key>(fd);
  if (!keys) return fail(std::move(keys.error()));
  std::vector<std::pair<Key, Value>> entries;
  for (const auto& key : *keys) {
    Value value{};
    if (bpf_map_lookup_elem(fd, &key, &value) == 0) entries.emplace_back(key, value);
    else if (errno != ENOENT) return fail(errno_error("look an entry of a map up", errno));
  }
  return entries;
}

// The inner map at `entry` of `outer`: `known` when it is that one, else opened and kept in `known`. The answer is borrowed. There is none:
// sys_errno is ENOENT.
Result<int> inner_map(int outer, std::uint32_t entry, Fd& known);
bool stands_at(int outer, std::uint32_t entry, int inner);
// Puts them at `first` and the entries behind it; one wait for all where the kernel can.
Status put_inner_maps(int outer, std::uint32_t first, const std::vector<Fd>& maps);

int cpu_count();
void quiet_libbpf();  // what it would print is part of an error, or nothing

}  // namespace nodewall::kernel
