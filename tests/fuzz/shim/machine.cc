#include "machine.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::align_val_t kAlignment{64};  // what a line of an image has

struct Release {
  void operator()(std::uint8_t* bytes) const { ::operator delete(bytes, kAlignment); }
};
using Block = std::unique_ptr<std::uint8_t, Release>;

Block zeros(std::size_t size) {
  Block block(static_cast<std::uint8_t*>(::operator new(size, kAlignment)));
  std::memset(block.get(), 0, size);
  return block;
}

Block copy_of(const void* bytes, std::size_t size) {
  auto block = zeros(size);
  std::memcpy(block.get(), bytes, size);
  return block;
}

struct Entry {
  Block key;
  Block value;
};

struct Table {
  const void* id = nullptr;  // of an inner map: nothing
  std::uint32_t type = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t most = 0;
  std::vector<Entry> entries;         // of hash tables and tries, oldest first
  std::vector<Block> cells;           // of arrays; one exists once it was asked for
  std::uint8_t* variable = nullptr;   // or where they are in the programs
  std::vector<std::uint32_t> in_use;  // which of them
  std::vector<std::unique_ptr<Table>> inners;  // of an array of maps
  std::vector<Table*> places;                  // its entries

  [[nodiscard]] bool is_array() const { return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY; }
  auto find(const void* key) {
    return std::ranges::find_if(entries, [&](const Entry& one) { return std::memcmp(one.key.get(), key, key_size) == 0; });
  }
};

std::vector<std::unique_ptr<Table>>& tables() {
  static std::vector<std::unique_ptr<Table>> all;
  return all;
}

std::uint64_t now_ns = 0;

constexpr std::uint64_t kRingBytes = 1024;
std::uint64_t ring_bytes = 0;

// By the address of the map in the program, or of an inner map here.
std::unordered_map<const void*, Table*>& known() {
  static std::unordered_map<const void*, Table*> all;
  return all;
}

Table& table_of(const void* map) {
  if (const auto found = known().find(map); found != known().end()) return *found->second;
  std::fputs("a map of the programs is not announced in tests/fuzz/program.c\n", stderr);
  std::abort();
}

void* array_lookup(Table& table, const void* key) {
  std::uint32_t index = 0;
  std::memcpy(&index, key, sizeof(index));
  if (index >= table.most) return nullptr;
  if (table.variable != nullptr) return table.variable + std::size_t{index} * table.value_size;
  if (table.cells.empty()) table.cells.resize(table.most);
  auto& cell = table.cells[index];
  if (!cell) {
    cell = zeros(table.value_size);
    table.in_use.push_back(index);
  }
  return cell.get();
}

void* inner_lookup(Table& table, const void* key) {
  std::uint32_t index = 0;
  std::memcpy(&index, key, sizeof(index));
  return index < table.places.size() ? table.places[index] : nullptr;
}

// The key begins with the number of bits that count.
std::uint32_t common_bits(const std::uint8_t* a, const std::uint8_t* b, std::uint32_t most) {
  for (std::uint32_t bit = 0; bit < most; ++bit) {
    if (((a[bit / 8] ^ b[bit / 8]) >> (7 - bit % 8) & 1) != 0) return bit;
  }
  return most;
}

void* trie_lookup(Table& table, const void* key) {
  void* best = nullptr;
  std::uint32_t longest = 0, wanted = 0;
  std::memcpy(&wanted, key, sizeof(wanted));
  for (const auto& entry : table.entries) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, entry.key.get(), sizeof(bits));
    if (bits > wanted || (best && bits <= longest)) continue;
    if (common_bits(entry.key.get() + sizeof(bits), static_cast<const std::uint8_t*>(key) + sizeof(bits), bits) < bits) continue;
    best = entry.value.get();
    longest = bits;
  }
  return best;
}

long load(const void* ctx, std::uint32_t offset, void* to, std::uint32_t length) {
  const auto& packet = *static_cast<const machine_context*>(ctx);
  const std::uint64_t total = std::uint64_t{packet.linear_length} + packet.rest_length;
  if (length == 0 || std::uint64_t{offset} + length > total) return -EFAULT;
  auto* out = static_cast<std::uint8_t*>(to);
  for (std::uint32_t i = 0; i < length; ++i) {
    const auto at = offset + i;
    out[i] = at < packet.linear_length ? packet.linear[at] : packet.rest[at - packet.linear_length];
  }
  return 0;
}

}  // namespace

