#include "kernel/flow_table.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <iterator>

namespace nodewall::kernel {
namespace {

template <typename T>
T load(const T& value) {
  return __atomic_load_n(&value, __ATOMIC_ACQUIRE);
}

bool is_used(std::uint32_t tag) { return tag != NW_CT_EMPTY && tag != NW_CT_BUSY; }

}  // namespace

// Calls `flow` with each tag in use, what it was, and its slot.
template <typename Flow>
void FlowTable::walk(Flow flow) const {
  auto* slot = slots_.as<nw_ct_slot>();
  for (auto& bucket : buckets())
    for (auto& side : bucket.tags)
      for (auto& tag : side) {
        if (const auto seen = load(tag); is_used(seen)) flow(tag, seen, *slot);
        ++slot;
      }
}

Result<FlowTable> FlowTable::make(const Maps& maps, Result<Mapped> (*map)(int, std::size_t)) {
  auto slots = map(maps.slots, sizeof(nw_ct_slot) * NW_CT_SIDES * NW_CT_WAYS * maps.bucket_count);
  if (!slots) return fail(std::move(slots.error()).in("unconfirmed flows"));
  auto buckets = map(maps.buckets, sizeof(nw_ct_bucket) * maps.bucket_count);
  if (!buckets) return fail(std::move(buckets.error()).in("buckets of flows"));
  auto state = map(maps.state, sizeof(nw_ct_state));
  if (!state) return fail(std::move(state.error()).in("the secret of buckets"));
  return FlowTable(std::move(*slots), std::move(*buckets), std::move(*state), maps.bucket_count);
}

Result<FlowTable> FlowTable::read_only(const Maps& maps) { return make(maps, Mapped::read_only); }

Result<FlowTable> FlowTable::writable(const Maps& maps) {
  auto table = make(maps, Mapped::writable);
  if (!table) return table;
  auto& secret = table->state().secret;
  if (std::ranges::all_of(secret, [](auto word) { return word == 0; }) && getrandom(secret, sizeof(secret), 0) != sizeof(secret))
    return fail(errno_error("make a secret", errno));
  return table;
}

// What a program writes while it is copied is left out.
void FlowTable::for_each(const std::function<void(const nw_ct_slot&)>& flow) const {
  walk([&](const std::uint32_t& tag, std::uint32_t seen, const nw_ct_slot& slot) {
    const nw_ct_slot copy = slot;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (load(tag) == seen) flow(copy);
  });
}

std::size_t FlowTable::remove_if(const std::function<bool(const nw_ct_slot&)>& is_over) {
  std::size_t removed = 0;
  walk([&](std::uint32_t& tag, std::uint32_t seen, const nw_ct_slot& slot) {
    if (is_over(slot) && __atomic_compare_exchange_n(&tag, &seen, NW_CT_EMPTY, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) ++removed;
  });
  return removed;
}

void FlowTable::clear() {
  (void)remove_if([](const nw_ct_slot&) { return true; });
}

void FlowTable::change_each(const std::function<void(nw_ct_entry&)>& change) {
  walk([&](const std::uint32_t&, std::uint32_t, nw_ct_slot& slot) { change(slot.entry); });
}

std::uint32_t FlowTable::half() const { return load(state().half) & (NW_CT_HALVES - 1); }

nw_ct_place FlowTable::place(const nw_ct_key& key) const {
  nw_ct_place found{};
  nw_ct_find_place(&key, &state(), count_, &found);
  return found;
}

void FlowTable::hint(const nw_ct_key& key) {
  const auto [bit, bucket, tag] = place(key);
  for (auto& word : buckets()[bucket].present)
    if ((load(word) & bit) == 0) __atomic_fetch_or(&word, bit, __ATOMIC_ACQ_REL);
}

void FlowTable::hint_standby(const nw_ct_key& key) {
  const auto [bit, bucket, tag] = place(key);
  __atomic_fetch_or(&buckets()[bucket].present[half() ^ 1U], bit, __ATOMIC_ACQ_REL);
}

void FlowTable::empty_standby() {
  for (auto& bucket : buckets()) __atomic_store_n(&bucket.present[half() ^ 1U], 0, __ATOMIC_RELEASE);
}

void FlowTable::read_standby() { __atomic_store_n(&state().half, half() ^ 1U, __ATOMIC_RELEASE); }

std::size_t FlowTable::hints() const {
  std::size_t count = 0;
  for (const auto& bucket : buckets()) count += static_cast<std::size_t>(std::popcount(load(bucket.present[half()])));
  return count;
}

void FlowTable::clear_hints() {
  for (auto& bucket : buckets()) std::ranges::fill(bucket.present, 0);
}

}  // namespace nodewall::kernel
