// Maps inside of maps.
#include <numeric>

#include "kernel/state.h"

namespace nodewall::kernel {

namespace {

bool has_id(int map, __u32 id) {
  bpf_map_info info{};
  __u32 length = sizeof(info);
  return map >= 0 && bpf_map_get_info_by_fd(map, &info, &length) == 0 && info.id == id;
}

}  // namespace

bool stands_at(int outer, std::uint32_t entry, int inner) {
  __u32 id = 0;
  return bpf_map_lookup_elem(outer, &entry, &id) == 0 && has_id(inner, id);
}

Result<int> inner_map(int outer, std::uint32_t entry, Fd& known) {
  __u32 id = 0;
  if (bpf_map_lookup_elem(outer, &entry, &id) != 0) return fail(errno_error("read an inner map", errno));
  if (known.valid() && has_id(known.get(), id)) return known.get();
  Fd inner(bpf_map_get_fd_by_id(id));
  if (!inner.valid()) return fail(errno_error("open an inner map", errno));
  known = std::move(inner);
  return known.get();
}

// Each single update waits until no packet sees what was there. A batch waits once; Linux before 5.16 has none for these maps.
Status put_inner_maps(int outer, std::uint32_t first, const std::vector<Fd>& maps) {
  if (maps.empty()) return {};
  std::vector<__u32> entries(maps.size());
  std::iota(entries.begin(), entries.end(), first);
  std::vector<int> fds;
  for (const auto& map : maps) fds.push_back(map.get());
  auto count = static_cast<__u32>(maps.size());
  if (maps.size() > 1 && bpf_map_update_batch(outer, entries.data(), fds.data(), &count, nullptr) == 0) return {};
  for (std::size_t i = 0; i < maps.size(); ++i)
    if (bpf_map_update_elem(outer, &entries[i], &fds[i], BPF_ANY) != 0) return fail(errno_error("put an inner map in its place", errno));
  return {};
}

// An update of a map of maps waits for the packets that may see the old inner map; here both are the same.
Status Datapath::State::wait_for_packets() {
  const __u32 first = 0;
  const int outer = map(skeleton->maps.nw_rule_counter);
  if (rule_counters.empty()) return fail(Errc::internal, "there are no rule counters to wait by");
  const int same = rule_counters.front().get();
  if (bpf_map_update_elem(outer, &first, &same, BPF_ANY) != 0) return fail(errno_error("wait for packets in flight", errno));
  return {};
}

}  // namespace nodewall::kernel
