// trace over manifests and a facts file, without a daemon and without root.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "place.h"

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using nodewall::test::host_endpoint;
using nodewall::test::Place;
using nodewall::test::policy;

namespace {

constexpr const char* kPacket =
    R"({"interface":"eth0","direction":"ingress","src":"10.0.0.1","dst":"10.0.0.2","protocol":"TCP","sport":31245,"dport":80,"flags":"S"})";

std::string facts(const Place& place) {
  return place.write("facts.json", R"({"interfaces":[{"name":"eth0","addresses":["10.0.0.2/24"]}]})");
}

void apply_web(const Place& place) {
  place.done({"apply", "-f", "-"},
             host_endpoint("eth0", "node: n1, interfaceName: eth0", "role: web") + "---\n" +
                 policy("web", "selector: role == 'web', ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]"));
}

}  // namespace

TEST_CASE("a packet given by flags is judged, and the rule is named") {
  const Place place;
  apply_web(place);
  for (const auto* engine : {"oracle", "image"}) {
    CHECK(place.done({"trace", "--node", "n1", "--facts", facts(place), "--engine", engine, "--interface", "eth0", "--direction",
                      "ingress", "--src", "10.0.0.1", "--dst", "10.0.0.2", "--protocol", "tcp", "--dport", "80"}) ==
          "allow: policy tier default policy web rule 0\n");
    const auto denied = json::parse(
        place.done({"trace", "-j", "--node", "n1", "--facts", facts(place), "--engine", engine, "--interface", "eth0",
                    "--direction", "ingress", "--src", "10.0.0.1", "--dst", "10.0.0.2", "--protocol", "tcp", "--dport", "81"}));
    CHECK(denied["verdict"] == "deny");
    CHECK(denied["tier"] == "default");
  }
}

TEST_CASE("a batch answers one line for each line, in order, also for bad ones") {
  const Place place;
  apply_web(place);
  const auto outcome = place.run({"trace", "--node", "n1", "--facts", facts(place), "--engine", "image", "--batch", "-"},
                                 std::string(kPacket) + "\nnot json\n{\"interface\":\"eth0\"}\n" + kPacket + "\n");
  CHECK(outcome.code == 1);
  std::istringstream lines(outcome.out);
  std::vector<json> answers;
  for (std::string line; std::getline(lines, line);) answers.push_back(json::parse(line));
  REQUIRE(answers.size() == 4);
  CHECK(answers[0] == json::parse(R"({"verdict":"allow","reason":"policy","tier":"default","policy":"web","rule":0})"));
  CHECK(answers[1].contains("error"));
  CHECK(answers[2].contains("error"));
  CHECK(answers[3] == answers[0]);
}

TEST_CASE("a batch of good lines from a file ends with exit code 0") {
  const Place place;
  apply_web(place);
  const auto file = place.write("packets", std::string(kPacket) + "\n");
  CHECK_THAT(place.done({"trace", "--node", "n1", "--facts", facts(place), "--engine", "oracle", "--batch", file}),
             ContainsSubstring("\"verdict\":\"allow\""));
}

TEST_CASE("a packet that cannot be is refused with what is wrong") {
  const Place place;
  apply_web(place);
  const auto outcome = place.run({"trace", "--node", "n1", "--facts", facts(place), "--engine", "oracle", "--interface", "eth0",
                                  "--direction", "sideways", "--src", "10.0.0.1", "--dst", "10.0.0.2", "--protocol", "tcp"});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("neither ingress nor egress"));
}

TEST_CASE("automatic host endpoints are there for trace before a daemon made them") {
  const Place place;
  place.done({"patch", "kubecontrollersconfiguration", "default", "-p",
              R"({"spec":{"controllers":{"node":{"hostEndpoint":{"autoCreate":"Enabled"}}}}})"});
  place.done({"apply", "-f", "-"}, policy("ssh-only", "selector: has(kubernetes.io/hostname), ingress: [{action: Allow, protocol: TCP, destination: {ports: [22]}}]"));
  const auto outcome = place.run({"trace", "--node", "n1", "--facts", facts(place), "--engine", "oracle", "--batch", "-"}, kPacket);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("\"verdict\":\"deny\""));
}
