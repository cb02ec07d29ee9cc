// apply, create, replace, delete, validate: messages, exit codes, partial success.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "place.h"

using Catch::Matchers::ContainsSubstring;
using nodewall::test::host_endpoint;
using nodewall::test::Place;
using nodewall::test::policy;

TEST_CASE("every writing verb says what it did as calicoctl does") {
  const Place place;
  const auto file = place.write("hep.yaml", host_endpoint("eth0"));
  CHECK(place.done({"validate", "-f", file}) == "Successfully validated 1 'HostEndpoint' resource(s)\n");
  CHECK(place.done({"create", "-f", file}) == "Successfully created 1 'HostEndpoint' resource(s)\n");
  CHECK(place.done({"apply", "-f", file}) == "Successfully applied 1 'HostEndpoint' resource(s)\n");
  CHECK(place.done({"replace", "-f", file}) == "Successfully replaced 1 'HostEndpoint' resource(s)\n");
  CHECK(place.done({"delete", "-f", file}) == "Successfully deleted 1 'HostEndpoint' resource(s)\n");
  CHECK(place.run({"get", "hep", "eth0"}).code == 1);
}

TEST_CASE("documents of several kinds are counted without a kind") {
  const Place place;
  CHECK(place.done({"apply", "-f", "-"}, host_endpoint("eth0") + "---\n" + policy("web")) ==
        "Successfully applied 2 resource(s)\n");
}

TEST_CASE("create refuses an object that exists unless it is told to skip it") {
  const Place place;
  place.done({"create", "-f", "-"}, host_endpoint("eth0"));
  const auto again = place.run({"create", "-f", "-"}, host_endpoint("eth0"));
  CHECK(again.code == 1);
  CHECK(again.out.empty());
  CHECK_THAT(again.err, ContainsSubstring("failed to create 'HostEndpoint' resource: [resource already exists: "
                                          "HostEndpoint(eth0) with error: "));
  CHECK(place.done({"create", "--skip-exists", "-f", "-"}, host_endpoint("eth0")) ==
        "Successfully created 1 'HostEndpoint' resource(s)\n");
}

TEST_CASE("replace and delete refuse an object that does not exist") {
  const Place place;
  const auto replaced = place.run({"replace", "-f", "-"}, host_endpoint("eth0"));
  CHECK(replaced.code == 1);
  CHECK_THAT(replaced.err, ContainsSubstring("failed to replace 'HostEndpoint' resource: [resource does not exist: "
                                             "HostEndpoint(eth0)"));
  const auto deleted = place.run({"delete", "hep", "eth0", "eth1"});
  CHECK(deleted.code == 1);
  CHECK_THAT(deleted.err, ContainsSubstring("failed to delete any 'HostEndpoint' resources: ["));
  CHECK(place.done({"delete", "hep", "eth0", "-s"}) == "Successfully deleted 1 'HostEndpoint' resource(s)\n");
}

TEST_CASE("create goes on after an error and says how far it came") {
  const Place place;
  place.done({"create", "-f", "-"}, host_endpoint("b"));
  const auto outcome =
      place.run({"create", "-f", "-"}, host_endpoint("a") + "---\n" + host_endpoint("b") + "---\n" + host_endpoint("c"));
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err,
             ContainsSubstring("Partial success: created the first 2 out of 3 'HostEndpoint' resources:\nhit error: [resource "
                               "already exists: HostEndpoint(b)"));
  place.done({"get", "hep", "a", "c"});
}

TEST_CASE("replace stops at the first error") {
  const Place place;
  place.done({"create", "-f", "-"}, host_endpoint("a") + "---\n" + host_endpoint("c"));
  const auto outcome = place.run(
      {"replace", "-f", "-"}, host_endpoint("a") + "---\n" + host_endpoint("b") + "---\n" +
                                  host_endpoint("c", "node: other, interfaceName: eth0"));
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("Partial success: replaced the first 1 out of 3"));
  CHECK_THAT(place.done({"get", "hep", "c", "-oyaml"}), ContainsSubstring("node: n1"));
}

TEST_CASE("one faulty document keeps all of them from being applied, and every fault is told with its place") {
  const Place place;
  const auto file = place.write("two.yaml", host_endpoint("good") + "---\n" + host_endpoint("bad", "nodde: n1, ports: 5"));
  const auto outcome = place.run({"apply", "-f", file});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring(file + ":11:8:"));
  CHECK_THAT(outcome.err, ContainsSubstring("nodde"));
  CHECK_THAT(outcome.err, ContainsSubstring("ports"));
  CHECK_THAT(outcome.err, ContainsSubstring("nothing was changed"));
  CHECK(place.run({"get", "hep", "good"}).code == 1);
}

