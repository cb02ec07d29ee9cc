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

Status Datapath::State::open_rule_counters() {
  const int outer = map(skeleton->maps.nw_rule_counter);
  for (std::uint32_t i = 0; i < NW_MAX_RULE_COUNTERS / NW_RULE_COUNTS; ++i) {
    if (i == rule_counters.size()) rule_counters.emplace_back();
    auto opened = inner_map(outer, i, rule_counters[i]);
    if (opened) continue;
    rule_counters.resize(i);
    if (opened.error().sys_errno == ENOENT) break;
    return fail(opened.error());
  }
  return {};
}

Status Datapath::reserve_rule_counters(std::uint32_t slots) {
  if (slots > NW_MAX_RULE_COUNTERS) return fail(Errc::limit, "more rules than counters: " + std::to_string(slots));
  auto& have = state_->rule_counters;
  std::vector<Fd> made;
  while ((have.size() + made.size()) * NW_RULE_COUNTS < slots) {
    made.emplace_back(bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "nw_rule_counts", sizeof(__u32), sizeof(nw_count), NW_RULE_COUNTS, nullptr));
    if (!made.back().valid()) return fail(errno_error("create rule counters", errno));
  }
  if (auto done = put_inner_maps(state_->map(state_->skeleton->maps.nw_rule_counter), static_cast<std::uint32_t>(have.size()), made); !done)
    return fail(std::move(done.error()).in("rule counters"));
  for (auto& map : made) have.push_back(std::move(map));
  return {};
}

Result<std::vector<nw_count>> Datapath::rule_counters() const {
  if (auto opened = state_->open_rule_counters(); !opened) return fail(opened.error());
  std::vector<nw_count> all;
  for (const auto& map : state_->rule_counters) {
    auto part = read_counts(map.get(), 0, NW_RULE_COUNTS);
    if (!part) return part;
    all.insert(all.end(), part->begin(), part->end());
  }
  return all;
}

Status Datapath::clear_rule_counter(std::uint32_t slot) {
  const auto& maps = state_->rule_counters;
  if (slot / NW_RULE_COUNTS >= maps.size()) return fail(Errc::not_found, "there is no such rule counter");
  const std::vector<nw_count> zeros(static_cast<std::size_t>(cpu_count()));
  const __u32 place = slot % NW_RULE_COUNTS;
  if (bpf_map_update_elem(maps[slot / NW_RULE_COUNTS].get(), &place, zeros.data(), BPF_ANY) != 0)
    return fail(errno_error("clear a rule counter", errno));
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
