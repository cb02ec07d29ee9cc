// Random scenarios: oracle, image and program must answer alike.
//
//   NODEWALL_SEED=n     begins with scenario n; the seed that a difference prints repeats it at once
//   NODEWALL_PAIRS=n    so many (policy, packet) pairs, 10,000 by default
//   NODEWALL_SECONDS=n  goes on for so long, whatever NODEWALL_PAIRS says
#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>

#include "config/decode.h"
#include "harness/generator.h"
#include "harness/judges.h"
#include "harness/shrink.h"
#include "harness/vectors.h"
#include "model/validate.h"

using namespace nodewall;
using namespace nodewall::test;

namespace {

constexpr std::size_t kPacketsOfScenario = 40;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t first_seed() { return number_from("NODEWALL_SEED", std::random_device{}()); }

Judges open_judges(Judges::With with) {
  auto judges = Judges::open(with);
  INFO((judges ? std::string() : judges.error().message()));
  REQUIRE(judges);
  return std::move(*judges);
}

// An answer of one way, possibly with a defect planted.
using Answer = std::function<Result<resolve::Judgement>(Judges&, Way, const resolve::PacketQuery&)>;

Result<resolve::Judgement> honest(Judges& judges, Way way, const resolve::PacketQuery& packet) {
  return judges.judge(way, packet);
}

// The ways that do not answer as the oracle does.
std::vector<Way> dissenters(Judges& judges, const resolve::PacketQuery& packet, const Answer& answer) {
  std::vector<Way> out;
  const auto truth = answer(judges, Way::oracle, packet);
  for (const auto way : judges.ways(packet)) {
    const auto given = answer(judges, way, packet);
    if (!given || !truth || *given != *truth) out.push_back(way);
  }
  return out;
}

struct Difference {
  std::uint64_t seed = 0;
  Scenario scenario;
  resolve::PacketQuery packet;
};

// Judges scenario after scenario; the first difference.
std::optional<Difference> hunt(Judges& judges, std::uint64_t seed, const std::function<bool(std::size_t)>& goes_on,
                               const Answer& answer) {
  for (std::size_t pairs = 0; goes_on(pairs); ++seed) {
    Random random(seed);
    const auto scenario = random_scenario(random, random_shape(random));
    const auto read = from_manifests(to_manifests(scenario.resources), fmt::format("seed {}", seed));
    INFO("seed " << seed << (read ? std::string() : read.error().message()));
    REQUIRE(read);
    REQUIRE(*read == scenario.resources);
    const auto loaded = judges.load({*read, scenario.facts});
    INFO((loaded ? std::string() : loaded.error().message()));
    REQUIRE(loaded);
    const auto pools = packet_pools(scenario);
    for (std::size_t i = 0; i < kPacketsOfScenario; ++i, ++pairs) {
      const auto packet = random_packet(random, pools);
      if (!dissenters(judges, packet, answer).empty()) return Difference{seed, scenario, packet};
    }
  }
  return std::nullopt;
}

// What a person needs to look into it.
std::string report(Judges& judges, const Difference& found, const Answer& answer) {
  const auto differs = [&](const Scenario& scenario, const resolve::PacketQuery& packet) {
    return judges.load(scenario) && !dissenters(judges, packet, answer).empty();
  };
  const auto small = shrink(found.scenario, found.packet, differs);
  REQUIRE(judges.load(small));
  std::string text = fmt::format("NODEWALL_SEED={} repeats it: {}\n", found.seed, to_text(found.packet));
  for (const auto way : judges.ways(found.packet)) {
    const auto given = answer(judges, way, found.packet);
    text += fmt::format("  {}: {}\n", name(way), given ? to_text(*given) : given.error().message());
  }
  const auto truth = answer(judges, Way::oracle, found.packet);
  REQUIRE(truth);
  const auto path = write_vector(small, found.packet, *truth, "a difference between oracle, image and program");
  return text + (path ? "  shrunk to " + path->string() : path.error().message());
}

}  // namespace

