// Address sets in normal form, each kept once.
//
// Normal form: masked, sorted by bytes, unique, and without members that another member covers. A set of a million networks is
// made with one sort; equal sets are found by hash.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "resolve/endpoint_policy.h"

namespace nodewall::resolve {

// `hidden`, if given, gets the others: masked, sorted, each as often as it was there beside a member.
std::vector<Cidr> normalized(std::vector<Cidr> members, std::vector<Cidr>* hidden = nullptr);
Cidr host_cidr(const Address& address);  // /32 or /128

// A set that is known, maybe from a policy before, and its number in the round of resolving that it was used in last.
struct KnownSet {
  AddressSet set;
  std::uint64_t hash = 0;  // of its content
  std::uint64_t round = 0;
  SetIndex index = 0;
};

// One object for each content, as long as somebody has it (shared_ptr: selectors and remembered rules have it in common, and any of
// them may be the last).
class SetPool {
 public:
  std::shared_ptr<KnownSet> find_or_add(CidrList members, std::uint64_t hash);
  [[nodiscard]] std::size_t size() const { return by_hash_.size(); }
  void drop_unused();

 private:
  std::unordered_multimap<std::uint64_t, std::shared_ptr<KnownSet>> by_hash_;
};

struct Selected;  // inventory.h

// That some rules looked at a set, and what they saw of it.
struct SetUse {
  std::shared_ptr<KnownSet> set;       // of members that were written
  std::shared_ptr<Selected> selected;  // or of a selector: what it stands for now
  SetIndex index = 0;
  bool empty = false;
};

// The sets of one policy in the order in which they are used first.
class SetTable {
 public:
  SetTable(SetPool& pool, std::uint64_t round) : pool_(pool), round_(round) {}

  // The index of the set with these members, which need not be in normal form.
  SetIndex intern(std::vector<Cidr> members);
  SetIndex intern(const std::shared_ptr<KnownSet>& set, const std::shared_ptr<Selected>& selected = {});
  [[nodiscard]] const AddressSet& at(SetIndex index) const { return sets_[index]; }
  [[nodiscard]] std::size_t size() const { return sets_.size(); }
  std::vector<AddressSet> take() { return std::move(sets_); }
  // From now on each use is noted there; null: nowhere.
  void note_uses(std::vector<SetUse>* uses) { uses_ = uses; }

 private:
  SetPool& pool_;
  const std::uint64_t round_;
  std::vector<AddressSet> sets_;
  std::vector<SetUse>* uses_ = nullptr;
};

}  // namespace nodewall::resolve
