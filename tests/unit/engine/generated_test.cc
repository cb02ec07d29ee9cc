// What the daemon writes for itself, in a real datastore.
#include "engine/generated.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "../store/temporary_folder.h"

using namespace nodewall;
using model::Kind;

namespace {

constexpr const char* kAutomatic = R"(apiVersion: projectcalico.org/v3
kind: KubeControllersConfiguration
metadata: {name: default}
spec: {controllers: {node: {hostEndpoint: {autoCreate: Enabled}}}}
)";

struct World {
  store::TemporaryFolder folder;
  store::DirectoryStore store = folder.open();
  resolve::NodeFacts facts{.node = "old", .interfaces = {{.name = "eth0", .ifindex = 2, .addresses = {parse_cidr("10.0.0.2/24", BareAddress::refuse).value()}}}};
  model::Labels labels;

  World() { folder.put("controllers.yaml", kAutomatic); }
  model::ResourceSet read() {
    auto snapshot = store.read();
    REQUIRE(snapshot);
    return std::move(snapshot->resources);
  }
  engine::Generated write() { return engine::write_generated(store, read(), facts, labels, {}); }
  // Until nothing changes any more; the last answer.
  engine::Generated settle() {
    auto done = write();
    for (int round = 0; round < 5 && done.changes != 0; ++round) done = write();
    CHECK(done.changes == 0);
    return done;
  }
  bool has(Kind kind, const std::string& name) { return read().contains({kind, name}); }
};

}  // namespace

TEST_CASE("a node that gets another name leaves neither a Node nor a host endpoint behind") {
  World world;
  CHECK(world.settle().failures.empty());
  REQUIRE(world.has(Kind::Node, "old"));
  REQUIRE(world.has(Kind::HostEndpoint, "old-auto-hep"));
  world.facts.node = "new";
  CHECK(world.settle().failures.empty());
  CHECK_FALSE(world.has(Kind::Node, "old"));
  CHECK_FALSE(world.has(Kind::HostEndpoint, "old-auto-hep"));
  CHECK(world.has(Kind::Node, "new"));
  CHECK(world.has(Kind::HostEndpoint, "new-auto-hep"));
}

TEST_CASE("a Node that people wrote stays, also as a copy of the daemon's") {
  World world;
  constexpr auto kNode = "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: ";
  world.folder.put("theirs.yaml", std::string(kNode) + "theirs}\nspec: {}\n");
  world.folder.put("copy.yaml", std::string(kNode) + "copy, annotations: {nodewall.io/labels: a}}\nspec: {}\n");
  CHECK(world.settle().failures.empty());
  CHECK(world.has(Kind::Node, "theirs"));
  CHECK(world.has(Kind::Node, "copy"));
}

TEST_CASE("an object that cannot be written does not keep the others from being written") {
  World world;
  world.folder.put("controllers.yaml", "");
  CHECK(world.settle().failures.empty());
  const auto file = world.folder.generated() + "/node.old.yaml";
  REQUIRE(std::filesystem::exists(file));
  // A link is not written through.
  std::filesystem::rename(file, world.folder.generated() + "/node.text");
  std::filesystem::create_symlink("node.text", file);
  world.folder.put("controllers.yaml", kAutomatic);
  world.labels = {{"zone", "a"}};
  const auto done = world.settle();
  REQUIRE(done.failures.size() == 1);
  CHECK(done.failures.front().find("Node(old)") != std::string::npos);
  CHECK(world.has(Kind::HostEndpoint, "old-auto-hep"));
}