TEST_CASE("oracle, image and program answer alike for random policies and packets") {
  const auto seed = first_seed();
  const auto pairs = number_from("NODEWALL_PAIRS", 10'000);
  const std::chrono::seconds time(number_from("NODEWALL_SECONDS", 0));
  const auto start = std::chrono::steady_clock::now();
  std::size_t done = 0;
  const auto goes_on = [&](std::size_t judged) {
    done = judged;
    return time.count() > 0 ? std::chrono::steady_clock::now() - start < time : judged < pairs;
  };
  auto judges = open_judges(Judges::With::program);
  std::cout << "NODEWALL_SEED=" << seed << "\n";
  const auto difference = hunt(judges, seed, goes_on, honest);
  INFO((difference ? report(judges, *difference, honest) : std::string()));
  CHECK_FALSE(difference);
  std::cout << done << " pairs\n";
}

TEST_CASE("a planted defect is noticed, shrunk to one rule and written as a vector") {
  auto judges = open_judges(Judges::With::user_space);
  // The image "mistakes" negations: what a rule with a negated set of sources decides is answered the other way round.
  const auto defective = [](Judges& of, Way way, const resolve::PacketQuery& packet) -> Result<resolve::Judgement> {
    auto answer = of.judge(way, packet);
    if (way != Way::image || !answer || answer->reason != NW_REASON_POLICY) return answer;
    for (const auto& endpoint : of.resolved().endpoints) {
      for (const auto& tier : endpoint.chains[packet.direction].tiers) {
        for (const auto& rule : tier.rules) {
          if (rule.origin == answer->origin && !rule.source.not_in.empty()) answer->allow = !answer->allow;
        }
      }
    }
    return answer;
  };
  const auto difference = hunt(judges, 1, [](std::size_t pairs) { return pairs < 20'000; }, defective);
  REQUIRE(difference);
  const auto text = report(judges, *difference, defective);
  INFO(text);
  const auto at = text.find("shrunk to ");
  REQUIRE(at != std::string::npos);
  const std::filesystem::path path = text.substr(at + 10);
  const auto written = load_vectors(path);
  std::filesystem::remove(path);
  INFO((written ? std::string() : written.error().message()));
  REQUIRE(written);
  const auto& small = written->front().scenario;
  std::size_t rules = 0;
  std::map<model::Kind, std::size_t> objects;
  for (const auto& [id, resource] : small.resources) {
    ++objects[id.kind];
    if (const auto* policy = std::get_if<model::GlobalNetworkPolicy>(&resource.spec)) {
      rules += policy->ingress.size() + policy->egress.size();
    }
  }
  CHECK(rules == 1);
  CHECK(objects[model::Kind::GlobalNetworkPolicy] == 1);
  CHECK(objects[model::Kind::HostEndpoint] == 1);
  CHECK(small.resources.size() <= 3);  // a tier or a set may be needed
  // The file shows the defect again, and nothing without it.
  REQUIRE(judges.load(small));
  const auto& vector = written->front().vectors.front();
  CHECK(dissenters(judges, vector.packet, defective) == std::vector{Way::image});
  CHECK(dissenters(judges, vector.packet, honest).empty());
  CHECK(judges.judge(Way::oracle, vector.packet) == vector.expected);
}

TEST_CASE("every generated object is valid and uses what rules have") {
  std::map<std::string, std::size_t> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    const auto scenario = random_scenario(random, random_shape(random));
    for (const auto& [id, resource] : scenario.resources) {
      for (const auto& fault : model::validate(resource)) FAIL("seed " << seed << " " << fault.field << ": " << fault.reason);
      const auto* policy = std::get_if<model::GlobalNetworkPolicy>(&resource.spec);
      if (policy == nullptr) continue;
      for (const auto& rule : policy->ingress) {
        seen["ipVersion"] += rule.ip_version.has_value();
        seen["notProtocol"] += rule.not_protocol.has_value();
        seen["icmp"] += rule.icmp.has_value();
        seen["notICMP"] += rule.not_icmp.has_value();
        seen["nets"] += !rule.source.nets.empty();
        seen["notNets"] += !rule.source.not_nets.empty();
        seen["selector"] += rule.destination.selector.has_value();
        seen["notSelector"] += rule.destination.not_selector.has_value();
        seen["ports"] += !rule.destination.ports.empty();
        seen["notPorts"] += !rule.source.not_ports.empty();
      }
    }
  }
  for (const auto& [field, times] : seen) {
    CAPTURE(field, times);
    CHECK(times >= 20);
  }
}

TEST_CASE("random packets are decided in every way that policy has") {
  auto judges = open_judges(Judges::With::user_space);
  std::map<std::uint32_t, std::size_t> reasons;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const auto scenario = random_scenario(random, random_shape(random));
    REQUIRE(judges.load(scenario));
    const auto pools = packet_pools(scenario);
    for (std::size_t i = 0; i < kPacketsOfScenario; ++i) {
      const auto answer = judges.judge(Way::oracle, random_packet(random, pools));
      REQUIRE(answer);
      ++reasons[answer->reason];
    }
  }
  for (const std::uint32_t reason : {NW_REASON_POLICY, NW_REASON_TIER_DEFAULT, NW_REASON_PROFILE, NW_REASON_NO_PROFILE,
                                     NW_REASON_FAILSAFE, NW_REASON_NO_ENDPOINT, NW_REASON_FORWARDED, NW_REASON_NEIGHBOUR,
                                     NW_REASON_TCP_FLAGS, NW_REASON_MARTIAN, NW_REASON_ICMP_UNRELATED}) {
    CAPTURE(resolve::reason_name(reason));
    CHECK(reasons[reason] >= 20);
  }
}
