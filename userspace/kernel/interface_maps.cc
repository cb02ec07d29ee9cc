// Interfaces and local addresses: the tables, and the caches before them (maps/endpoint.h).
#include <algorithm>
#include <array>
#include <cstring>

#include "kernel/mapped.h"
#include "kernel/state.h"
#include "kernel/sync.h"

namespace nodewall::kernel {
namespace {

using InterfaceWords = std::array<std::uint64_t, NW_CACHE_LINES>;
using LocalLines = std::array<nw_cached_local, NW_CACHE_LINES>;
using LocalTable = std::map<nw_addr, __u32, BytesLess>;

// Of several that would have one line, the first has it; no line of local addresses is whole then.
InterfaceWords cache_of(const std::map<std::uint32_t, nw_interface>& by_ifindex) {
  InterfaceWords words{};
  for (const auto& [ifindex, entry] : by_ifindex)
    if (auto& word = words[nw_interface_line(ifindex)]; word == 0) word = nw_interface_word(ifindex, &entry);
  return words;
}

LocalLines cache_of(const LocalTable& table) {
  LocalLines lines{};
  for (auto& line : lines) line.flags = NW_LOCAL_WHOLE;
  for (const auto& [address, flags] : table) {
    auto& line = lines[nw_local_line(&address)];
    const bool first = line.flags == NW_LOCAL_WHOLE;
    const auto kinds = flags & NW_LOCAL_KINDS;
    if (first) line = {.address = address, .flags = kinds != 0 ? kinds | NW_LOCAL_WHOLE : 0, .pad = {}};
    else line.flags &= ~NW_LOCAL_WHOLE;
  }
  return lines;
}

void store(std::uint64_t& word, std::uint64_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }
void store(std::uint32_t& word, std::uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }

bool same(const nw_cached_local& a, const nw_cached_local& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

nw_addr to_addr(const Address& address) {
  nw_addr raw{};
  std::memcpy(raw.bytes, address.bytes.data(), 16);
  return raw;
}

}  // namespace

// What is in a cache is in its table too: it goes before the table's entry changes, and comes after.
Result<std::size_t> Datapath::set_interfaces(const std::map<std::uint32_t, nw_interface>& by_ifindex) {
  if (auto settled = settle(); !settled) return fail(settled.error());
  for (const auto& [ifindex, entry] : by_ifindex)
    if (auto done = state_->reserve_counters(entry.counter); !done) return fail(done.error());
  const auto mapped = Mapped::writable(state_->map(state_->skeleton->maps.data_nw_if_cache), sizeof(InterfaceWords));
  if (!mapped) return fail(mapped.error());
  auto* words = mapped->as<std::uint64_t>();
  const auto wanted = cache_of(by_ifindex);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (words[i] != wanted[i]) store(words[i], 0);
  auto writes = sync_hash(state_->map(state_->skeleton->maps.nw_interface), by_ifindex, "interfaces");
  if (!writes) return writes;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (words[i] != wanted[i]) store(words[i], wanted[i]);
  return writes;
}

Status Datapath::State::put_interface(std::uint32_t ifindex, const nw_interface& entry) {
  if (auto done = reserve_counters(entry.counter); !done) return done;
  const auto mapped = Mapped::writable(map(skeleton->maps.data_nw_if_cache), sizeof(InterfaceWords));
  if (!mapped) return fail(mapped.error());
  auto& word = mapped->as<std::uint64_t>()[nw_interface_line(ifindex)];
  store(word, 0);
  if (bpf_map_update_elem(map(skeleton->maps.nw_interface), &ifindex, &entry, BPF_ANY) != 0) return fail(errno_error("write an interface", errno));
  store(word, nw_interface_word(ifindex, &entry));
  return {};
}

Result<std::size_t> Datapath::set_local_addresses(const std::map<Address, std::uint32_t>& address_to_flags) {
  LocalTable table;
  for (const auto& [address, flags] : address_to_flags) table[to_addr(address)] = flags;
  const auto mapped = Mapped::writable(state_->map(state_->skeleton->maps.data_nw_local_cache), sizeof(LocalLines));
  if (!mapped) return fail(mapped.error());
  auto* lines = mapped->as<nw_cached_local>();
  const auto wanted = cache_of(table);
  std::vector<std::size_t> stale;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!same(lines[i], wanted[i])) stale.push_back(i);
  for (const auto i : stale) store(lines[i].flags, 0);
  auto writes = sync_hash(state_->map(state_->skeleton->maps.nw_local), table, "local addresses");
  if (!writes || stale.empty()) return writes;
  // Who saw the old flags is through before the address changes, and who saw the old address before there are flags again.
  if (auto done = state_->wait_for_packets(); !done) return fail(done.error());
  for (const auto i : stale) {
    lines[i].address = wanted[i].address;
    std::memcpy(lines[i].pad, wanted[i].pad, sizeof(wanted[i].pad));
  }
  if (auto done = state_->wait_for_packets(); !done) return fail(done.error());
  for (const auto i : stale) store(lines[i].flags, wanted[i].flags);
  return writes;
}

Result<std::map<std::uint32_t, nw_interface>> Datapath::interfaces() const {
  const auto held = map_entries<__u32, nw_interface>(state_->map(state_->skeleton->maps.nw_interface));
  if (!held) return fail(held.error());
  return std::map<std::uint32_t, nw_interface>(held->begin(), held->end());
}

}  // namespace nodewall::kernel
