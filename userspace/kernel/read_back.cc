// The small maps as they are, for whoever compares them.
#include <algorithm>
#include <cstring>

#include "kernel/mapped.h"
#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

Address address_of(const nw_addr& raw) {
  Address address;
  std::memcpy(address.bytes.data(), raw.bytes, sizeof(raw.bytes));
  const auto mapped = Address::v4(0);
  const bool is_v4 = std::equal(mapped.bytes.begin(), mapped.bytes.begin() + 12, address.bytes.begin());
  address.family = is_v4 ? Family::v4 : Family::v6;
  return address;
}

// Only what a packet can find: an entry in another's line is not there.
Status read_caches(int interfaces, int addresses, SmallMaps& read) {
  const auto words = Mapped::read_only(interfaces, NW_CACHE_LINES * sizeof(std::uint64_t));
  if (!words) return fail(words.error());
  const auto lines = Mapped::read_only(addresses, NW_CACHE_LINES * sizeof(nw_cached_local));
  if (!lines) return fail(lines.error());
  for (std::uint32_t i = 0; i < NW_CACHE_LINES; ++i) {
    const auto word = words->as<const std::uint64_t>()[i];
    const auto ifindex = static_cast<std::uint32_t>(word);
    if (ifindex != 0 && nw_interface_line(ifindex) == i)
      read.cached_interfaces.emplace(ifindex, nw_interface{nw_word_endpoint(word), nw_word_counter(word), nw_word_flags(word), 0});
    const auto& line = lines->as<const nw_cached_local>()[i];
    const auto kinds = line.flags & NW_LOCAL_KINDS;
    if (kinds != 0 && nw_local_line(&line.address) == i) read.cached_addresses.emplace(address_of(line.address), kinds);
    if ((line.flags & NW_LOCAL_WHOLE) != 0) read.whole_lines.insert(i);
  }
  return {};
}

}  // namespace

std::uint32_t local_line(const Address& address) {
  nw_addr raw{};
  std::memcpy(raw.bytes, address.bytes.data(), sizeof(raw.bytes));
  return nw_local_line(&raw);
}

Result<SmallMaps> Datapath::read_small_maps() const {
  const auto& maps = state_->skeleton->maps;
  constexpr __u32 kZero = 0;
  SmallMaps read;
  if (bpf_map_lookup_elem(state_->map(maps.data_nw_settings), &kZero, &read.settings) != 0)
    return fail(errno_error("read settings", errno));
  auto words = state_->failsafe_words();
  if (!words) return fail(words.error());
  read.failsafe_words = std::move(*words);
  auto nets = map_entries<nw_failsafe_key, __u8>(state_->map(maps.nw_failsafe_net));
  if (!nets) return fail(std::move(nets.error()).in("read failsafe nets"));
  read.failsafe_nets.assign(nets->begin(), nets->end());
  const auto local = map_entries<nw_addr, __u32>(state_->map(maps.nw_local));
  if (!local) return fail(local.error());
  for (const auto& [key, flags] : *local) read.local_addresses.emplace(address_of(key), flags);
  if (auto done = read_caches(state_->map(maps.data_nw_if_cache), state_->map(maps.data_nw_local_cache), read); !done) return fail(done.error());
  return read;
}

}  // namespace nodewall::kernel
