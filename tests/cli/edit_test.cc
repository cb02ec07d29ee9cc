// patch and label.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "place.h"

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using nodewall::test::host_endpoint;
using nodewall::test::Place;
using nodewall::test::policy;

namespace {

json object(const Place& place, const std::string& kind, const std::string& name) {
  return json::parse(place.done({"get", kind, name, "-o", "json"}));
}

}  // namespace

TEST_CASE("the patch of the docs switches automatic host endpoints on before any object was written") {
  const Place place;
  CHECK(place.done({"patch", "kubecontrollersconfiguration", "default", "--patch",
                    R"({"spec":{"controllers":{"node":{"hostEndpoint":{"autoCreate":"Enabled"}}}}})"}) ==
        "Successfully patched 1 'KubeControllersConfiguration' resource\n");
  const auto spec = object(place, "kubecontrollersconfig", "default")["spec"];
  CHECK(spec["controllers"]["node"]["hostEndpoint"]["autoCreate"] == "Enabled");
  CHECK(spec["controllers"]["node"]["syncLabels"] == "Enabled");
}

TEST_CASE("strategic and merge patches replace lists, and null removes") {
  for (const auto* type : {"strategic", "merge"}) {
    const Place place;
    place.done({"apply", "-f", "-"}, policy("p", "order: 5, selector: a == 'b', ingress: [{action: Allow}, {action: Deny}]"));
    place.done({"patch", "gnp", "p", "-t", type, "-p", R"({"spec":{"order":null,"ingress":[{"action":"Pass"}]}})"});
    const auto spec = object(place, "gnp", "p")["spec"];
    CHECK(!spec.contains("order"));
    CHECK(spec["ingress"].size() == 1);
    CHECK(spec["selector"] == "a == 'b'");
  }
}

TEST_CASE("a strategic patch may replace an object whole") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a", "", "x: '1', y: '2'"));
  place.done({"patch", "hep", "a", "-p", R"({"metadata":{"labels":{"$patch":"replace","z":"3"}}})"});
  CHECK(object(place, "hep", "a")["metadata"]["labels"] == json{{"z", "3"}});
  CHECK(place.run({"patch", "hep", "a", "-p", R"({"$setElementOrder/x":[]})"}).code == 1);
}

TEST_CASE("a patch of type json is really performed") {
  const Place place;
  place.done({"apply", "-f", "-"}, policy("p", "order: 5, ingress: [{action: Allow}]"));
  place.done({"patch", "gnp", "p", "--type=json", "-p",
              R"([{"op":"test","path":"/spec/order","value":5},{"op":"add","path":"/spec/ingress/0","value":{"action":"Deny","protocol":"TCP"}}])"});
  CHECK(object(place, "gnp", "p")["spec"]["ingress"][0]["action"] == "Deny");
  const auto refused = place.run({"patch", "gnp", "p", "-t", "json", "-p", R"([{"op":"test","path":"/spec/order","value":6}])"});
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err, ContainsSubstring("failed to patch 'GlobalNetworkPolicy' resource: ["));
}

TEST_CASE("a patch that does not fit changes nothing and says why") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a"));
  const auto before = place.done({"get", "hep", "a", "-oyaml"});
  const std::string deep = std::string(100000, '[');
  for (const auto& [patch, reason] : {std::pair<std::string, std::string>{R"({"spec":{"nodde":"x"}})", "nodde"},
                                      {R"({"metadata":{"name":"b"}})", "kind and name cannot be changed"},
                                      {R"({"kind":"Tier","spec":null})", "kind and name cannot be changed"},
                                      {"{", "not JSON"},
                                      {"[]", "not a JSON object"},
                                      {deep, "nested"},
                                      {R"({"spec":{"node":null}})", "node must be specified"}}) {
    const auto outcome = place.run({"patch", "hep", "a", "-p", patch});
    INFO(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, ContainsSubstring(reason));
  }
  CHECK(place.done({"get", "hep", "a", "-oyaml"}) == before);
}

TEST_CASE("an object that does not exist cannot be patched or labelled") {
  const Place place;
  CHECK_THAT(place.run({"patch", "hep", "a", "-p", "{}"}).err,
             ContainsSubstring("failed to patch 'HostEndpoint' resource: [resource does not exist: HostEndpoint(a)"));
  CHECK(place.run({"label", "hep", "a", "k=v"}).code == 1);
}

TEST_CASE("labels are set, updated only with --overwrite, and removed") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a"));
  CHECK(place.done({"label", "hep", "a", "role=web"}) == "Successfully set label role on hep a\n");
  CHECK(place.done({"label", "hep", "a", "role=web"}) == "Successfully updated label role on hep a\n");
  const auto refused = place.run({"label", "hep", "a", "role=db"});
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err, ContainsSubstring("--overwrite"));
  CHECK(place.done({"label", "hep", "a", "role=db", "--overwrite"}) == "Successfully updated label role on hep a\n");
  CHECK(object(place, "hep", "a")["metadata"]["labels"]["role"] == "db");
  CHECK(place.done({"label", "hep", "a", "role", "--remove"}) == "Successfully removed label role from hep a\n");
  const auto missing = place.run({"label", "hep", "a", "role", "--remove"});
  CHECK(missing.code == 1);
  CHECK_THAT(missing.err, ContainsSubstring("does not exist"));
}

TEST_CASE("a label that Calico would refuse is refused") {
  const Place place;
  place.done({"apply", "-f", "-"}, host_endpoint("a"));
  CHECK(place.run({"label", "hep", "a", "-x=1"}).code == 2);
  CHECK_THAT(place.run({"label", "hep", "a", "x_=1"}).err, ContainsSubstring("not a label key"));
  CHECK_THAT(place.run({"label", "hep", "a", "x=a b"}).err, ContainsSubstring("not a label value"));
}
