#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <random>

#include "base/cidr_list.h"

namespace nodewall {
namespace {

Cidr net(std::uint32_t number) { return {Address::v4(number << 8), 24}; }

std::vector<Cidr> nets(std::uint32_t count) {
  std::vector<Cidr> made;
  for (std::uint32_t i = 0; i < count; ++i) made.push_back(net(2 * i));
  return made;
}

std::vector<Cidr> all(const CidrList& list) { return {list.begin(), list.end()}; }

}  // namespace

TEST_CASE("a list of networks is what it was made of, and equal to another of the same members") {
  for (const std::uint32_t count : {0U, 1U, 2047U, 2048U, 2049U, 10000U}) {
    CAPTURE(count);
    const auto members = nets(count);
    const CidrList list(members);
    CHECK(list.size() == count);
    CHECK(list.empty() == (count == 0));
    CHECK(all(list) == members);
    CHECK(list == CidrList(members));
    if (count > 0) CHECK(list[count - 1] == members.back());
    CHECK(list != list.with(net(1)));
    CHECK(list.with(net(1)).without(net(1)) == list);
    CHECK(list.without(net(1)) == list);
  }
}

TEST_CASE("members that come and go leave a sorted list, and what two lists differ in is found") {
  std::mt19937 random(1);
  auto members = nets(9000);
  CidrList list(members);
  const auto first = list;
  const auto first_members = members;
  for (int i = 0; i < 6000; ++i) {
    const auto it = net(random() % 4000 + (i % 3 == 0 ? 14000 : 0));
    const auto place = std::ranges::lower_bound(members, it);
    const bool there = place != members.end() && *place == it;
    if (there) members.erase(place);
    else members.insert(place, it);
    list = there ? list.without(it) : list.with(it);
  }
  CHECK(all(list) == members);
  CHECK(all(first) == first_members);
  const auto found = difference(first, list, 100000);
  REQUIRE(found);
  std::vector<Cidr> gone, fresh;
  std::ranges::set_difference(first_members, members, std::back_inserter(gone));
  std::ranges::set_difference(members, first_members, std::back_inserter(fresh));
  CHECK(found->gone == gone);
  CHECK(found->fresh == fresh);
  CHECK_FALSE(difference(first, list, gone.size() + fresh.size() - 1));
  for (const std::uint32_t number : {0U, 1U, 8000U, 17999U, 30000U}) {
    const auto at = std::ranges::lower_bound(members, net(number)), after = std::ranges::upper_bound(members, net(number));
    const auto* found_at = list.at_or_after(net(number));
    const auto* found_after = list.after(net(number));
    CHECK((found_at == nullptr ? at == members.end() : at != members.end() && *at == *found_at));
    CHECK((found_after == nullptr ? after == members.end() : after != members.end() && *after == *found_after));
  }
  for (const auto& it : members) list = list.without(it);
  CHECK(list.empty());
}

}  // namespace nodewall
