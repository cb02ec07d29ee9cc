// The tables of flows: reading, adoption, sweeping.
#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

constexpr __u8 kTcp = 6, kUdp = 17, kIcmp = 1, kIcmpV6 = 58, kUdpLite = 136;
constexpr std::uint32_t kBatch = 4096;
constexpr std::size_t kStaleHints = 1024, kStaleShare = 8;  // so many bits of flows that are gone, and one for so many that are there, may stay

bool is_stale(std::size_t bits, std::size_t flows) { return bits > NW_CT_HINT_BITS * (flows + flows / kStaleShare + kStaleHints); }

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

// Calls `row` for every flow of nw_ct. The batch calls of the kernel give each bucket whole: a flow that is there all the time is not missed.
Status walk(int fd, const std::function<void(const ConntrackRow&)>& row) {
  std::vector<nw_ct_key> keys(kBatch);
  std::vector<nw_ct_entry> entries(kBatch);
  __u32 token = 0, next = 0;
  bool first = true;
  for (std::size_t round = 0; round < 100'000; ++round) {  // bounded: writers go on meanwhile
    __u32 count = kBatch;
    const int done = bpf_map_lookup_batch(fd, first ? nullptr : &token, &next, keys.data(), entries.data(), &count, nullptr);
    const int error = errno;
    if (done != 0 && error != ENOENT) return fail(errno_error("read conntrack", error));
    for (__u32 i = 0; i < count && i < kBatch; ++i) row({.key = keys[i], .entry = entries[i], .confirmed = true});
    if (done != 0) return {};
    token = next;
    first = false;
  }
  return fail(Errc::busy, "conntrack grows faster than it can be read");
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
  if (auto done = walk(state_->map(state_->skeleton->maps.nw_ct), row); !done) return done;
  state_->flow_lines->for_each([&](const nw_ct_slot& flow) { row({.key = flow.key, .entry = flow.entry, .confirmed = true}); });
  state_->flows->for_each([&](const nw_ct_slot& flow) { row({.key = flow.key, .entry = flow.entry, .confirmed = false}); });
  return {};
}

Status Datapath::add_conntrack(nw_ct_key key, const nw_ct_entry& entry) {
  key.held = NW_CT_HELD;
  const int table = state_->map(state_->skeleton->maps.nw_ct);
  // What is known stays as it is: policy may have cut it.
  if (nw_ct_entry known{}; bpf_map_lookup_elem(table, &key, &known) == 0) return {};
  state_->flows->hint(key, FlowTable::In::confirmed);
  if (state_->flow_lines->add(state_->flows->place_of(key), key, entry)) return {};
  if (bpf_map_update_elem(table, &key, &entry, BPF_NOEXIST) != 0 && errno != EEXIST) return fail(errno_error("adopt a flow", errno));
  return {};
}

Status Datapath::clear_conntrack() {
  const auto& maps = state_->skeleton->maps;
  if (auto done = clear<nw_ct_key>(state_->map(maps.nw_ct)); !done) return done;
  state_->flows->clear();
  if (state_->pinned()) {
    (void)state_->flow_lines->end_if([](const nw_ct_slot&) { return true; });  // free by the next sweep
  } else {
    state_->flow_lines->clear();
    state_->flows->clear_hints();
  }
  return clear<nw_fragment_key>(state_->map(maps.nw_fragment));
}

