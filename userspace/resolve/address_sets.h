// Address sets in normal form, each kept once.
//
// Normal form: masked, sorted by bytes, unique, and without members that another member covers. A set of a million networks is
// made with one sort; equal sets are found by hash.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "resolve/endpoint_policy.h"

namespace nodewall::resolve {

std::vector<Cidr> normalized(std::vector<Cidr> members);
Cidr host_cidr(const Address& address);  // /32 or /128

class SetTable {
 public:
  // The index of the set with these members, which need not be in normal form.
  SetIndex intern(std::vector<Cidr> members);
  [[nodiscard]] const AddressSet& at(SetIndex index) const { return sets_[index]; }
  std::vector<AddressSet> take() { return std::move(sets_); }

 private:
  std::vector<AddressSet> sets_;
  std::unordered_multimap<std::uint64_t, SetIndex> by_hash_;
};

}  // namespace nodewall::resolve
