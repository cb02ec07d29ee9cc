// Every vector of tests/data, every way.
#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>

#include "harness/filler.h"
#include "harness/judges.h"
#include "harness/vectors.h"

using namespace nodewall;
using namespace nodewall::test;

namespace {

// One line for every answer that is not the expected one.
std::vector<std::string> wrong_answers(Judges& judges, const VectorCase& vector_case) {
  std::vector<std::string> wrong;
  for (const auto& vector : vector_case.vectors) {
    for (const auto way : judges.ways(vector.packet)) {
      const auto answer = judges.judge(way, vector.packet);
      if (answer && *answer == vector.expected) continue;
      wrong.push_back(fmt::format("{}:{}: {} says {}, expected {}; packet {}", vector_case.file, vector.line, name(way),
                                  answer ? to_text(*answer) : answer.error().message(), to_text(vector.expected),
                                  to_text(vector.packet)));
    }
  }
  return wrong;
}

// Once a process: a test case begins anew for each of its sections.
const std::vector<VectorCase>& all_vectors() {
  static const auto all = load_all_vectors();
  INFO((all ? std::string() : all.error().message()));
  REQUIRE(all);
  return *all;
}

Judges& all_judges() {
  static auto judges = Judges::open(Judges::With::program);
  INFO((judges ? std::string() : judges.error().message()));
  REQUIRE(judges);
  return *judges;
}

void check_all(Judges& judges, const VectorCase& vector_case) {
  const auto loaded = judges.load(vector_case.scenario);
  INFO((loaded ? std::string() : loaded.error().message()));
  REQUIRE(loaded);
  for (const auto& line : wrong_answers(judges, vector_case)) {
    INFO(line);
    CHECK(false);
  }
}

}  // namespace

TEST_CASE("every vector is answered as expected by oracle, image and program") {
  for (const auto& vector_case : all_vectors()) {
    DYNAMIC_SECTION(vector_case.file << ":" << vector_case.line << " " << vector_case.name) {
      check_all(all_judges(), vector_case);
    }
  }
}

TEST_CASE("every vector is answered alike behind 10,000 rules that do not match") {
  for (const auto& vector_case : all_vectors()) {
    DYNAMIC_SECTION(vector_case.file << ":" << vector_case.line << " " << vector_case.name) {
      for (const auto& vector : vector_case.vectors) REQUIRE_FALSE(is_filler_address(vector.packet));
      auto behind = vector_case;
      add_filler(behind.scenario, 10'000);
      check_all(all_judges(), behind);
    }
  }
}

TEST_CASE("a vector with a wrong expectation is noticed every way") {
  auto one = all_vectors().front();
  auto& judges = all_judges();
  REQUIRE(judges.load(one.scenario));
  one.vectors.resize(1);
  REQUIRE(wrong_answers(judges, one).empty());
  const auto ways = judges.ways(one.vectors.front().packet).size();
  REQUIRE(ways >= 3);
  const auto right = one.vectors.front().expected;
  SECTION("verdict") { one.vectors.front().expected.allow = !right.allow; }
  SECTION("reason") { one.vectors.front().expected.reason = NW_REASON_MARTIAN; }
  SECTION("rule") { one.vectors.front().expected.origin.rule += 1; }
  SECTION("policy") { one.vectors.front().expected.origin.policy += "x"; }
  CHECK(wrong_answers(judges, one).size() == ways);
}

TEST_CASE("a vector file is read back as it was written") {
  for (const auto& vector_case : all_vectors()) {
    CAPTURE(vector_case.file, vector_case.name);
    const auto again = parse_vectors(to_text(vector_case), vector_case.file);
    INFO((again ? std::string() : again.error().message()));
    REQUIRE(again);
    REQUIRE(again->size() == 1);
    CHECK(again->front().scenario.resources == vector_case.scenario.resources);
    REQUIRE(again->front().vectors.size() == vector_case.vectors.size());
    for (std::size_t i = 0; i < vector_case.vectors.size(); ++i) {
      CHECK(again->front().vectors[i].expected == vector_case.vectors[i].expected);
      CHECK(to_text(again->front().vectors[i].packet) == to_text(vector_case.vectors[i].packet));
    }
  }
}

TEST_CASE("a faulty vector file is refused with its line") {
  const std::string head = "- name: x\n  resources: \"\"\n  packets:\n    - ";
  const std::string packet = R"(packet: {"interface":"eth0","direction":"ingress","src":"10.0.0.1","dst":"10.0.0.2","protocol":"TCP"})";
  REQUIRE(parse_vectors(head + packet + "\n      statement: 7\n      verdict: allow\n      reason: no_endpoint\n", "f.yaml"));
  for (const auto* tail : {"\n      statement: 7\n      verdict: perhaps\n      reason: policy\n",
                           "\n      statement: 7\n      verdict: allow\n      reason: because\n",
                           "\n      statement: 7\n      verdict: allow\n      reason: policy\n      rule: 0\n",
                           "\n      verdict: allow\n      reason: policy\n",
                           "\n      statement: 7\n      verdict: allow\n      reason: policy\n      origin: default/x\n"}) {
    CAPTURE(tail);
    const auto read = parse_vectors(head + packet + tail, "f.yaml");
    REQUIRE_FALSE(read);
    CHECK(read.error().message().find("f.yaml:") != std::string::npos);
  }
}