Status Datapath::age_conntrack(std::uint64_t by_ns) {
  if (state_->pinned()) return fail(Errc::internal, "time passes by itself for pinned flows");
  const auto& maps = state_->skeleton->maps;
  const auto age = [by = nw_ct_tick(by_ns)](nw_ct_entry& entry) {
    entry.created -= by;
    entry.seen -= by;
  };
  state_->flows->change_each(age);
  state_->flow_lines->change_each(age);
  std::vector<ConntrackRow> rows;
  if (auto done = walk(state_->map(maps.nw_ct), [&](const ConntrackRow& row) { rows.push_back(row); }); !done) return done;
  for (auto& row : rows) {
    age(row.entry);
    if (bpf_map_update_elem(state_->map(maps.nw_ct), &row.key, &row.entry, BPF_EXIST) != 0) return fail(errno_error("age a flow", errno));
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

Status Datapath::State::for_each_flow(const std::function<void(const nw_ct_key&, FlowTable::In)>& flow) const {
  if (auto done = walk(map(skeleton->maps.nw_ct), [&](const ConntrackRow& row) { flow(row.key, FlowTable::In::confirmed); }); !done) return done;
  flow_lines->for_each([&](const nw_ct_slot& slot) { flow(slot.key, FlowTable::In::confirmed); });
  flows->for_each([&](const nw_ct_slot& slot) { flow(slot.key, FlowTable::In::unconfirmed); });
  return {};
}

// Whatever became of the hint, no flow is overlooked from here on.
Status Datapath::State::hint_flows() {
  return for_each_flow([&](const nw_ct_key& key, FlowTable::In where) { flows->hint(key, where); });
}

// Gets rid of the bits of flows that are gone; the order of the steps is explained in maps/conntrack.h.
Status Datapath::State::renew_hint(std::size_t count) {
  flows->begin_hint(count);
  if (auto done = wait_for_packets(); !done) return done;
  if (auto done = for_each_flow([&](const nw_ct_key& key, FlowTable::In where) { flows->add_to_begun(key, where); }); !done) return done;
  flows->read_begun();
  return wait_for_packets();  // who read the other one is through before it is emptied again
}

// Made anew when much of it is of flows that are gone, or when it is too small or too large.
Status Datapath::State::sweep_hint(const FlowTable::Count& left) {
  const auto bits = flows->hinted();
  if (!is_stale(bits.confirmed, left.confirmed) && !is_stale(bits.unconfirmed, left.unconfirmed) && flows->has_room_for(left.greater())) return {};
  return renew_hint(left.greater());
}

Status Datapath::State::free_lines() {
  if (!flow_lines->empty_ended()) return {};
  if (auto done = wait_for_packets(); !done) return done;
  flow_lines->free_emptied();
  return {};
}

Result<std::size_t> Datapath::sweep_conntrack(std::uint64_t now_ns, const nw_settings& settings) {
  const int confirmed = state_->map(state_->skeleton->maps.nw_ct);
  const auto now = nw_ct_tick(now_ns);
  FlowTable::Count left;
  const auto is_over = [&](const ConntrackRow& row) {
    if (nw_ct_is_idle(&row.entry, now, timeout_ns(settings, row))) return true;
    ++(row.confirmed ? left.confirmed : left.unconfirmed);
    // Mends what somebody damaged.
    state_->flows->hint(row.key, row.confirmed ? FlowTable::In::confirmed : FlowTable::In::unconfirmed);
    return false;
  };
  auto removed = state_->flows->remove_if(
      [&](const nw_ct_slot& flow) { return is_over({.key = flow.key, .entry = flow.entry, .confirmed = false}); });
  removed += state_->flow_lines->end_if(
      [&](const nw_ct_slot& flow) { return is_over({.key = flow.key, .entry = flow.entry, .confirmed = true}); });
  std::vector<nw_ct_key> expired;
  auto done = walk(confirmed, [&](const ConntrackRow& row) {
    if (is_over(row)) expired.push_back(row.key);
  });
  if (!done) return fail(done.error());
  for (const auto& key : expired)
    if (bpf_map_delete_elem(confirmed, &key) == 0) ++removed;
  if (auto freed = state_->free_lines(); !freed) return fail(std::move(freed.error()).in("conntrack's lines"));
  if (auto hinted = state_->sweep_hint(left); !hinted) return fail(std::move(hinted.error()).in("conntrack's hint"));
  return removed;
}

}  // namespace nodewall::kernel
