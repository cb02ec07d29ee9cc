// NormalForm: the networks that were written, in normal form (address_sets.h), kept as they come and go one by one.
//
//   written    10.0.0.0/8, 10.1.0.0/16, 10.1.0.0/16, 192.0.2.1/32
//   members    10.0.0.0/8, 192.0.2.1/32
//   hidden     10.1.0.0/16, 10.1.0.0/16        shown when 10.0.0.0/8 goes
//
// What is not a member is hidden: a member covers it, or is the same. So a network more or less is an exact step from one normal form
// to the next, and a set of a million members costs no more than a small one.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cidr_list.h"

namespace nodewall::resolve {

class NormalForm {
 public:
  explicit NormalForm(std::vector<Cidr> written);

  [[nodiscard]] const CidrList& members() const { return members_; }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }  // of the members

  // One network more, or one less. False: it covers very many, or is not there to be removed; then this is of no use any more.
  [[nodiscard]] bool add(const Cidr& written);
  [[nodiscard]] bool remove(const Cidr& written);

 private:
  void show(const Cidr& net);
  void take(const Cidr& net);
  [[nodiscard]] bool is_covered(const Cidr& net) const;

  CidrList members_;
  CidrList hidden_;  // sorted, each as often as it is hidden
  std::uint64_t hash_ = 0;
};

std::uint64_t hash_of_members(const CidrList& members);

}  // namespace nodewall::resolve
