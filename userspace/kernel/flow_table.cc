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

constexpr std::uint32_t kFewestWords = 4096;  // 32 KB
constexpr std::size_t kFlowsOfWord = 4;       // of 32 bits 7 are set then, and one look-up in thirty finds both of its own by chance

std::uint32_t words_for(std::size_t flows) {
  const auto wanted = std::bit_ceil(std::min<std::size_t>(flows / kFlowsOfWord, NW_CT_HINT_WORDS));
  return std::max(kFewestWords, static_cast<std::uint32_t>(wanted));
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
  auto hints = map(maps.hints, sizeof(std::uint64_t) * NW_CT_HINTS * NW_CT_HINT_WORDS);
  if (!hints) return fail(std::move(hints.error()).in("the hint of flows"));
  auto state = map(maps.state, sizeof(nw_ct_state));
  if (!state) return fail(std::move(state.error()).in("the secret of buckets"));
  return FlowTable(std::move(*slots), std::move(*buckets), std::move(*hints), std::move(*state), maps.bucket_count);
}

Result<FlowTable> FlowTable::read_only(const Maps& maps) { return make(maps, Mapped::read_only); }

Result<FlowTable> FlowTable::writable(const Maps& maps) {
  auto table = make(maps, Mapped::writable);
  if (!table) return table;
  auto& secret = table->state().secret;
  if (std::ranges::all_of(secret, [](auto word) { return word == 0; }) && getrandom(secret, sizeof(secret), 0) != sizeof(secret))
    return fail(errno_error("make a secret", errno));
  for (auto& mask : table->state().mask)
    if (load(mask) == 0) __atomic_store_n(&mask, kFewestWords - 1, __ATOMIC_RELEASE);
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

std::uint32_t FlowTable::read_hint() const { return load(state().hint) & NW_CT_HINT_READ; }

std::span<std::uint64_t> FlowTable::words(std::uint32_t hint) const {
  const auto count = (load(state().mask[hint]) & (NW_CT_HINT_WORDS - 1)) + 1;
  return {hints_.as<std::uint64_t>() + std::size_t{hint} * NW_CT_HINT_WORDS, count};
}

nw_ct_place FlowTable::place_of(const nw_ct_key& key) const {
  nw_ct_place place{};
  nw_ct_find_place(&key, &state(), count_, &place);
  return place;
}

void FlowTable::set_bits(const nw_ct_key& key, In where, std::uint32_t hint) {
  const auto place = place_of(key);
  const auto bits = std::uint64_t{place.bits} << (where == In::unconfirmed ? NW_CT_HINT_UNCONFIRMED : 0);
  auto& word = hints_.as<std::uint64_t>()[nw_ct_hint_index(&state(), &place, hint)];
  if ((~load(word) & bits) != 0) __atomic_fetch_or(&word, bits, __ATOMIC_ACQ_REL);
}

void FlowTable::hint(const nw_ct_key& key, In where) {
  set_bits(key, where, read_hint());
  if ((load(state().hint) & NW_CT_HINT_BEING_MADE) != 0) set_bits(key, where, read_hint() ^ 1U);
}

void FlowTable::begin_hint(std::size_t flows) {
  const auto begun = read_hint() ^ 1U;
  __atomic_store_n(&state().hint, read_hint() | NW_CT_HINT_BEING_MADE, __ATOMIC_RELEASE);
  __atomic_store_n(&state().mask[begun], words_for(flows) - 1, __ATOMIC_RELEASE);
  for (auto& word : words(begun)) __atomic_store_n(&word, 0, __ATOMIC_RELEASE);
}

void FlowTable::add_to_begun(const nw_ct_key& key, In where) { set_bits(key, where, read_hint() ^ 1U); }

void FlowTable::read_begun() { __atomic_store_n(&state().hint, read_hint() ^ 1U, __ATOMIC_RELEASE); }

FlowTable::Count FlowTable::hinted() const {
  Count count;
  for (const auto& shared : words(read_hint())) {
    const auto word = load(shared);
    count.confirmed += static_cast<std::size_t>(std::popcount(static_cast<std::uint32_t>(word)));
    count.unconfirmed += static_cast<std::size_t>(std::popcount(word >> NW_CT_HINT_UNCONFIRMED));
  }
  return count;
}

bool FlowTable::has_room_for(std::size_t flows) const {
  const auto has = words(read_hint()).size(), wants = std::size_t{words_for(flows)};
  return has >= wants && has <= wants * 4;
}

void FlowTable::clear_hints() { std::fill_n(hints_.as<std::uint64_t>(), NW_CT_HINTS * NW_CT_HINT_WORDS, 0); }

}  // namespace nodewall::kernel
