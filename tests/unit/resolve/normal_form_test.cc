// Normal forms that change network by network.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <random>

#include "node.h"
#include "resolve/address_sets.h"
#include "resolve/normal_form.h"
#include "resolve/written_lists.h"

using namespace nodewall;
using namespace nodewall::testing;
using resolve::NormalForm;

namespace {

void check_is(const NormalForm& normal, const std::vector<Cidr>& written) {
  const CidrList wanted(resolve::normalized(written));
  CHECK(std::vector<Cidr>(normal.members().begin(), normal.members().end()) == std::vector<Cidr>(wanted.begin(), wanted.end()));
  CHECK(normal.hash() == resolve::hash_of_members(wanted));
}

}  // namespace

TEST_CASE("a network that goes shows those that it covered, and no others") {
  NormalForm normal(nets({"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "11.0.0.0/8", "::/0", "2001:db8::/32"}));
  CHECK(normal.members() == CidrList(nets({"::/0", "10.0.0.0/8", "11.0.0.0/8"})));
  REQUIRE(normal.remove(net("10.0.0.0/8")));
  CHECK(normal.members() == CidrList(nets({"::/0", "10.1.0.0/16", "10.2.0.0/16", "11.0.0.0/8"})));
  REQUIRE(normal.remove(net("10.1.0.0/16")));
  CHECK(normal.members() == CidrList(nets({"::/0", "10.1.2.0/24", "10.2.0.0/16", "11.0.0.0/8"})));
  REQUIRE(normal.remove(net("::/0")));
  check_is(normal, nets({"10.1.2.0/24", "10.2.0.0/16", "11.0.0.0/8", "2001:db8::/32"}));
}

TEST_CASE("a network that was written twice stays when one of them goes") {
  NormalForm normal(nets({"10.0.0.1/32", "10.0.0.1/32", "10.0.0.0/8"}));
  REQUIRE(normal.remove(net("10.0.0.0/8")));
  CHECK(normal.members() == CidrList(nets({"10.0.0.1/32"})));
  REQUIRE(normal.remove(net("10.0.0.1/32")));
  CHECK(normal.members() == CidrList(nets({"10.0.0.1/32"})));
  REQUIRE(normal.remove(net("10.0.0.1/32")));
  CHECK(normal.members().empty());
  CHECK(normal.hash() == 0);
  CHECK_FALSE(normal.remove(net("10.0.0.1/32")));
}

TEST_CASE("a network that comes hides what it covers, and is hidden by what covers it") {
  NormalForm normal(nets({"10.1.2.3/32", "10.9.0.0/16", "192.0.2.1/32", "2001:db8::1/128"}));
  REQUIRE(normal.add(net("10.0.0.7/8")));  // host bits do not count
  check_is(normal, nets({"10.0.0.0/8", "192.0.2.1/32", "2001:db8::1/128"}));
  REQUIRE(normal.add(net("10.20.0.0/16")));
  check_is(normal, nets({"10.0.0.0/8", "192.0.2.1/32", "2001:db8::1/128"}));
  REQUIRE(normal.remove(net("10.0.0.0/8")));
  check_is(normal, nets({"10.1.2.3/32", "10.9.0.0/16", "10.20.0.0/16", "192.0.2.1/32", "2001:db8::1/128"}));
}

TEST_CASE("networks of one family never hide those of the other") {
  // All of IPv4 stands, by bytes, within ::/0.
  NormalForm normal(nets({"0.0.0.0/0", "10.0.0.1/32"}));
  REQUIRE(normal.add(net("::/0")));
  CHECK(normal.members().size() == 2);
  REQUIRE(normal.remove(net("0.0.0.0/0")));
  check_is(normal, nets({"10.0.0.1/32", "::/0"}));
}

TEST_CASE("a network that covers very many is not followed one by one") {
  std::vector<Cidr> written;
  for (std::uint32_t i = 0; i < 3000; ++i) written.push_back({Address::v4(0x0a000000 + i), 32});
  NormalForm normal(written);
  CHECK_FALSE(normal.add(net("10.0.0.0/8")));
  written.push_back(net("10.0.0.0/8"));
  NormalForm covered(written);
  CHECK_FALSE(covered.remove(net("10.0.0.0/8")));
}

TEST_CASE("networks that come and go in any order leave the normal form of what is there") {
  std::mt19937 random(3);
  std::vector<Cidr> pool;
  for (std::uint32_t i = 0; i < 40; ++i) {
    pool.push_back({Address::v4(0x0a000000 + (i % 5) * 64 + i), static_cast<std::uint8_t>(20 + i % 13)});
    auto address = ip("2001:db8::");
    address.bytes[15] = static_cast<std::uint8_t>(i * 3);
    pool.push_back({address, static_cast<std::uint8_t>(116 + i % 13)});
    // Next to IPv4, by bytes.
    address = Address::v4(0x0a000000 + i);
    address.family = Family::v6;
    pool.push_back({address, static_cast<std::uint8_t>(90 + i % 39)});
  }
  std::vector<Cidr> written;
  NormalForm normal(written);
  for (int i = 0; i < 4000; ++i) {
    if (!written.empty() && random() % 2 == 0) {
      const auto place = written.begin() + static_cast<std::ptrdiff_t>(random() % written.size());
      REQUIRE(normal.remove(*place));
      written.erase(place);
    } else {
      written.push_back(pool[random() % pool.size()]);
      REQUIRE(normal.add(written.back()));
    }
    CAPTURE(i);
    REQUIRE(normal.members() == CidrList(resolve::normalized(written)));
  }
  check_is(normal, written);
}

TEST_CASE("what came and went between lists is found, however it is spread over them") {
  std::mt19937 random(5);
  std::vector<Cidr> written;
  for (std::uint32_t i = 0; i < 9000; ++i) written.push_back({Address::v4(i * 2654435761U), 32});
  resolve::WrittenLists before{written, {}, std::vector(written.begin(), written.begin() + 100)};
  std::uint32_t next = 0xc0000000U;
  for (int round = 0; round < 40; ++round) {
    auto after = before;
    if (round % 4 == 0) after[0] = std::vector(after[0].begin(), after[0].end());  // nothing shared
    for (auto changes = random() % 30; changes > 0; --changes) {
      auto& list = after[random() % 3];
      const auto place = static_cast<std::ptrdiff_t>(random() % (list.size() + 1));
      if (random() % 2 == 0 || place == static_cast<std::ptrdiff_t>(list.size())) list.insert(list.begin() + place, {Address::v4(next++), 32});
      else if (random() % 2 == 0) list.erase(list.begin() + place);
      else list[static_cast<std::size_t>(place)] = {Address::v4(next++), 24};
    }
    const auto found = resolve::member_changes(before, after, 1000);
    REQUIRE(found);
    auto old = resolve::all_members(before), now = resolve::all_members(after);
    old.insert(old.end(), found->fresh.begin(), found->fresh.end());
    now.insert(now.end(), found->gone.begin(), found->gone.end());
    std::ranges::sort(old);
    std::ranges::sort(now);
    CHECK((old == now));
    CHECK(found->gone.size() + found->fresh.size() <= 60);
    before = after;
  }
  CHECK_FALSE(resolve::member_changes(before, {}, 1000));
  CHECK_FALSE(resolve::member_changes({}, before, 1000));
  CHECK(resolve::member_changes(before, before, 0));
}
