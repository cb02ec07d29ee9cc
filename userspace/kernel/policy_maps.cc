// The small maps of desired state.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernel/mapped.h"
#include "kernel/state.h"
#include "kernel/sync.h"

namespace nodewall::kernel {
namespace {

constexpr __u32 kZero = 0;

struct FailsafeMaps {
  std::vector<nw_failsafe_word> words = std::vector<nw_failsafe_word>(NW_FAILSAFE_WORDS);
  std::map<nw_failsafe_key, __u8, BytesLess> nets;
};

nw_failsafe_key failsafe_key(const FailsafeEntry& entry) {
  nw_failsafe_key key{};
  const int prefix = entry.net->prefix + (entry.net->address.family == Family::v4 ? 96 : 0);
  key.prefixlen = 32 + static_cast<__u32>(prefix);
  key.direction = static_cast<__u8>(entry.direction);
  key.is_udp = entry.is_udp ? 1 : 0;
  key.port_be[0] = static_cast<__u8>(entry.port >> 8);
  key.port_be[1] = static_cast<__u8>(entry.port & 255);
  const auto masked = entry.net->masked();
  std::memcpy(key.peer, masked.address.bytes.data(), 16);
  return key;
}

// An IPv6 net that contains the IPv4-mapped addresses would open the port to IPv4 peers: the part is closed, unless it is opened itself.
bool contains_v4_mapped(const Cidr& net) {
  auto mapped = Address::v4(0);
  mapped.family = Family::v6;
  return net.address.family == Family::v6 && net.prefix <= 96 && net.contains(mapped);
}

FailsafeMaps failsafe_maps(const std::vector<FailsafeEntry>& entries) {
  FailsafeMaps maps;
  for (const auto& entry : entries) {
    auto& word = maps.words[nw_failsafe_index(entry.direction, entry.is_udp ? 1 : 0, entry.port)];
    const __u64 bit = 1ULL << (entry.port & 63);
    (entry.net ? word.nets : word.any) |= bit;
    if (!entry.net) continue;
    maps.nets[failsafe_key(entry)] = 1;
    if (!contains_v4_mapped(*entry.net)) continue;
    auto all_v4 = entry;
    all_v4.net = Cidr{Address::v4(0), 0};
    maps.nets.try_emplace(failsafe_key(all_v4), __u8{0});
  }
  return maps;
}

using FailsafeWords = std::array<nw_failsafe_word, NW_FAILSAFE_WORDS>;

Result<std::size_t> write_words(int fd, const std::vector<nw_failsafe_word>& words) {
  const auto mapped = Mapped::writable(fd, sizeof(FailsafeWords));
  if (!mapped) return fail(Error(mapped.error()).in("write failsafe ports"));
  auto& present = *mapped->as<FailsafeWords>();
  std::size_t writes = 0;
  for (std::size_t i = 0; i < present.size(); ++i) {
    auto& now = present[i];
    if (std::memcmp(&now, &words[i], sizeof(now)) == 0) continue;
    // What stays open is in one of the two all the time.
    __atomic_store_n(&now.any, now.any | words[i].any, __ATOMIC_RELEASE);
    __atomic_store_n(&now.nets, words[i].nets, __ATOMIC_RELEASE);
    __atomic_store_n(&now.any, words[i].any, __ATOMIC_RELEASE);
    ++writes;
  }
  return writes;
}

Cidr net_of(const nw_failsafe_key& key) {
  Cidr net;
  std::memcpy(net.address.bytes.data(), key.peer, 16);
  const auto bits = key.prefixlen - 32;
  const bool is_v4 = bits >= 96 && Address::v4(0).bytes[10] == key.peer[10] && key.peer[11] == 0xff &&
                     std::all_of(key.peer, key.peer + 10, [](__u8 byte) { return byte == 0; });
  net.address.family = is_v4 ? Family::v4 : Family::v6;
  net.prefix = static_cast<std::uint8_t>(is_v4 ? bits - 96 : bits);
  return net;
}

}  // namespace

Result<std::vector<nw_failsafe_word>> Datapath::State::failsafe_words() const {
  std::vector<nw_failsafe_word> words(NW_FAILSAFE_WORDS);
  if (bpf_map_lookup_elem(map(skeleton->maps.data_nw_failsafe), &kZero, words.data()) != 0) return fail(errno_error("read failsafe ports", errno));
  return words;
}

Result<std::size_t> Datapath::set_settings(const nw_settings& settings) {
  const int fd = state_->map(state_->skeleton->maps.data_nw_settings);
  nw_settings now{};
  if (bpf_map_lookup_elem(fd, &kZero, &now) == 0 && std::memcmp(&now, &settings, sizeof(now)) == 0) return 0;
  if (bpf_map_update_elem(fd, &kZero, &settings, BPF_ANY) != 0) return fail(errno_error("write settings", errno));
  return 1;
}

Result<std::size_t> Datapath::set_failsafe(const std::vector<FailsafeEntry>& entries) {
  const auto wanted = failsafe_maps(entries);
  const int nets = state_->map(state_->skeleton->maps.nw_failsafe_net);
  const int words = state_->map(state_->skeleton->maps.data_nw_failsafe);
  // A port that is narrowed to nets has its nets before its bit moves.
  std::size_t writes = 0;
  // A trie answers a look-up with a shorter prefix too: only its keys tell what is there.
  auto held = map_entries<nw_failsafe_key, __u8>(nets);
  if (!held) return fail(std::move(held.error()).in("read failsafe nets"));
  const std::map<nw_failsafe_key, __u8, BytesLess> present(held->begin(), held->end());
  // What is closed comes before the net around it.
  for (const __u8 open : {0, 1}) {
    for (const auto& [key, value] : wanted.nets) {
      const auto found = present.find(key);
      if (value != open || (found != present.end() && found->second == value)) continue;
      if (bpf_map_update_elem(nets, &key, &value, BPF_ANY) != 0) return fail(errno_error("write failsafe nets", errno));
      ++writes;
    }
  }
  auto written = write_words(words, wanted.words);
  if (!written) return written;
  writes += *written;
  for (const auto& [key, value] : present) {
    if (wanted.nets.contains(key)) continue;
    if (bpf_map_delete_elem(nets, &key) != 0 && errno != ENOENT) return fail(errno_error("remove failsafe nets", errno));
    ++writes;
  }
  return writes;
}

Result<std::vector<FailsafeEntry>> Datapath::failsafe() const {
  std::vector<FailsafeEntry> entries;
  const auto words = state_->failsafe_words();
  if (!words) return fail(words.error());
  for (__u32 i = 0; i < NW_FAILSAFE_WORDS; ++i) {
    const auto& word = (*words)[i];
    for (unsigned bit = 0; bit < 64; ++bit)
      if ((word.any >> bit & 1) != 0)
        entries.push_back({.direction = i >> 11, .is_udp = (i >> 10 & 1) != 0, .port = static_cast<std::uint16_t>((i & 1023) * 64 + bit), .net = {}});
  }
  const auto nets = map_entries<nw_failsafe_key, __u8>(state_->map(state_->skeleton->maps.nw_failsafe_net));
  if (!nets) return fail(nets.error());
  for (const auto& [key, open] : *nets) {
    if (open != 0 && key.prefixlen >= 32 && key.prefixlen <= 160)
      entries.push_back({.direction = key.direction, .is_udp = key.is_udp != 0, .port = static_cast<std::uint16_t>(key.port_be[0] << 8 | key.port_be[1]), .net = net_of(key)});
  }
  std::ranges::sort(entries);
  return entries;
}

}  // namespace nodewall::kernel
