// The policy image and the small maps of desired state.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

constexpr __u32 kZero = 0;

std::size_t page_rounded(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

Result<__u32> max_entries(int map) {
  bpf_map_info info{};
  __u32 length = sizeof(info);
  if (bpf_map_get_info_by_fd(map, &info, &length) != 0) return fail(errno_error("read map information", errno));
  return info.max_entries;
}

// Adds and changes before it removes, so that no window opens. Returns the number of writes.
template <typename Key, typename Value, typename Less>
Result<std::size_t> sync_hash(int fd, const std::map<Key, Value, Less>& wanted, const char* what) {
  std::size_t writes = 0;
  for (const auto& [key, value] : wanted) {
    Value now{};
    if (bpf_map_lookup_elem(fd, &key, &now) == 0 && std::memcmp(&now, &value, sizeof(value)) == 0) continue;
    if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) != 0)
      return fail(errno == E2BIG ? Error{.code = Errc::limit, .what = std::string(what) + ": the map is full at " + std::to_string(wanted.size()) + " entries", .sys_errno = errno, .context = {}}
                                 : errno_error(std::string("write ") + what, errno));
    ++writes;
  }
  const auto keys = map_keys<Key>(fd);
  if (!keys) return fail(keys.error());
  for (const auto& key : *keys) {
    if (wanted.contains(key)) continue;
    if (bpf_map_delete_elem(fd, &key) != 0 && errno != ENOENT) return fail(errno_error(std::string("remove from ") + what, errno));
    ++writes;
  }
  return writes;
}

struct BytesLess {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return std::memcmp(&a, &b, sizeof(T)) < 0;
  }
};

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

Result<std::size_t> write_words(int fd, const std::vector<nw_failsafe_word>& words) {
  std::size_t writes = 0;
  for (__u32 i = 0; i < NW_FAILSAFE_WORDS; ++i) {
    nw_failsafe_word now{};
    if (bpf_map_lookup_elem(fd, &i, &now) == 0 && std::memcmp(&now, &words[i], sizeof(now)) == 0) continue;
    if (bpf_map_update_elem(fd, &i, &words[i], BPF_ANY) != 0) return fail(errno_error("write failsafe ports", errno));
    ++writes;
  }
  return writes;
}

nw_addr to_addr(const Address& address) {
  nw_addr raw{};
  std::memcpy(raw.bytes, address.bytes.data(), 16);
  return raw;
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

Result<int> live_inner_map(int outer, Fd& known) {
  __u32 id = 0;
  if (bpf_map_lookup_elem(outer, &kZero, &id) != 0) return fail(errno_error("read the live inner map", errno));
  bpf_map_info info{};
  __u32 length = sizeof(info);
  if (known.valid() && bpf_map_get_info_by_fd(known.get(), &info, &length) == 0 && info.id == id) return known.get();
  Fd inner(bpf_map_get_fd_by_id(id));
  if (!inner.valid()) return fail(errno_error("open the live inner map", errno));
  known = std::move(inner);
  return known.get();
}

Status Datapath::set_policy(std::span<const nw_line> lines, std::uint32_t generation) {
  if (lines.empty() || lines.size() > NW_MAX_IMAGE_LINES) return fail(Errc::limit, "an image has 1 to 16,777,216 lines");
  DECLARE_LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
  Fd image(bpf_map_create(BPF_MAP_TYPE_ARRAY, "nw_image", sizeof(__u32), sizeof(nw_line),
                                static_cast<__u32>(lines.size()), &opts));
  if (!image.valid()) return fail(errno_error("create a policy image", errno));
  const std::size_t bytes = page_rounded(lines.size_bytes());
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, image.get(), 0);
  if (memory == MAP_FAILED) return fail(errno_error("map the policy image", errno));
  std::memcpy(memory, lines.data(), lines.size_bytes());
  static_cast<nw_image_header*>(memory)->generation = generation;
  munmap(memory, bytes);
  const int fd = image.get();
  if (bpf_map_update_elem(state_->map(state_->skeleton->maps.nw_policy), &kZero, &fd, BPF_ANY) != 0)
    return fail(errno_error("make the policy image live", errno));
  state_->image = std::move(image);
  return {};
}

