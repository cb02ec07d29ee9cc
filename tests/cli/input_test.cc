// What -f names; usage errors; hostile text.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "place.h"

using Catch::Matchers::ContainsSubstring;
using nodewall::test::has_control_bytes;
using nodewall::test::host_endpoint;
using nodewall::test::Place;
using nodewall::test::policy;

TEST_CASE("a directory is read without its sub-directories, unless -R is given") {
  const Place place;
  place.write("in/b.yaml", host_endpoint("b"));
  place.write("in/a.yml", policy("a"));
  place.write("in/c.json", R"({"apiVersion":"projectcalico.org/v3","kind":"HostEndpoint","metadata":{"name":"c"},"spec":{"node":"n","interfaceName":"x","profiles":["projectcalico-allow-all"]}})");
  place.write("in/readme.txt", "not a manifest");
  place.write("in/deep/d.yaml", host_endpoint("d"));
  CHECK(place.done({"apply", "-f", place.path("in")}) == "Successfully applied 3 resource(s)\n");
  CHECK(place.run({"get", "hep", "d"}).code == 1);
  CHECK(place.done({"apply", "-R", "-f", place.path("in")}) == "Successfully applied 4 resource(s)\n");
}

TEST_CASE("several files may be given") {
  const Place place;
  const auto a = place.write("a.yaml", host_endpoint("a"));
  const auto b = place.write("b.yaml", host_endpoint("b"));
  CHECK(place.done({"apply", "-f", a, "-f", b}) == "Successfully applied 2 'HostEndpoint' resource(s)\n");
}

TEST_CASE("a sequence and a List of resources are read in order") {
  const Place place;
  CHECK(place.done({"apply", "-f", "-"},
                   "- {apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: a}, spec: {order: 1}}\n"
                   "- {apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: b}, spec: {order: 2}}\n") ==
        "Successfully applied 2 'Tier' resource(s)\n");
}

TEST_CASE("a file without resources is an error unless it may be empty") {
  const Place place;
  const auto file = place.write("empty.yaml", "# nothing\n---\n");
  const auto outcome = place.run({"apply", "-f", file});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("no resources specified in file " + file));
  CHECK(place.done({"apply", "--skip-empty", "-f", file}).empty());
  CHECK(place.run({"validate", "-f", "-"}).code == 1);
}

TEST_CASE("a file that is not there is named") {
  const Place place;
  const auto outcome = place.run({"apply", "-f", place.path("nope.yaml")});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("nope.yaml"));
}

TEST_CASE("a mistake in the arguments is named with one hint and exit code 2") {
  const Place place;
  const std::vector<std::vector<std::string>> mistakes = {
      {},           {"aply"},         {"apply"},        {"get"},  {"get", "hep", "-o", "xml"},
      {"get", "-z"}, {"get", "pods"}, {"delete", "hep"}, {"show"}, {"show", "nothing"},
      {"patch", "hep", "a"}, {"patch", "hep", "a", "-p", "{}", "-t", "foo"}, {"label", "hep", "a", "k"},
      {"label", "hep", "a", "k=v", "--remove"}, {"trace"}, {"trace", "--engine", "magic"}, {"version", "--poll", "soon"}};
  for (const auto& arguments : mistakes) {
    const auto outcome = place.run(arguments);
    INFO((arguments.empty() ? "" : arguments.front()) << ": " << outcome.err);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.starts_with("nodewall: "));
    CHECK_THAT(outcome.err, ContainsSubstring("See: "));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 2);
  }
}

TEST_CASE("every command has help, on stdout, with exit code 0") {
  const Place place;
  for (const auto* verb : {"apply", "create", "replace", "delete", "get", "patch", "label", "validate", "version", "status",
                           "show", "events", "trace", "disarm", "arm"}) {
    CHECK_THAT(place.done({verb, "--help"}), ContainsSubstring("Usage: nodewall " + std::string(verb)));
  }
  CHECK_THAT(place.done({"--help"}), ContainsSubstring("apply"));
}

TEST_CASE("T-X9: hostile names in arguments, documents and labels never reach the terminal raw") {
  const Place place;
  const std::string hostile = "a\x1b[31m\x07\n\x7f\xc2\x9b";
  const std::vector<std::vector<std::string>> commands = {{"get", "hep", hostile},     {"get", hostile},
                                                          {"delete", "hep", hostile},  {"label", "hep", hostile, "k=v"},
                                                          {"label", "hep", "a", hostile + "=v"},
                                                          {"apply", "-f", hostile},    {"get", "hep", "-o", hostile},
                                                          {hostile},                   {"get", "--" + hostile}};
  for (const auto& arguments : commands) {
    const auto outcome = place.run(arguments);
    CHECK(outcome.code != 0);
    CHECK(!has_control_bytes(outcome.out + outcome.err));
    CHECK(outcome.err.find("\xc2\x9b") == std::string::npos);
  }
  const auto named = place.run({"apply", "-f", "-"},
                               R"({"apiVersion":"projectcalico.org/v3","kind":"HostEndpoint","metadata":{"name":"x\u001b[2J"},"spec":{"node":"n","interfaceName":"e"}})");
  CHECK(named.code == 1);
  CHECK(!has_control_bytes(named.out + named.err));
}

TEST_CASE("T-X9: hostile annotations are shown escaped in YAML and JSON and survive the way back") {
  const Place place;
  place.done({"apply", "-f", "-"},
             R"({"apiVersion":"projectcalico.org/v3","kind":"HostEndpoint","metadata":{"name":"x","annotations":{"note":"\u001b[31m\u007f\u009b red"}},"spec":{"node":"n","interfaceName":"e","profiles":["projectcalico-allow-all"]}})");
  for (const auto* form : {"yaml", "json"}) {
    const auto text = place.done({"get", "hep", "x", "-o", form});
    INFO(text);
    CHECK(!has_control_bytes(text));
    CHECK(text.find("\xc2\x9b") == std::string::npos);
    place.done({"apply", "-f", "-"}, text);
  }
}

TEST_CASE("an unknown kind or version of a document is named") {
  const Place place;
  const auto outcome = place.run({"apply", "-f", "-"}, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("unknown resource type (Pod) and/or version (v1)"));
}

TEST_CASE("the client's version is shown without a daemon") {
  const Place place;
  CHECK(place.done({"version", "--client"}).starts_with("Client Version:    "));
  const auto both = place.run({"version"});
  CHECK(both.code == 1);
  CHECK(both.out.starts_with("Client Version:    "));
}
