// The walk through Calico's page "Protect Kubernetes nodes", with nodewall in the place of calicoctl, and its two mistakes.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "place.h"

using Catch::Matchers::ContainsSubstring;
using nodewall::test::Place;

namespace {

constexpr const char* kAllowAll = R"(apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: allow-all-heps
spec:
  ingress:
    - action: Allow
  egress:
    - action: Allow
  selector: has(kubernetes.io/hostname)
)";

// `nested`: how the page writes hostEndpoint below node.
std::string controllers(const std::string& nested) {
  return R"(apiVersion: projectcalico.org/v3
kind: KubeControllersConfiguration
metadata:
  creationTimestamp: null
  name: default
spec:
  controllers:
    namespace:
      reconcilerPeriod: 5m0s
    node:
      reconcilerPeriod: 5m0s
      syncLabels: Enabled
)" + nested +
         R"(    policy:
      reconcilerPeriod: 5m0s
    serviceAccount:
      reconcilerPeriod: 5m0s
    workloadEndpoint:
      reconcilerPeriod: 5m0s
  etcdV3CompactionPeriod: 10m0s
  healthChecks: Enabled
  logSeverityScreen: Info
status:
  environmentVars:
    DATASTORE_TYPE: kubernetes
    ENABLED_CONTROLLERS: node
  runningConfig:
    controllers:
      node:
        hostEndpoint:
          autoCreate: Disabled
        syncLabels: Disabled
    etcdV3CompactionPeriod: 10m0s
    healthChecks: Enabled
    logSeverityScreen: Info
)";
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("the commands of the seed page work in their order") {
  const Place place;
  CHECK(place.done({"apply", "-f", "-"}, kAllowAll) ==
        "Successfully applied 1 'GlobalNetworkPolicy' resource(s)\n");

  auto yaml = place.done({"get", "kubecontrollersconfiguration", "default", "--export", "-oyaml"});
  CHECK_THAT(yaml, ContainsSubstring("  creationTimestamp: null\n  name: default\n"));
  CHECK_THAT(yaml, ContainsSubstring("autoCreate: Disabled"));
  replace_all(yaml, "autoCreate: Disabled", "autoCreate: Enabled");
  CHECK(place.done({"apply", "-f", "-"}, yaml) ==
        "Successfully applied 1 'KubeControllersConfiguration' resource(s)\n");
  CHECK_THAT(place.done({"get", "kubecontrollersconfiguration", "default", "-oyaml"}),
             ContainsSubstring("autoCreate: Enabled"));

  // The host endpoints that the page shows, made by hand: no daemon runs here.
  for (const auto* node : {"ip-172-16-101-147.us-west-2.compute.internal", "ip-172-16-101-9.us-west-2.compute.internal"}) {
    place.done({"apply", "-f", "-"},
               nodewall::test::host_endpoint(
                   std::string(node) + "-auto-hep",
                   "node: " + std::string(node) +
                       ", interfaceName: '*', expectedIPs: [172.16.101.147, 192.168.228.128]",
                   "kubernetes.io/hostname: x"));
  }
  CHECK(place.done({"get", "heps", "-owide"}) ==
        "NAME                                                    NODE                                           "
        "INTERFACE   IPS                              PROFILES   \n"
        "ip-172-16-101-147.us-west-2.compute.internal-auto-hep   ip-172-16-101-147.us-west-2.compute.internal   "
        "*           172.16.101.147,192.168.228.128              \n"
        "ip-172-16-101-9.us-west-2.compute.internal-auto-hep     ip-172-16-101-9.us-west-2.compute.internal     "
        "*           172.16.101.147,192.168.228.128              \n\n");
}

TEST_CASE("the page's own document applies when hostEndpoint is beside syncLabels") {
  const Place place;
  place.done({"apply", "-f", "-"},
             controllers("      hostEndpoint:\n        autoCreate: Enabled\n"));
  CHECK_THAT(place.done({"get", "kubecontrollersconfig", "default", "-o", "yaml"}),
             ContainsSubstring("autoCreate: Enabled"));
}

TEST_CASE("the page's mis-indented hostEndpoint is refused with its place and changes nothing") {
  const Place place;
  const auto before = place.done({"get", "kubecontrollersconfiguration", "default", "-oyaml"});
  const auto file = place.write("kcc.yaml", controllers("        hostEndpoint:\n          autoCreate: Enabled\n"));
  const auto outcome = place.run({"apply", "-f", file});
  CHECK(outcome.code == 1);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, ContainsSubstring(file + ":1"));
  CHECK_THAT(outcome.err, ContainsSubstring("nothing was changed"));
  CHECK(place.done({"get", "kubecontrollersconfiguration", "default", "-oyaml"}) == before);
}

TEST_CASE("the page's autoCreate true is refused with the values there are") {
  const Place place;
  const auto file = place.write("kcc.yaml", controllers("      hostEndpoint:\n        autoCreate: true\n"));
  const auto outcome = place.run({"apply", "-f", file});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring(file + ":14:"));
  CHECK_THAT(outcome.err, ContainsSubstring("use Enabled or Disabled"));
}