extern "C" {

void machine_map(const void* map, __u32 type, __u32 key_size, __u32 value_size, __u32 most) {
  auto table = std::make_unique<Table>();
  const bool is_hash = type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH;
  table->id = map;
  table->type = type;
  table->key_size = key_size;
  table->value_size = value_size;
  known().emplace(map, table.get());
  table->most = is_hash ? std::min<std::uint32_t>(most, NW_MACHINE_ENTRIES) : most;
  tables().push_back(std::move(table));
}

void machine_variable(void* variable, __u32 value_size, __u32 most) {
  machine_map(variable, BPF_MAP_TYPE_ARRAY, sizeof(__u32), value_size, most);
  table_of(variable).variable = static_cast<std::uint8_t*>(variable);
}

void* machine_add_inner(const void* map, __u32 value_size, __u32 most) {
  auto inner = std::make_unique<Table>();
  inner->type = BPF_MAP_TYPE_ARRAY;
  inner->key_size = sizeof(__u32);
  inner->value_size = value_size;
  inner->most = most;
  auto& outer = table_of(map);
  known().emplace(inner.get(), inner.get());
  outer.inners.push_back(std::move(inner));
  return outer.inners.back().get();
}

void machine_put_inner(const void* map, __u32 index, const void* inner) {
  auto& outer = table_of(map);
  if (outer.places.empty()) outer.places.resize(outer.most);
  outer.places.at(index) = inner != nullptr ? &table_of(inner) : nullptr;
}

void machine_reset(const void* map) {
  auto& table = table_of(map);
  if (table.variable != nullptr) std::memset(table.variable, 0, std::size_t{table.value_size} * table.most);
  table.entries.clear();
  for (const auto index : table.in_use) table.cells[index].reset();
  table.in_use.clear();
}

void machine_forget(const void* map, __u32 index) {
  auto& table = table_of(map);
  if (std::erase(table.in_use, index) > 0) table.cells[index].reset();
}

void machine_set_clock(__u64 ns) { now_ns = ns; }

void* machine_only_entry(const void* map, void* key) {
  auto& table = table_of(map);
  if (table.is_array()) {
    if (table.in_use.size() != 1) return nullptr;
    std::memcpy(key, table.in_use.data(), sizeof(std::uint32_t));
    return table.cells[table.in_use.front()].get();
  }
  if (table.entries.size() != 1) return nullptr;
  std::memcpy(key, table.entries.front().key.get(), table.key_size);
  return table.entries.front().value.get();
}

void* machine_data(const void* ctx) { return static_cast<const machine_context*>(ctx)->linear; }
void* machine_data_end(const void* ctx) {
  const auto& packet = *static_cast<const machine_context*>(ctx);
  return packet.linear + packet.linear_length;
}

void* bpf_map_lookup_elem(const void* map, const void* key) {
  auto& table = table_of(map);
  if (table.type == BPF_MAP_TYPE_ARRAY_OF_MAPS) return inner_lookup(table, key);
  if (table.is_array()) return array_lookup(table, key);
  if (table.type == BPF_MAP_TYPE_LPM_TRIE) return trie_lookup(table, key);
  const auto found = table.find(key);
  return found == table.entries.end() ? nullptr : found->value.get();
}

long bpf_map_update_elem(const void* map, const void* key, const void* value, __u64 flags) {
  auto& table = table_of(map);
  if (table.is_array()) {
    void* old = array_lookup(table, key);
    if (!old) return -E2BIG;
    std::memcpy(old, value, table.value_size);
    return 0;
  }
  const auto found = table.find(key);
  if (found != table.entries.end()) {
    if (flags == BPF_NOEXIST) return -EEXIST;
    found->value = copy_of(value, table.value_size); /* as the kernel does: another element */
    return 0;
  }
  if (flags == BPF_EXIST) return -ENOENT;
  if (table.entries.size() >= table.most) {
    if (table.type != BPF_MAP_TYPE_LRU_HASH) return -E2BIG;
    table.entries.erase(table.entries.begin());
  }
  table.entries.push_back({copy_of(key, table.key_size), copy_of(value, table.value_size)});
  return 0;
}

long bpf_map_delete_elem(const void* map, const void* key) {
  auto& table = table_of(map);
  const auto found = table.find(key);
  if (found == table.entries.end()) return -ENOENT;
  table.entries.erase(found);
  return 0;
}

long bpf_skb_load_bytes(const void* ctx, __u32 offset, void* to, __u32 length) {
  if (load(ctx, offset, to, length) == 0) return 0;
  std::memset(to, 0, length); /* as the kernel does, and only here */
  return -EFAULT;
}

long bpf_xdp_load_bytes(const void* ctx, __u32 offset, void* to, __u32 length) { return load(ctx, offset, to, length); }

__u64 bpf_xdp_get_buff_len(const void* ctx) {
  const auto& packet = *static_cast<const machine_context*>(ctx);
  return std::uint64_t{packet.linear_length} + packet.rest_length;
}

__u64 bpf_ktime_get_coarse_ns(void) { return now_ns; }
__u64 bpf_ktime_get_ns(void) { return now_ns; }

long bpf_ringbuf_output(const void*, const void* data, __u64 size, __u64) {
  const std::vector<std::uint8_t> record(static_cast<const std::uint8_t*>(data), static_cast<const std::uint8_t*>(data) + size);
  ring_bytes += record.size();
  if (ring_bytes <= kRingBytes) return 0;
  ring_bytes = 0;  // full once, then empty again
  return -1;
}

}  // extern "C"