std::uint32_t Datapath::generation() const {
  auto image = live_inner_map(state_->map(state_->skeleton->maps.nw_policy), state_->image);
  nw_line header{};
  if (!image || bpf_map_lookup_elem(*image, &kZero, &header) != 0) return 0;
  return reinterpret_cast<const nw_image_header*>(&header)->generation;
}

Result<std::vector<nw_line>> Datapath::read_policy() const {
  auto image = live_inner_map(state_->map(state_->skeleton->maps.nw_policy), state_->image);
  if (!image) return fail(image.error());
  auto count = max_entries(*image);
  if (!count) return fail(count.error());
  const std::size_t bytes = page_rounded(*count * sizeof(nw_line));
  void* memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, *image, 0);
  if (memory == MAP_FAILED) return fail(errno_error("map the policy image", errno));
  std::vector<nw_line> lines(*count);
  std::memcpy(lines.data(), memory, lines.size() * sizeof(nw_line));
  munmap(memory, bytes);
  return lines;
}

Result<std::size_t> Datapath::set_settings(const nw_settings& settings) {
  const int fd = state_->map(state_->skeleton->maps.nw_settings);
  nw_settings now{};
  if (bpf_map_lookup_elem(fd, &kZero, &now) == 0 && std::memcmp(&now, &settings, sizeof(now)) == 0) return 0;
  if (bpf_map_update_elem(fd, &kZero, &settings, BPF_ANY) != 0) return fail(errno_error("write settings", errno));
  return 1;
}

Result<std::size_t> Datapath::set_failsafe(const std::vector<FailsafeEntry>& entries) {
  const auto wanted = failsafe_maps(entries);
  const int nets = state_->map(state_->skeleton->maps.nw_failsafe_net);
  const int words = state_->map(state_->skeleton->maps.nw_failsafe);
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

Result<std::size_t> Datapath::set_local_addresses(const std::map<Address, std::uint32_t>& address_to_flags) {
  std::map<nw_addr, __u32, BytesLess> wanted;
  for (const auto& [address, flags] : address_to_flags) wanted[to_addr(address)] = flags;
  return sync_hash(state_->map(state_->skeleton->maps.nw_local), wanted, "local addresses");
}

Result<std::size_t> Datapath::set_interfaces(const std::map<std::uint32_t, nw_interface>& by_ifindex) {
  return sync_hash(state_->map(state_->skeleton->maps.nw_interface), by_ifindex, "interfaces");
}

Result<std::map<std::uint32_t, nw_interface>> Datapath::interfaces() const {
  const int fd = state_->map(state_->skeleton->maps.nw_interface);
  const auto held = map_entries<__u32, nw_interface>(fd);
  if (!held) return fail(held.error());
  return std::map<std::uint32_t, nw_interface>(held->begin(), held->end());
}

Result<std::vector<FailsafeEntry>> Datapath::failsafe() const {
  std::vector<FailsafeEntry> entries;
  for (__u32 i = 0; i < NW_FAILSAFE_WORDS; ++i) {
    nw_failsafe_word word{};
    if (bpf_map_lookup_elem(state_->map(state_->skeleton->maps.nw_failsafe), &i, &word) != 0)
      return fail(errno_error("read failsafe ports", errno));
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

Status Datapath::reserve_rule_counters(std::uint32_t slots) {
  const int outer = state_->map(state_->skeleton->maps.nw_rule_counter);
  auto current = live_inner_map(outer, state_->rule_counters);
  __u32 have = 0;
  if (current)
    if (auto entries = max_entries(*current)) have = *entries;
  if (have >= slots && have > 0) return {};
  __u32 room = 64;
  while (room < slots) room *= 2;
  Fd grown(bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "nw_rule_counts", sizeof(__u32), sizeof(nw_count), room, nullptr));
  if (!grown.valid()) return fail(errno_error("create rule counters", errno));
  std::vector<nw_count> values(static_cast<std::size_t>(cpu_count()));
  for (__u32 i = 0; i < have; ++i)
    if (bpf_map_lookup_elem(*current, &i, values.data()) == 0)
      (void)bpf_map_update_elem(grown.get(), &i, values.data(), BPF_ANY);
  const int fd = grown.get();
  if (bpf_map_update_elem(outer, &kZero, &fd, BPF_ANY) != 0) return fail(errno_error("make rule counters live", errno));
  state_->rule_counters = std::move(grown);
  return {};
}

}  // namespace nodewall::kernel
