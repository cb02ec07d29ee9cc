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

template <class Pos>
bool is_all(const Intervals<Pos>& set) {
  return set.size() == 1 && set[0].first == 0 && set[0].last == static_cast<Pos>(~Pos{0});
}

}  // namespace

void Networks::read(const resolve::AddressSet& set) {
  auto& four = v4.emplace_back();
  auto& six = v6.emplace_back();
  Coverage coverage;
  const Cidr* last[2] = {};
  const auto add = [&](const auto& members) {
    for (const auto& net : members) {
      auto& before = last[net.address.family == Family::v4];
      if (before != nullptr && before->contains(net.address)) coverage.plain = false;
      before = &net;
      if (net.address.family == Family::v4)
        append_v4(four, net);
      else
        append_v6(six, net);
    }
  };
  if (std::ranges::is_sorted(set.members)) {
    add(set.members);
  } else {
    coverage.plain = false;
    std::vector<Cidr> members(set.members.begin(), set.members.end());
    std::ranges::sort(members);
    add(members);
  }
  coverage.some = static_cast<std::uint8_t>((four.empty() ? 0 : kV4) | (six.empty() ? 0 : kV6));
  coverage.all = static_cast<std::uint8_t>((is_all(four) ? kV4 : 0) | (is_all(six) ? kV6 : 0));
  coverage_.push_back(coverage);
}

std::uint64_t Networks::fingerprint(SetId set) const {
  std::uint64_t hash = v4[set].size();
  for (const auto& it : v4[set]) hash = mix_hash(hash, std::uint64_t{it.first} << 32 | it.last);
  for (const auto& it : v6[set]) {
    hash = mix_hash(mix_hash(hash, static_cast<std::uint64_t>(it.first)), static_cast<std::uint64_t>(it.first >> 64));
    hash = mix_hash(mix_hash(hash, static_cast<std::uint64_t>(it.last)), static_cast<std::uint64_t>(it.last >> 64));
  }
  return hash;
}

void Networks::go_on(const std::vector<resolve::AddressSet>& sets, std::vector<SetId> ids) {
  sets_ = &sets;
  ids_ = std::move(ids);
}

void Networks::forget(SetId set) {
  coverage_[set].forgotten = true;
  v4[set] = {};
  v6[set] = {};
}

SetId Networks::id(resolve::SetIndex set) {
  if (ids_[set] != kUnread) return ids_[set];
  read((*sets_)[set]);
  const auto made = static_cast<SetId>(coverage_.size() - 1);
  const auto known = index_.find_or_add(fingerprint(made), made,
                                        [&](SetId other) {
                                          return !coverage_[other].forgotten && v4[other] == v4[made] && v6[other] == v6[made];
                                        });
  if (known != made) {
    coverage_[known].plain = coverage_[known].plain && coverage_[made].plain;
    v4.pop_back();
    v6.pop_back();
    coverage_.pop_back();
  }
  return ids_[set] = known;
}

}  // namespace nodewall::compile
