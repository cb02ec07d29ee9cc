// The tables of flows: reading, adoption, sweeping.
#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

constexpr __u8 kTcp = 6, kUdp = 17, kIcmp = 1, kIcmpV6 = 58, kUdpLite = 136;
constexpr std::uint32_t kBatch = 4096;

// As ct_timeout() in bpf/conntrack.bpf.h.
std::uint64_t timeout_ns(const nw_settings& settings, const ConntrackRow& row) {
  constexpr __u32 kFins = NW_CT_FIN_ORIGINAL | NW_CT_FIN_REPLY;
  switch (row.key.protocol) {
    case kUdp:
    case kUdpLite: return settings.udp_ns;
    case kIcmp:
    case kIcmpV6: return settings.icmp_ns;
    case kTcp: break;
    default: return settings.generic_ns;
  }
  if ((row.entry.flags & NW_CT_RST) != 0) return settings.reset_seen_ns;
  if ((row.entry.flags & kFins) == kFins) return settings.fins_seen_ns;
  return row.confirmed ? settings.tcp_established_ns : settings.syn_sent_ns;
}

// Calls `row` for every entry of one table. The batch calls of the kernel give each bucket whole.
Status walk(int fd, bool confirmed, const std::function<void(const ConntrackRow&)>& row) {
  std::vector<nw_ct_key> keys(kBatch);
  std::vector<nw_ct_entry> entries(kBatch);
  __u32 token = 0, next = 0;
  bool first = true;
  for (std::size_t round = 0; round < 100'000; ++round) {  // bounded: writers go on meanwhile
    __u32 count = kBatch;
    const int done = bpf_map_lookup_batch(fd, first ? nullptr : &token, &next, keys.data(), entries.data(), &count, nullptr);
    const int error = errno;
    if (done != 0 && error != ENOENT) return fail(errno_error("read conntrack", error));
    for (__u32 i = 0; i < count && i < kBatch; ++i) row({.key = keys[i], .entry = entries[i], .confirmed = confirmed});
    if (done != 0) return {};
    token = next;
    first = false;
  }
  return {};
}

template <typename Key>
Status clear(int fd) {
  const auto keys = map_keys<Key>(fd);
  if (!keys) return fail(keys.error());
  for (const auto& key : *keys)
    if (bpf_map_delete_elem(fd, &key) != 0 && errno != ENOENT) return fail(errno_error("clear conntrack", errno));
  return {};
}

}  // namespace

Status Datapath::for_each_conntrack(const std::function<void(const ConntrackRow&)>& row) const {
  const auto& maps = state_->skeleton->maps;
  if (auto done = walk(state_->map(maps.nw_ct), true, row); !done) return done;
  if (auto done = walk(state_->map(maps.nw_ct_new_in), false, row); !done) return done;
  return walk(state_->map(maps.nw_ct_new_out), false, row);
}

Status Datapath::add_conntrack(const nw_ct_key& key, const nw_ct_entry& entry) {
  if (bpf_map_update_elem(state_->map(state_->skeleton->maps.nw_ct), &key, &entry, BPF_NOEXIST) != 0 && errno != EEXIST)
    return fail(errno_error("adopt a flow", errno));
  return {};
}

Status Datapath::clear_conntrack() {
  const auto& maps = state_->skeleton->maps;
  for (const bpf_map* map : {maps.nw_ct, maps.nw_ct_new_in, maps.nw_ct_new_out})
    if (auto done = clear<nw_ct_key>(state_->map(map)); !done) return done;
  return clear<nw_fragment_key>(state_->map(maps.nw_fragment));
}

Status Datapath::age_conntrack(std::uint64_t by_ns) {
  if (state_->pinned()) return fail(Errc::internal, "time passes by itself for pinned flows");
  const auto& maps = state_->skeleton->maps;
  for (const bpf_map* map : {maps.nw_ct, maps.nw_ct_new_in, maps.nw_ct_new_out}) {
    std::vector<ConntrackRow> rows;
    if (auto done = walk(state_->map(map), false, [&](const ConntrackRow& row) { rows.push_back(row); }); !done) return done;
    for (auto& row : rows) {
      row.entry.created_ns -= by_ns;
      row.entry.seen_ns -= by_ns;
      if (bpf_map_update_elem(state_->map(map), &row.key, &row.entry, BPF_EXIST) != 0) return fail(errno_error("age a flow", errno));
    }
  }
  const int fragments = state_->map(maps.nw_fragment);
  auto seen = map_entries<nw_fragment_key, __u64>(fragments);
  if (!seen) return fail(seen.error());
  for (auto& [key, seen_ns] : *seen) {
    seen_ns -= by_ns;
    if (bpf_map_update_elem(fragments, &key, &seen_ns, BPF_EXIST) != 0) return fail(errno_error("age a fragment", errno));
  }
  return {};
}

Result<std::size_t> Datapath::sweep_conntrack(std::uint64_t now_ns, const nw_settings& settings) {
  const auto& maps = state_->skeleton->maps;
  std::size_t removed = 0;
  for (const bpf_map* map : {maps.nw_ct, maps.nw_ct_new_in, maps.nw_ct_new_out}) {
    std::vector<nw_ct_key> expired;
    auto done = walk(state_->map(map), map == maps.nw_ct, [&](const ConntrackRow& row) {
      if (now_ns > row.entry.seen_ns && now_ns - row.entry.seen_ns > timeout_ns(settings, row)) expired.push_back(row.key);
    });
    if (!done) return fail(done.error());
    for (const auto& key : expired)
      if (bpf_map_delete_elem(state_->map(map), &key) == 0) ++removed;
  }
  return removed;
}

}  // namespace nodewall::kernel
