#include "resolve/address_sets.h"

#include <algorithm>
#include <array>
#include <compare>

namespace nodewall::resolve {
namespace {

// A network as numbers: sorts ten times as fast as 16 bytes do, and in the same order.
struct Key {
  std::uint64_t high = 0, low = 0;
  Family family = Family::v6;
  std::uint8_t prefix = 0;
  auto operator<=>(const Key&) const = default;
};

std::uint64_t first_bits(int count) { return count <= 0 ? 0 : count >= 64 ? ~0ULL : ~0ULL << (64 - count); }

int mapped_bits(const Key& key) { return key.prefix + (key.family == Family::v4 ? 96 : 0); }

Key key_of(const Cidr& cidr) {
  Key key{cidr.address.high(), cidr.address.low(), cidr.address.family, cidr.prefix};
  const int bits = mapped_bits(key);
  key.high &= first_bits(bits);
  key.low &= first_bits(bits - 64);
  return key;
}

bool covers(const Key& wide, const Key& narrow) {
  const int bits = mapped_bits(wide);
  return bits <= mapped_bits(narrow) && (narrow.high & first_bits(bits)) == wide.high &&
         (narrow.low & first_bits(bits - 64)) == wide.low;
}

void store64(std::uint8_t* to, std::uint64_t value) {
  for (int i = 7; i >= 0; --i, value >>= 8) to[i] = static_cast<std::uint8_t>(value);
}

Cidr cidr_of(const Key& key) {
  Cidr cidr;
  store64(cidr.address.bytes.data(), key.high);
  store64(cidr.address.bytes.data() + 8, key.low);
  cidr.address.family = key.family;
  cidr.prefix = key.prefix;
  return cidr;
}

std::uint64_t hash_of(std::span<const Cidr> members) {
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15ULL;
  std::uint64_t hash = members.size();
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * kMultiplier;
    hash ^= hash >> 32;
  };
  for (const auto& member : members) {
    mix(member.address.high());
    mix(member.address.low());
    mix(static_cast<std::uint64_t>(member.address.family) << 8 | member.prefix);
  }
  return hash;
}

}  // namespace

std::vector<Cidr> normalized(std::vector<Cidr> members) {
  std::vector<Key> keys;
  keys.reserve(members.size());
  for (const auto& member : members) keys.push_back(key_of(member));
  if (!std::ranges::is_sorted(keys)) std::ranges::sort(keys);
  // A cover sorts before what it covers, with only others of its own members or of the other family in between.
  std::array<const Key*, 2> last{};
  members.clear();
  for (const auto& key : keys) {
    auto& cover = last[key.family == Family::v4];
    if (cover != nullptr && covers(*cover, key)) continue;
    cover = &key;
    members.push_back(cidr_of(key));
  }
  return members;
}

Cidr host_cidr(const Address& address) {
  return {.address = address, .prefix = static_cast<std::uint8_t>(address.family == Family::v4 ? 32 : 128)};
}

SetIndex SetTable::intern(std::vector<Cidr> members) {
  members = normalized(std::move(members));
  const auto hash = hash_of(members);
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (sets_[it->second].members == members) return it->second;
  const auto index = static_cast<SetIndex>(sets_.size());
  sets_.push_back({std::move(members)});
  by_hash_.emplace(hash, index);
  return index;
}

}  // namespace nodewall::resolve
