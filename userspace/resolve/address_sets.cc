#include "resolve/address_sets.h"

#include <algorithm>
#include <array>
#include <compare>
#include <utility>

#include "resolve/normal_form.h"

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

}  // namespace

std::vector<Cidr> normalized(std::vector<Cidr> members, std::vector<Cidr>* hidden) {
  std::vector<Key> keys;
  keys.reserve(members.size());
  for (const auto& member : members) keys.push_back(key_of(member));
  if (!std::ranges::is_sorted(keys)) std::ranges::sort(keys);
  // A cover sorts before what it covers, with only others of its own members or of the other family in between.
  std::array<const Key*, 2> last{};
  members.clear();
  for (const auto& key : keys) {
    auto& cover = last[key.family == Family::v4];
    if (cover != nullptr && covers(*cover, key)) {
      if (hidden != nullptr) hidden->push_back(cidr_of(key));
      continue;
    }
    cover = &key;
    members.push_back(cidr_of(key));
  }
  return members;
}

Cidr host_cidr(const Address& address) {
  return {.address = address, .prefix = static_cast<std::uint8_t>(address.family == Family::v4 ? 32 : 128)};
}

std::shared_ptr<KnownSet> SetPool::find_or_add(CidrList members, std::uint64_t hash) {
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (it->second->set.members == members) return it->second;
  auto made = std::make_shared<KnownSet>(KnownSet{.set = {std::move(members)}, .hash = hash});
  by_hash_.emplace(hash, made);
  return made;
}

void SetPool::drop_unused() {
  std::erase_if(by_hash_, [](const auto& it) { return it.second.use_count() == 1; });
}

SetIndex SetTable::intern(std::vector<Cidr> members) {
  CidrList normal(normalized(std::move(members)));
  const auto hash = hash_of_members(normal);
  return intern(pool_.find_or_add(std::move(normal), hash));
}

SetIndex SetTable::intern(const std::shared_ptr<KnownSet>& set, const std::shared_ptr<Selected>& selected) {
  if (set->round != round_) {
    set->round = round_;
    set->index = static_cast<SetIndex>(sets_.size());
    sets_.push_back(set->set);
  }
  if (uses_ != nullptr)
    uses_->push_back({.set = selected ? nullptr : set, .selected = selected, .index = set->index, .empty = set->set.members.empty()});
  return set->index;
}

}  // namespace nodewall::resolve
