// T-R8: the process ends in the place of any call that changes something.
#include <catch2/catch_test_macros.hpp>
#include <iostream>

#include "engine/state_file.h"
#include "life.h"

using namespace failpoints;

namespace {

bool change(Site& site, Which to) {
  auto engine = Engine::start(site.options());
  return engine && engine->apply(site.resources(to), site.facts()) && engine->tick();
}

// Of the many maps that are made and pinned alike only some: the verifier takes seconds for each new set of them.
std::vector<std::size_t> places(const std::vector<std::string>& calls) {
  constexpr std::size_t kStride = 40;
  std::vector<std::size_t> numbers;
  std::string last;
  std::size_t since = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto kind = calls[i].substr(0, calls[i].find(' '));
    if (kind == "map_create" || kind == "obj_pin" || kind == "btf_load" || kind == "map_freeze" ? since++ % kStride == 0 : calls[i] != last) numbers.push_back(i);
    last = calls[i];
  }
  return numbers;
}

}  // namespace

TEST_CASE("T-R8 a crash at any step of a change leaves the old policy or the new one, and the next start makes either whole", "[crash]") {
  Site site;
  failpoint::reuse_programs(true);
  REQUIRE(live(site, Which::before) == "");
  open_flow(site);
  REQUIRE(site.whole(Which::before) == "");
  const auto descriptors = open_descriptors();
  std::size_t steps = 0, crashes = 0;
  bool crashed = true;
  for (std::size_t call = first_call(); crashed; ++call) {
    crashed = false;
    // The next start goes on, or somebody has taken the change back; from either policy.
    for (const auto& [from, target] : {std::pair(Which::before, Which::after), std::pair(Which::after, Which::after),
                                       std::pair(Which::after, Which::before), std::pair(Which::before, Which::before)}) {
      CAPTURE(call, from == Which::before, target == Which::before);
      const auto outcome = crashing_life(site, call, [&](Site& it) { return change(it, other(from)); });
      REQUIRE(outcome != Outcome::failed);
      CHECK(site.probe({Which::before, Which::after}) == "");
      CHECK(live(site, target, {Which::before, Which::after}) == "");
      CHECK(site.whole(target) == "");
      crashed = crashed || outcome == Outcome::crashed;
      crashes += outcome == Outcome::crashed ? 1 : 0;
    }
    steps = call;
  }
  std::cout << "  " << crashes << " crashes at " << steps << " steps\n";
  CHECK(steps > 10);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("T-R8 a crash at any step of a first start closes nothing that is allowed, and the next start makes the policy whole", "[first]") {
  Site site;
  failpoint::reuse_programs(true);
  // The second life makes the calls that those after it make: the first one asks the kernel what it can, and loads the programs.
  for (int life = 0; life < 2; ++life) {
    failpoint::watch(failpoint::Scope::changes);
    REQUIRE(change(site, Which::before));
    failpoint::off();
    REQUIRE(nodewall::kernel::remove_pinned(site.pins()));
  }
  const auto calls = failpoint::calls();
  for (const auto call : places(calls)) {
    if (call < first_call()) continue;
    CAPTURE(call, calls[call]);
    CHECK(crashing_life(site, call, [](Site& it) { return change(it, Which::before); }) == Outcome::crashed);
    open_flow(site);  // what began before there was a table is not in it
    CHECK(site.probe({Which::open, Which::before}) == "");
    CHECK(live(site, Which::before, {Which::open, Which::before}) == "");
    CHECK(site.whole(Which::before) == "");
    REQUIRE(nodewall::kernel::remove_pinned(site.pins()));
    REQUIRE(site.probe({Which::open}) == "");
  }
}

TEST_CASE("T-R8 a disarm that crashes at any step is ended by the next start, and what it left is never half a policy for long", "[first]") {
  Site site;
  failpoint::reuse_programs(true);
  REQUIRE(live(site, Which::before) == "");
  open_flow(site);
  const auto disarm = [](Site& it) {
    auto engine = Engine::start(it.options());
    return engine && engine->disarm();
  };
  bool crashed = true;
  for (std::size_t call = first_call(); crashed; ++call) {
    CAPTURE(call);
    const auto outcome = crashing_life(site, call, disarm);
    REQUIRE(outcome != Outcome::failed);
    crashed = outcome == Outcome::crashed;
    CHECK(site.probe({Which::open, Which::before}) == "");
    const bool disarmed = nodewall::engine::is_disarmed(site.run_dir());
    CHECK(live(site, Which::before) == "");
    CHECK(site.whole(disarmed ? Which::open : Which::before) == "");
    if (!disarmed) continue;
    auto engine = Engine::start(site.options());
    REQUIRE(engine);
    REQUIRE(engine->apply(site.resources(Which::before), site.facts()));
    CHECK(engine->arm());
    open_flow(site);
    CHECK(site.whole(Which::before) == "");
  }
}