TEST_CASE("validate tells all faults without a datastore") {
  const Place place;
  const auto outcome = place.run({"validate", "-f", "-", "--datastore", place.path("none")},
                                 policy("a", "ingress: [{action: Allow, protocol: tcp}]") + "---\n" + host_endpoint("B"));
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("(standard input):"));
  CHECK_THAT(outcome.err, ContainsSubstring("failed to validate: 2 errors"));
}

TEST_CASE("apply replaces the whole spec") {
  const Place place;
  place.done({"apply", "-f", "-"}, policy("p", "order: 5, ingress: [{action: Allow}]"));
  place.done({"apply", "-f", "-"}, policy("p", "egress: [{action: Deny}]"));
  const auto yaml = place.done({"get", "gnp", "p", "-oyaml"});
  CHECK(yaml.find("order") == std::string::npos);
  CHECK(yaml.find("ingress") == std::string::npos);
}

TEST_CASE("what get printed can be applied again, and a stale resource version cannot") {
  const Place place;
  place.done({"apply", "-f", "-"}, policy("p", "order: 5, ingress: [{action: Allow}]"));
  const auto first = place.done({"get", "gnp", "p", "-oyaml"});
  CHECK_THAT(first, ContainsSubstring("resourceVersion"));
  place.done({"apply", "-f", "-"}, first);
  place.done({"apply", "-f", "-"}, policy("p", "order: 6, ingress: [{action: Allow}]"));
  const auto stale = place.run({"apply", "-f", "-"}, first);
  CHECK(stale.code == 1);
  CHECK_THAT(stale.err, ContainsSubstring("update conflict"));
  CHECK_THAT(place.done({"get", "gnp", "p", "-owide"}), ContainsSubstring("6"));
}

TEST_CASE("built-in profiles and tiers cannot be changed or deleted") {
  const Place place;
  const std::string profile = "apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: projectcalico-allow-all}\n";
  for (const auto& outcome :
       {place.run({"apply", "-f", "-"}, profile), place.run({"delete", "profile", "projectcalico-default-allow"}),
        place.run({"delete", "tier", "default"})}) {
    CHECK(outcome.code == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("built in"));
  }
}

TEST_CASE("a policy wants a tier that exists, and a tier in use cannot be deleted") {
  const Place place;
  const auto early = place.run({"apply", "-f", "-"}, policy("p", "tier: ops, ingress: [{action: Pass}]"));
  CHECK(early.code == 1);
  CHECK_THAT(early.err, ContainsSubstring("there is no tier ops"));
  place.done({"apply", "-f", "-"}, "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: ops}\nspec: {order: 10}\n---\n" +
                                       policy("p", "tier: ops, ingress: [{action: Pass}]"));
  const auto used = place.run({"delete", "tier", "ops"});
  CHECK(used.code == 1);
  CHECK_THAT(used.err, ContainsSubstring("GlobalNetworkPolicy(p)"));
  place.done({"delete", "gnp", "p"});
  place.done({"delete", "tier", "ops"});
}

TEST_CASE("T-P4: a host endpoint that closes everything is applied with a warning on stderr") {
  const Place place;
  const auto bare = place.run({"apply", "-f", "-"}, host_endpoint("eth0", "node: n1, interfaceName: eth0", "role: web"));
  CHECK(bare.code == 0);
  CHECK(bare.out == "Successfully applied 1 'HostEndpoint' resource(s)\n");
  CHECK_THAT(bare.err, ContainsSubstring("warning: HostEndpoint(eth0)"));
  CHECK_THAT(bare.err, ContainsSubstring("failsafe"));
  place.done({"apply", "-f", "-"}, policy("web", "selector: role == 'web', ingress: [{action: Allow}]"));
  CHECK(place.run({"apply", "-f", "-"}, host_endpoint("eth0", "node: n1, interfaceName: eth0", "role: web")).err.empty());
  const auto opened = place.run({"delete", "gnp", "web"});
  CHECK(opened.code == 0);
  CHECK_THAT(opened.err, ContainsSubstring("warning: HostEndpoint(eth0)"));
}

TEST_CASE("a host endpoint of a node that nobody knows is applied with a warning") {
  const Place place;
  place.done({"apply", "-f", "-"}, "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: n1}\n");
  CHECK(place.run({"apply", "-f", "-"}, host_endpoint("eth0")).err.empty());
  CHECK_THAT(place.run({"apply", "-f", "-"}, host_endpoint("b", "node: n2, interfaceName: eth0, profiles: [projectcalico-allow-all]")).err,
             ContainsSubstring("no node \"n2\" is known"));
}

TEST_CASE("flags of calicoctl that mean nothing here are accepted") {
  const Place place;
  place.done({"apply", "-f", "-", "-n", "default", "--allow-version-mismatch", "-l", "debug"}, host_endpoint("eth0"));
  place.done({"get", "hep", "-A"});
  const auto configured = place.run({"get", "hep", "-c", "/etc/calico/calicoctl.cfg"});
  CHECK(configured.code == 0);
  CHECK_THAT(configured.err, ContainsSubstring("--config has no effect"));
}
