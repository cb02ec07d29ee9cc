// Reading counters: per-CPU values summed.
#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

nw_count summed(const nw_count* values) {
  nw_count sum{};
  for (int cpu = 0; cpu < cpu_count(); ++cpu) {
    sum.packets += values[cpu].packets;
    sum.bytes += values[cpu].bytes;
  }
  return sum;
}

// `count` entries from `first` of a per-CPU array of nw_count.
Result<std::vector<nw_count>> read_counts(int fd, __u32 first, __u32 count) {
  std::vector<nw_count> values(static_cast<std::size_t>(cpu_count()));
  std::vector<nw_count> sums(count);
  for (__u32 i = 0; i < count; ++i) {
    const __u32 index = first + i;
    if (bpf_map_lookup_elem(fd, &index, values.data()) != 0) return fail(errno_error("read counters", errno));
    sums[i] = summed(values.data());
  }
  return sums;
}

}  // namespace

Result<std::vector<nw_count>> Datapath::counters(std::uint32_t interface_counter) const {
  if (interface_counter >= NW_MAX_INTERFACES) return fail(Errc::limit, "no such block of counters");
  return read_counts(state_->map(state_->skeleton->maps.nw_counter), nw_counter_index(interface_counter, 0, 0),
                     NW_DIRECTIONS * NW_REASON_SLOTS);
}

Status Datapath::clear_counters(std::uint32_t interface_counter) {
  if (interface_counter >= NW_MAX_INTERFACES) return fail(Errc::limit, "no such block of counters");
  const std::vector<nw_count> zeros(static_cast<std::size_t>(cpu_count()));
  const __u32 first = nw_counter_index(interface_counter, 0, 0);
  for (__u32 index = first; index < first + NW_DIRECTIONS * NW_REASON_SLOTS; ++index)
    if (bpf_map_update_elem(state_->map(state_->skeleton->maps.nw_counter), &index, zeros.data(), BPF_ANY) != 0)
      return fail(errno_error("clear counters", errno));
  return {};
}

Result<std::vector<nw_count>> Datapath::rule_counters() const {
  auto map = live_inner_map(state_->map(state_->skeleton->maps.nw_rule_counter), state_->rule_counters);
  if (!map) return fail(map.error());
  bpf_map_info info{};
  __u32 length = sizeof(info);
  if (bpf_map_get_info_by_fd(*map, &info, &length) != 0) return fail(errno_error("read rule counters", errno));
  if (info.max_entries > NW_MAX_RULE_COUNTERS || info.value_size != sizeof(nw_count))
    return fail(Errc::abi, "the pinned rule counters have another shape");
  return read_counts(*map, 0, info.max_entries);
}

Status Datapath::clear_rule_counter(std::uint32_t slot) {
  auto map = live_inner_map(state_->map(state_->skeleton->maps.nw_rule_counter), state_->rule_counters);
  if (!map) return fail(map.error());
  const std::vector<nw_count> zeros(static_cast<std::size_t>(cpu_count()));
  if (bpf_map_update_elem(*map, &slot, zeros.data(), BPF_ANY) != 0) return fail(errno_error("clear a rule counter", errno));
  return {};
}

Result<std::vector<std::uint64_t>> Datapath::conntrack_counters() const {
  std::vector<std::uint64_t> values(static_cast<std::size_t>(cpu_count()));
  std::vector<std::uint64_t> sums(NW_CT_COUNTS);
  for (__u32 index = 0; index < NW_CT_COUNTS; ++index) {
    if (bpf_map_lookup_elem(state_->map(state_->skeleton->maps.nw_ct_counter), &index, values.data()) != 0)
      return fail(errno_error("read conntrack counters", errno));
    for (const auto value : values) sums[index] += value;
  }
  return sums;
}

}  // namespace nodewall::kernel
