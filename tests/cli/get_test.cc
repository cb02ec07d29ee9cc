// get: tables, columns, YAML, JSON, aliases, what cannot be found.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "place.h"

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using nodewall::test::host_endpoint;
using nodewall::test::Place;
using nodewall::test::policy;

TEST_CASE("a table of nothing is its heading, and a blank line ends every table") {
  const Place place;
  CHECK(place.done({"get", "hep"}) == "NAME   NODE   \n\n");
  CHECK(place.done({"get", "gnp", "-o", "wide"}) == "NAME   TIER   ORDER   SELECTOR   \n\n");
}

TEST_CASE("tiers are listed by order, built-in ones too, with orders as Go prints them") {
  const Place place;
  place.done({"apply", "-f", "-"}, "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: ops}\nspec: {order: 100.5}\n");
  CHECK(place.done({"get", "tiers"}) ==
        "NAME            ORDER   \n"
        "ops             100.5   \n"
        "kube-admin      1000    \n"
        "default         1e+06   \n"
        "kube-baseline   1e+07   \n\n");
}

TEST_CASE("both built-in profiles are always there") {
  const Place place;
  CHECK(place.done({"get", "profile"}) == "NAME                          \nprojectcalico-allow-all       \n"
                                          "projectcalico-default-allow   \n\n");
}

TEST_CASE("a policy without tier and order shows the default tier and <nil>") {
  const Place place;
  place.done({"apply", "-f", "-"}, policy("p", "selector: \"a == 'b'\", ingress: [{action: Allow}]"));
  CHECK(place.done({"get", "gnp", "-owide"}) ==
        "NAME   TIER      ORDER   SELECTOR   \n"
        "p      default   <nil>   a == 'b'   \n\n");
}

TEST_CASE("nets are cut at 80 characters") {
  const Place place;
  std::string nets;
  for (int i = 10; i < 30; ++i) nets += (nets.empty() ? "" : ", ") + ("10.0." + std::to_string(i) + ".0/24");
  place.done({"apply", "-f", "-"},
             "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: s}\nspec: {nets: [" + nets + "]}\n");
  const auto text = place.done({"get", "globalnetworkset", "-owide"});
  const auto row = text.substr(text.find('\n') + 1);
  const auto cell = row.substr(row.find("10."), row.find("...") + 3 - row.find("10."));
  CHECK(cell.size() == 80);
  CHECK(cell.ends_with("..."));
}

TEST_CASE("custom columns are shown in the order asked for, and unknown ones are named") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("eth0"));
  CHECK(place.done({"get", "hep", "-o", "custom-columns=PROFILES,name"}) ==
        "PROFILES                      NAME   \nprojectcalico-default-allow   eth0   \n\n");
  const auto wrong = place.run({"get", "hep", "-o", "custom-columns=NAME,FOO"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, ContainsSubstring("unknown column 'FOO': HostEndpoint has NAME, NODE, INTERFACE, IPS, PROFILES"));
}

TEST_CASE("a name gives an object, a kind a list, several names an array") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a") + "---\n" + host_endpoint("b"));
  const auto one = place.done({"get", "hep", "a", "-o", "json"});
  CHECK(!one.ends_with("\n"));
  CHECK(json::parse(one)["metadata"]["name"] == "a");
  const auto list = json::parse(place.done({"get", "hep", "-o", "json"}));
  CHECK(list["kind"] == "HostEndpointList");
  CHECK(list["items"].size() == 2);
  const auto array = json::parse(place.done({"get", "hep", "b", "a", "-o", "json"}));
  REQUIRE(array.is_array());
  CHECK(array[0]["metadata"]["name"] == "b");
  const auto file = place.write("both.yaml", host_endpoint("a") + "---\n" + host_endpoint("b"));
  CHECK(json::parse(place.done({"get", "-f", file, "-ojson"})).is_array());
}

TEST_CASE("a printed list can be applied") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a") + "---\n" + host_endpoint("b"));
  const auto list = place.done({"get", "hep", "-oyaml"});
  place.done({"delete", "hep", "a", "b"});
  CHECK(place.done({"create", "-f", "-"}, list) == "Successfully created 2 'HostEndpoint' resource(s)\n");
}

TEST_CASE("export leaves out what belongs to one datastore, and only with a name") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a"));
  const auto exported = place.done({"get", "hep", "a", "--export", "-oyaml"});
  CHECK_THAT(exported, ContainsSubstring("creationTimestamp: null"));
  CHECK(exported.find("resourceVersion") == std::string::npos);
  const auto all = place.run({"get", "hep", "--export", "-oyaml"});
  CHECK_THAT(all.out, ContainsSubstring("resourceVersion"));
  CHECK_THAT(all.err, ContainsSubstring("--export"));
}

TEST_CASE("what was found is shown although another name was not") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a"));
  const auto outcome = place.run({"get", "hep", "a", "nope"});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.out, ContainsSubstring("a      n1"));
  CHECK_THAT(outcome.err, ContainsSubstring("resource does not exist: HostEndpoint(nope) with error: "));
}

TEST_CASE("kinds are known by calicoctl's aliases in any letter case") {
  const Place place;
  for (const auto* alias : {"hep", "HEPs", "hostEndpoint", "hostendpoints", "gnp", "gnps", "globalnetworkpolicies", "pro", "PROFILES",
                            "tier", "kubecontrollersconfig", "gnetsets", "felixconfig", "FelixConfigurations", "node"}) {
    INFO(alias);
    CHECK(place.run({"get", alias}).code == 0);
  }
}

TEST_CASE("flags may stand before and after the arguments, values joined or apart") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a"));
  const auto expected = place.done({"get", "hep", "a", "-owide"});
  CHECK(place.done({"get", "-o", "wide", "hep", "a"}) == expected);
  CHECK(place.done({"get", "hep", "--output=wide", "a"}) == expected);
  CHECK(place.done({"--datastore", place.manifests(), "get", "hep", "-o=wide", "a"}) == expected);
}

TEST_CASE("a broken file in the datastore is told and hides nothing else") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a"));
  place.write("manifests/broken.yaml", "kind: [");
  const auto outcome = place.run({"get", "hep"});
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("a      n1"));
  CHECK_THAT(outcome.err, ContainsSubstring("broken.yaml:1:"));
}
