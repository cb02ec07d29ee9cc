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

// Those that are there.
Status open_parts(int outer, std::uint32_t most, std::vector<Fd>& known) {
  for (std::uint32_t i = 0; i < most / NW_PART_COUNTS; ++i) {
    if (i == known.size()) known.emplace_back();
    auto opened = inner_map(outer, i, known[i]);
    if (opened) continue;
    known.resize(i);
    if (opened.error().sys_errno == ENOENT) break;
    return fail(opened.error());
  }
  return {};
}

// Room for `counts` of them.
Status reserve_parts(int outer, std::uint32_t counts, std::vector<Fd>& have) {
  std::vector<Fd> made;
  while ((have.size() + made.size()) * NW_PART_COUNTS < counts) {
    made.emplace_back(bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "nw_part", sizeof(__u32), sizeof(nw_count), NW_PART_COUNTS, nullptr));
    if (!made.back().valid()) return fail(errno_error("create counters", errno));
  }
  if (auto done = put_inner_maps(outer, static_cast<std::uint32_t>(have.size()), made); !done) return done;
  for (auto& map : made) have.push_back(std::move(map));
  return {};
}

Status clear_counts(const Fd& part, __u32 first, __u32 count) {
  const std::vector<nw_count> zeros(static_cast<std::size_t>(cpu_count()));
  for (__u32 index = first; index < first + count; ++index)
    if (bpf_map_update_elem(part.get(), &index, zeros.data(), BPF_ANY) != 0) return fail(errno_error("clear counters", errno));
  return {};
}

constexpr std::uint32_t kBlock = NW_DIRECTIONS * NW_REASON_SLOTS;  // of an interface; never in two parts
static_assert(NW_PART_COUNTS % kBlock == 0);

}  // namespace

Status Datapath::State::open_counters() {
  if (auto opened = open_parts(map(skeleton->maps.nw_counter), NW_MAX_INTERFACES * kBlock, counters); !opened) return opened;
  return open_parts(map(skeleton->maps.nw_rule_counter), NW_MAX_RULE_COUNTERS, rule_counters);
}

Status Datapath::State::reserve_counters(std::uint32_t interface_counter) {
  if (interface_counter >= NW_MAX_INTERFACES) return fail(Errc::limit, "no such block of counters");
  if (auto done = reserve_parts(map(skeleton->maps.nw_counter), (interface_counter + 1) * kBlock, counters); !done)
    return fail(std::move(done.error()).in("counters of interfaces"));
  return {};
}

Result<std::vector<nw_count>> Datapath::counters(std::uint32_t interface_counter) const {
  if (interface_counter >= NW_MAX_INTERFACES) return fail(Errc::limit, "no such block of counters");
  if (auto opened = state_->open_counters(); !opened) return fail(opened.error());
  const auto first = nw_counter_index(interface_counter, 0, 0);
  const auto& parts = state_->counters;
  if (first / NW_PART_COUNTS >= parts.size()) return std::vector<nw_count>(kBlock);  // nothing is counted there yet
  return read_counts(parts[first / NW_PART_COUNTS].get(), first % NW_PART_COUNTS, kBlock);
}

Status Datapath::clear_counters(std::uint32_t interface_counter) {
  if (auto done = state_->reserve_counters(interface_counter); !done) return done;
  const auto first = nw_counter_index(interface_counter, 0, 0);
  return clear_counts(state_->counters[first / NW_PART_COUNTS], first % NW_PART_COUNTS, kBlock);
}

Status Datapath::reserve_rule_counters(std::uint32_t slots) {
  if (slots > NW_MAX_RULE_COUNTERS) return fail(Errc::limit, "more rules than counters: " + std::to_string(slots));
  if (auto done = reserve_parts(state_->map(state_->skeleton->maps.nw_rule_counter), slots, state_->rule_counters); !done)
    return fail(std::move(done.error()).in("rule counters"));
  return {};
}

Result<std::vector<nw_count>> Datapath::rule_counters() const {
  if (auto opened = state_->open_counters(); !opened) return fail(opened.error());
  std::vector<nw_count> all;
  for (const auto& map : state_->rule_counters) {
    auto part = read_counts(map.get(), 0, NW_PART_COUNTS);
    if (!part) return part;
    all.insert(all.end(), part->begin(), part->end());
  }
  return all;
}

Status Datapath::clear_rule_counter(std::uint32_t slot) {
  const auto& parts = state_->rule_counters;
  if (slot / NW_PART_COUNTS >= parts.size()) return fail(Errc::not_found, "there is no such rule counter");
  return clear_counts(parts[slot / NW_PART_COUNTS], slot % NW_PART_COUNTS, 1);
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
