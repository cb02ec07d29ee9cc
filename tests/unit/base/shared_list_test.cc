#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>

#include "base/shared_list.h"

namespace nodewall {
namespace {

using List = SharedList<int>;

std::vector<int> numbers(int count) {
  std::vector<int> made(static_cast<std::size_t>(count));
  std::iota(made.begin(), made.end(), 0);
  return made;
}

std::vector<int> all(const List& list) { return {list.begin(), list.end()}; }

// Chunks that both lists have.
std::size_t shared(const List& a, const List& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < std::min(a.chunks(), b.chunks()); ++i) count += &a.chunk(i) == &b.chunk(i);
  return count;
}

}  // namespace

TEST_CASE("a shared list is what it was made of, and equal to another of the same members") {
  for (const int count : {0, 1, 2047, 2048, 2049, 4096, 10000}) {
    CAPTURE(count);
    const auto values = numbers(count);
    const List list(values);
    CHECK(list.size() == values.size());
    CHECK(list.empty() == values.empty());
    CHECK(all(list) == values);
    CHECK(list == values);
    CHECK(list == List(values.begin(), values.end()));
    CHECK(list.end() - list.begin() == count);
    List longer = list;
    longer.push_back(-1);
    CHECK(longer != list);
    CHECK(longer.back() == -1);
    if (count == 0) continue;
    CHECK(list[values.size() - 1] == values.back());
    CHECK(list.back() == values.back());
    List other = list;
    other.back() = -1;
    CHECK(other != list);
  }
}

TEST_CASE("lists of other chunks are equal if their members are") {
  List pieces;
  for (int i = 0; i < 5000; i += 500) {
    auto values = numbers(i + 500);
    values.erase(values.begin(), values.begin() + i);
    pieces.append(values);
  }
  const List whole(numbers(5000));
  CHECK(pieces.chunks() != whole.chunks());
  CHECK(pieces == whole);
  CHECK(whole == pieces);
  pieces[3000] = 0;
  CHECK(pieces != whole);
}

TEST_CASE("a copy shares its chunks, and a change of one list is not seen in the other") {
  const List before(numbers(10000));
  auto after = before;
  CHECK(shared(before, after) == before.chunks());
  after[5000] = -1;
  CHECK(before[5000] == 5000);
  CHECK(after[5000] == -1);
  CHECK(shared(before, after) == before.chunks() - 1);
  const auto again = after;
  after.push_back(10000);
  after.erase(after.begin());
  after.insert(after.begin() + 7000, -2);
  CHECK(again.size() == 10000);
  CHECK(again[0] == 0);
  CHECK(again[7000] == 7000);
}

TEST_CASE("what is written through a reference that was taken before a copy is not seen in the copy") {
  List list(numbers(5000));
  auto& number = list[4500];
  auto place = list.begin() + 100;
  *place = 100;
  const auto copy = list;
  List appended;
  appended.append(list);
  number = -1;
  *place = -2;
  CHECK(list[4500] == -1);
  CHECK(copy[4500] == 4500);
  CHECK(copy[100] == 100);
  CHECK(appended == copy);
  CHECK(shared(copy, list) == 1);  // the chunk in the middle, which nobody can write to
  SECTION("also when the chunk was split since") {
    for (int i = 0; i < 5000; ++i) list.insert(list.begin() + 4400, i);
    auto& moved = list[list.size() - 400];
    const auto other = list;
    moved = -3;
    CHECK(other[other.size() - 400] != -3);
  }
}

TEST_CASE("a member that is set leaves its chunk to be shared") {
  List list(numbers(5000));
  const auto before = list;
  list.set(4500, -1);
  CHECK(before[4500] == 4500);
  CHECK(std::as_const(list)[4500] == -1);
  const auto copy = list;
  CHECK(shared(copy, list) == copy.chunks());
}

TEST_CASE("a shared list goes through random changes as a vector does") {
  std::mt19937 random(7);
  std::vector<int> values = numbers(5000);
  List list(values);
  std::vector<std::pair<List, std::vector<int>>> past;
  for (int i = 0; i < 20000; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(values.empty() ? 0 : random() % values.size());
    switch (random() % 8) {
      case 0: values.push_back(i); list.push_back(i); break;
      case 1: case 2: values.insert(values.begin() + at, i); list.insert(list.begin() + at, i); break;
      case 3: case 4: case 5:
        if (values.empty()) break;
        values.erase(values.begin() + at);
        list.erase(list.begin() + at);
        break;
      case 6: if (!values.empty()) values[static_cast<std::size_t>(at)] = list[static_cast<std::size_t>(at)] = -i; break;
      default: if (i % 64 == 0) past.emplace_back(list, values);
    }
    REQUIRE(list.size() == values.size());
  }
  CHECK(all(list) == values);
  for (const auto& [before, expected] : past) CHECK(all(before) == expected);
  std::ranges::sort(list);
  std::ranges::sort(values);
  CHECK(all(list) == values);
}

TEST_CASE("the last chunk that goes leaves an empty list") {
  SharedList<std::string> list{"one"};
  list.erase(list.begin());
  CHECK(list.empty());
  CHECK(list.begin() == list.end());
  CHECK(list == SharedList<std::string>());
  list.push_back("two");
  CHECK(list.front() == "two");
  auto taken = std::move(list);
  CHECK(taken.size() == 1);
}

}  // namespace nodewall
