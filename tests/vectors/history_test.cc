// No hysteresis: what is enforced depends on what the resources are, not on the way they came to be.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "harness/generator.h"
#include "harness/judges.h"
#include "harness/vectors.h"

using namespace nodewall;
using namespace nodewall::test;

namespace {

struct Change {
  model::ResourceId id;
  std::optional<model::Resource> put;  // nothing: deleted
};

// The last word about each object is `final`; before it objects come, go, differ and come again.
std::vector<Change> random_walk(Random& random, const model::ResourceSet& final, const model::ResourceSet& other) {
  std::vector<Change> walk;
  const auto touch = [&](const model::ResourceSet& from) {
    const auto& [id, resource] = random.pick(from);
    walk.push_back({id, random.percent(25) ? std::nullopt : std::optional(resource)});
    if (random.percent(20)) walk.push_back(walk.back());
  };
  for (std::size_t i = 0; i < 12; ++i) touch(random.percent(50) ? final : other);
  std::vector<Change> last;
  for (const auto& [id, resource] : other) last.push_back({id, std::nullopt});
  for (const auto& [id, resource] : final) {
    std::erase_if(last, [&](const Change& change) { return change.id == id; });
    last.push_back({id, resource});
  }
  for (std::size_t i = last.size(); i > 1; --i) std::swap(last[i - 1], last[random.below(i)]);
  walk.insert(walk.end(), last.begin(), last.end());
  return walk;
}

Judges program_judges() {
  auto judges = Judges::open(Judges::With::program);
  INFO((judges ? std::string() : judges.error().message()));
  REQUIRE(judges);
  return std::move(*judges);
}

// Origins by rule counter and host endpoints by slot: slots without their numbers.
std::pair<std::vector<compile::RuleKey>, std::vector<std::string>> owners(const compile::Slots& slots) {
  std::pair<std::vector<compile::RuleKey>, std::vector<std::string>> out;
  for (const auto& [key, slot] : slots.rules) out.first.push_back(key);
  for (const auto& [name, slot] : slots.endpoints) out.second.push_back(name);
  return out;
}

}  // namespace

TEST_CASE("T-P6: changes in any order, with repeats and reversals, end as a fresh start does") {
  auto walked = program_judges();
  auto fresh = program_judges();
  compile::Slots slots;  // those of an engine that lives through all of it
  model::ResourceSet current;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Shape shape{.policies = 4, .rules = 4, .sets = 2, .nets = 4};
    const auto final = random_scenario(random, shape);
    auto other = random_scenario(random, shape).resources;
    other.insert(current.begin(), current.end());  // what is left from before has to go
    for (const auto& change : random_walk(random, final.resources, other)) {
      if (change.put) current.insert_or_assign(change.id, *change.put);
      else current.erase(change.id);
      const Scenario now{current, final.facts};
      slots = compile::assign_slots(slots, test::resolve(now));
      REQUIRE(walked.load(now, slots));
    }
    REQUIRE(fresh.load(final));
    CHECK(walked.resolved() == fresh.resolved());
    CHECK(owners(walked.slots()) == owners(fresh.slots()));
    CHECK(walked.image().origins == fresh.image().origins);
    CHECK(walked.image().cost.diagram_bytes == fresh.image().cost.diagram_bytes);
    CHECK(walked.image().cost.address_classes == fresh.image().cost.address_classes);
    const auto ports = walked.datapath()->failsafe();
    const auto fresh_ports = fresh.datapath()->failsafe();
    REQUIRE((ports && fresh_ports));
    CHECK(std::set(ports->begin(), ports->end()) == std::set(fresh_ports->begin(), fresh_ports->end()));
    const auto pools = packet_pools(final);
    for (std::size_t i = 0; i < 60; ++i) {
      const auto packet = random_packet(random, pools);
      CAPTURE(to_text(packet));
      for (const auto way : fresh.ways(packet)) {
        CAPTURE(name(way));
        const auto answer = walked.judge(way, packet);
        const auto fresh_answer = fresh.judge(way, packet);
        REQUIRE((answer && fresh_answer));
        CHECK(*answer == *fresh_answer);
      }
    }
  }
}

TEST_CASE("the image of one scenario is the same whenever it is compiled") {
  auto judges = Judges::open(Judges::With::user_space);
  REQUIRE(judges);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto scenario = random_scenario(random, {});
    REQUIRE(judges->load(scenario));
    const auto once = judges->image();
    REQUIRE(judges->load(random_scenario(random, {})));
    REQUIRE(judges->load(scenario));
    const auto same = [](const nw_line& a, const nw_line& b) { return std::ranges::equal(a.words, b.words); };
    CHECK(std::ranges::equal(once.lines, judges->image().lines, same));
  }
}
