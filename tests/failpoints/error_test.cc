// T-K2: any call fails, once or from then on.
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <iostream>
#include <set>

#include "life.h"

using namespace failpoints;

namespace {

// The first and the last of a run of equal calls: a walk over a map has thousands.
std::vector<std::size_t> worth_failing(const std::vector<std::string>& calls) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < calls.size(); ++i)
    if (i == 0 || i + 1 == calls.size() || calls[i] != calls[i - 1] || calls[i] != calls[i + 1]) numbers.push_back(i);
  return numbers;
}


struct Way {
  std::size_t call;
  std::string what;
  int error;
  bool lasting;
};

// What the kernel answers there when it is short of something, for a moment or longer, or does not let us.
std::vector<Way> ways(const std::vector<std::string>& calls) {
  std::vector<Way> all;
  for (const auto call : worth_failing(calls)) {
    if (call < first_call()) continue;
    const auto& text = calls[call];
    const bool file = text.starts_with("file ");
    all.push_back({call, text, file ? EMFILE : ENOMEM, false});
    all.push_back({call, text, file ? ENOSPC : ENOMEM, true});
    all.push_back({call, text, file ? EIO : EPERM, false});
  }
  return all;
}

std::vector<std::string> calls_of(Site& site, Engine& engine, Which to) {
  failpoint::watch(failpoint::Scope::everything);
  const auto report = engine.apply(site.resources(to), site.facts());
  failpoint::off();
  REQUIRE(report);
  return failpoint::calls();
}

}  // namespace

TEST_CASE("T-K2 whichever call of a change fails, the old policy or the new one is in force, status says why, and the next tick makes it whole",
          "[error]") {
  Site site;
  failpoint::reuse_programs(true);
  auto engine = Engine::start(site.options());
  REQUIRE(engine);
  std::size_t said = 0;
  engine->on_event([&](const nodewall::engine::Event& event) { said += event.kind == nodewall::engine::Event::Kind::failed ? 1 : 0; });
  REQUIRE(engine->apply(site.resources(Which::before), site.facts()));
  open_flow(site);
  std::size_t count = 0;
  for (const Which from : {Which::before, Which::after}) {
    const auto to = other(from);
    const auto calls = calls_of(site, *engine, to);
    REQUIRE(engine->apply(site.resources(from), site.facts()));
    REQUIRE(site.whole(from) == "");
    const auto descriptors = open_descriptors();
    for (const auto& way : ways(calls)) {
      for (const Which settled : {to, from}) {
        CAPTURE(from == Which::before, settled == from, way.what, way.call, way.error, way.lasting);
        said = 0;
        failpoint::watch(failpoint::Scope::everything);
        failpoint::fail_at(way.call, way.error, way.lasting);
        const auto report = engine->apply(site.resources(to), site.facts());
        const bool reached = failpoint::was_reached();
        failpoint::off();
        CHECK(site.probe({Which::before, Which::after}) == "");
        if (!report) CHECK(engine->status().last_error != "");
        if (!report) CHECK(said > 0);
        count += reached ? 1 : 0;
        // Either it goes on, or somebody takes the change back.
        if (settled == from) CHECK(engine->apply(site.resources(from), site.facts()));
        CHECK(engine->tick());
        CHECK(engine->status().last_error == "");
        CHECK(site.whole(settled) == "");
        REQUIRE(engine->apply(site.resources(from), site.facts()));
        CHECK(open_descriptors() == descriptors);
      }
    }
    REQUIRE(engine->apply(site.resources(to), site.facts()));
  }
  std::cout << "  " << count << " failed calls\n";
  CHECK(count > 100);
}

TEST_CASE("T-K2 whichever call of an adoption fails, what was in force stays in force, and the next start makes it whole", "[error]") {
  Site site;
  failpoint::reuse_programs(true);
  REQUIRE(live(site, Which::before) == "");
  open_flow(site);
  failpoint::watch(failpoint::Scope::everything);
  { REQUIRE(Engine::start(site.options())); }
  failpoint::off();
  const auto calls = failpoint::calls();
  const auto descriptors = open_descriptors();
  std::size_t refused = 0;
  for (const auto& way : ways(calls)) {
    CAPTURE(way.what, way.call, way.error, way.lasting);
    failpoint::watch(failpoint::Scope::everything);
    failpoint::fail_at(way.call, way.error, way.lasting);
    {
      const auto engine = Engine::start(site.options());
      refused += engine ? 0 : 1;
    }
    failpoint::off();
    CHECK(site.probe({Which::before}) == "");
    CHECK(open_descriptors() == descriptors);
    CHECK(live(site, Which::before, {Which::before}) == "");
    CHECK(site.whole(Which::before) == "");
  }
  std::cout << "  " << refused << " starts refused\n";
  CHECK(refused > 10);
}
