// docs/semantics.md "KubeControllersConfiguration": its defaults, and what the environment overrides.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "world.h"

using namespace nodewall;
using namespace nodewall::controller;

TEST_CASE("the configuration is written with its defaults when there is none, and rests then") {
  World world;
  CHECK(world.settle() == 1);
  const auto& made = world.configuration();
  CHECK(made.log_severity_screen == "Info");
  CHECK(made.node->host_endpoint->auto_create == false);
  REQUIRE(made.running_config);
  CHECK(made.status_environment == std::map<std::string, std::string>{{"DATASTORE_TYPE", "directory"}});
}

TEST_CASE("runningConfig is the spec with its defaults") {
  World world;
  model::Resource resource;
  resource.metadata.name = "default";
  Kcc spec;
  spec.node = model::NodeController{};
  spec.node->sync_labels = true;
  resource.spec = spec;
  world.add(resource);
  world.settle();
  const auto running = world.configuration().running_config;
  REQUIRE(running);
  CHECK(running->health_checks == true);
  CHECK(running->etcd_v3_compaction_period == std::chrono::minutes(10));
  CHECK(running->prometheus_metrics_port == 9094);
  CHECK(running->node->reconciler_period == std::chrono::minutes(5));
  CHECK(running->node->leak_grace_period == std::chrono::minutes(15));
  CHECK(running->node->sync_labels == false);
  CHECK_FALSE(running->node->host_endpoint);
  CHECK_FALSE(running->policy);
  // What people wrote is as they wrote it.
  CHECK(world.configuration().node == spec.node);
}

TEST_CASE("the environment overrides the configuration, and is shown") {
  World world;
  world.configure({});
  world.environment = {{"AUTO_HOST_ENDPOINTS", "eNabled"}, {"LOG_LEVEL", "debug"},       {"RECONCILER_PERIOD", "1m30s"},
                       {"COMPACTION_PERIOD", "0"},         {"HEALTH_ENABLED", "false"}, {"SYNC_NODE_LABELS", "true"},
                       {"ENABLED_CONTROLLERS", "node, profile"}};
  world.add(node("n1"));
  world.settle();
  CHECK(world.endpoints() == Names{"n1-auto-hep"});
  const auto& made = world.configuration();
  CHECK(made.node->host_endpoint->auto_create == std::nullopt);
  CHECK(made.status_environment.size() == 8);
  CHECK(made.status_environment.at("AUTO_HOST_ENDPOINTS") == "eNabled");
  const auto& running = *made.running_config;
  CHECK(running.node->host_endpoint->auto_create == true);
  CHECK(running.log_severity_screen == "Debug");
  CHECK(running.node->reconciler_period == std::chrono::seconds(90));
  CHECK(running.namespace_controller->reconciler_period == std::chrono::seconds(90));
  CHECK(running.etcd_v3_compaction_period == std::chrono::seconds(0));
  CHECK(running.health_checks == false);
  CHECK_FALSE(running.policy);
  CHECK_FALSE(running.workload_endpoint);
  CHECK(world.conditions.empty());
}

TEST_CASE("a variable with a wrong value is said and changes nothing") {
  auto world = enabled();
  const auto name = GENERATE("AUTO_HOST_ENDPOINTS", "RECONCILER_PERIOD", "COMPACTION_PERIOD", "LOG_LEVEL", "HEALTH_ENABLED",
                             "SYNC_NODE_LABELS", "ENABLED_CONTROLLERS");
  world.environment[name] = GENERATE("nonsense", "-5m", "5x", "nan");
  world.settle();
  CHECK(world.says("EnvironmentInvalid"));
  CHECK(world.endpoints() == Names{"n1-auto-hep"});
}

TEST_CASE("ENABLED_CONTROLLERS without node makes no host endpoints") {
  auto world = enabled();
  world.environment["ENABLED_CONTROLLERS"] = "policy";
  world.settle();
  CHECK(world.endpoints().empty());
}
