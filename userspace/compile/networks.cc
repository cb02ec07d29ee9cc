#include "compile/networks.h"

#include <algorithm>

namespace nodewall::compile {
namespace {

void append_v4(Intervals<std::uint32_t>& set, const Cidr& net) {
  const std::uint32_t hosts = net.prefix == 0 ? 0xffffffffU : ~(0xffffffffU << (32 - net.prefix));
  const auto first = net.address.v4_host_order() & ~hosts;
  append_interval(set, first, first | hosts);
}

void append_v6(Intervals<Uint128>& set, const Cidr& net) {
  const Uint128 value = Uint128{net.address.high()} << 64 | net.address.low();
  const Uint128 hosts = net.prefix == 0 ? ~Uint128{0} : net.prefix >= 128 ? Uint128{0} : ~(~Uint128{0} << (128 - net.prefix));
  append_interval<Uint128>(set, value & ~hosts, value | hosts);
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
  return hash ^ hash >> 31;
}

template <class Pos>
bool is_all(const Intervals<Pos>& set) {
  return set.size() == 1 && set[0].first == 0 && set[0].last == static_cast<Pos>(~Pos{0});
}

}  // namespace

void Networks::read(const resolve::AddressSet& set) {
  auto& four = v4.emplace_back();
  auto& six = v6.emplace_back();
  const auto add = [&](const std::vector<Cidr>& members) {
    for (const auto& net : members) {
      if (net.address.family == Family::v4)
        append_v4(four, net);
      else
        append_v6(six, net);
    }
  };
  if (std::ranges::is_sorted(set.members)) {
    add(set.members);
  } else {
    auto members = set.members;
    std::ranges::sort(members);
    add(members);
  }
  Coverage coverage;
  coverage.some = static_cast<std::uint8_t>((four.empty() ? 0 : kV4) | (six.empty() ? 0 : kV6));
  coverage.all = static_cast<std::uint8_t>((is_all(four) ? kV4 : 0) | (is_all(six) ? kV6 : 0));
  coverage_.push_back(coverage);
}

std::uint64_t Networks::fingerprint(SetId set) const {
  std::uint64_t hash = v4[set].size();
  for (const auto& it : v4[set]) hash = mix(hash, std::uint64_t{it.first} << 32 | it.last);
  for (const auto& it : v6[set]) {
    hash = mix(mix(hash, static_cast<std::uint64_t>(it.first)), static_cast<std::uint64_t>(it.first >> 64));
    hash = mix(mix(hash, static_cast<std::uint64_t>(it.last)), static_cast<std::uint64_t>(it.last >> 64));
  }
  return hash;
}

SetId Networks::id(resolve::SetIndex set) {
  if (ids_[set] != kUnread) return ids_[set];
  read(sets_[set]);
  const auto made = static_cast<SetId>(coverage_.size() - 1);
  fingerprints_.push_back(fingerprint(made));
  const auto mask = table_.size() - 1;
  auto slot = fingerprints_[made] & mask;
  for (; table_[slot] != 0; slot = (slot + 1) & mask) {
    const auto other = table_[slot] - 1;
    if (fingerprints_[other] != fingerprints_[made] || v4[other] != v4[made] || v6[other] != v6[made]) continue;
    v4.pop_back();
    v6.pop_back();
    coverage_.pop_back();
    fingerprints_.pop_back();
    return ids_[set] = other;
  }
  table_[slot] = made + 1;
  if (coverage_.size() * 2 > table_.size()) grow_table();
  return ids_[set] = made;
}

void Networks::grow_table() {
  table_.assign(table_.size() * 2, 0);
  const auto mask = table_.size() - 1;
  for (std::uint32_t i = 0; i < fingerprints_.size(); ++i) {
    auto slot = fingerprints_[i] & mask;
    while (table_[slot] != 0) slot = (slot + 1) & mask;
    table_[slot] = i + 1;
  }
}

}  // namespace nodewall::compile
