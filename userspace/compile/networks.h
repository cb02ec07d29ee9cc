// Networks: the address sets of a Resolved as intervals, each content once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "compile/content_index.h"
#include "compile/partition.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::compile {

__extension__ using Uint128 = unsigned __int128;

using SetId = std::uint32_t;  // in Networks: sets of equal content have one
constexpr std::uint8_t kV4 = 1;
constexpr std::uint8_t kV6 = 2;
constexpr std::uint8_t kBothFamilies = kV4 | kV6;

class Networks {
 public:
  static constexpr SetId kUnread = 0xffffffffU;  // of a set that no rule looks at

  explicit Networks(const std::vector<resolve::AddressSet>& sets) : sets_(&sets), ids_(sets.size(), kUnread) {}

  SetId id(resolve::SetIndex set);
  // The sets of the next policy: `ids` says which of them are known.
  void go_on(const std::vector<resolve::AddressSet>& sets, std::vector<SetId> ids);
  [[nodiscard]] const std::vector<SetId>& ids() const { return ids_; }
  // From now on the set has other members than were read: no set is taken for it.
  void forget(SetId set);
  // No member covers another.
  [[nodiscard]] bool is_plain(SetId set) const { return coverage_[set].plain; }
  [[nodiscard]] std::uint8_t some(SetId set) const { return coverage_[set].some; }  // families with a member
  [[nodiscard]] std::uint8_t all(SetId set) const { return coverage_[set].all; }    // families that are wholly in it
  [[nodiscard]] std::size_t size() const { return coverage_.size(); }

  std::vector<Intervals<std::uint32_t>> v4;  // by SetId, host order
  std::vector<Intervals<Uint128>> v6;

 private:
  struct Coverage {
    std::uint8_t some = 0, all = 0;
    bool plain = true;
    bool forgotten = false;
  };

  void read(const resolve::AddressSet& set);
  [[nodiscard]] std::uint64_t fingerprint(SetId set) const;

  const std::vector<resolve::AddressSet>* sets_;
  std::vector<SetId> ids_;  // by SetIndex
  std::vector<Coverage> coverage_;
  ContentIndex index_;
};

}  // namespace nodewall::compile
