// What the daemon writes, and which of two versions counts.
#include "temporary_folder.h"

using namespace nodewall;
using namespace nodewall::store;

namespace {

constexpr const char* kLabel = "  labels:\n    projectcalico.org/created-by: calico-kube-controllers\n";

model::Resource automatic(const std::string& name, const std::string& interface) {
  auto resource = endpoint(name, interface);
  resource.metadata.labels[std::string(model::kCreatedByLabel)] = model::kCreatedByValue;
  return resource;
}

model::Resource configuration(bool auto_create) {
  model::Resource resource;
  resource.metadata.name = "default";
  auto spec = model::default_kube_controllers_configuration();
  spec.node->host_endpoint->auto_create = auto_create;
  resource.spec = spec;
  return resource;
}

const model::ResourceId kConfiguration{model::Kind::KubeControllersConfiguration, "default"};

bool creates(const Snapshot& snapshot) {
  const auto& spec = std::get<model::KubeControllersConfiguration>(snapshot.resources.at(kConfiguration).spec);
  return spec.node && spec.node->host_endpoint && spec.node->host_endpoint->auto_create.value_or(false);
}

}  // namespace

TEST_CASE("generated objects leave the folder of manifests as it is") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0"));
  ::chmod(folder.manifests().c_str(), 0555);
  auto store = folder.open();
  REQUIRE(store.write(automatic("n1-auto-hep", "eth1"), WriteMode::apply, Origin::generated));
  CHECK(interface_of(must_read(store), "n1-auto-hep") == "eth1");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.manifests())) files += entry.exists() ? 1 : 0;
  CHECK(files == 1);
  CHECK(std::filesystem::exists(folder.generated() + "/hostendpoint.n1-auto-hep.yaml"));
  {
    auto again = folder.open();
    CHECK(interface_of(must_read(again), "n1-auto-hep") == "eth1");
  }
  REQUIRE(store.remove(hep("n1-auto-hep"), Origin::generated));
  CHECK(interface_of(must_read(store), "n1-auto-hep").empty());
  ::chmod(folder.manifests().c_str(), 0755);
}

TEST_CASE("without a generated folder nothing generated is read or written") {
  const TemporaryFolder folder;
  auto store = DirectoryStore::open(folder.manifests(), "");
  REQUIRE(store);
  CHECK(store->write(automatic("n1-auto-hep", "eth1"), WriteMode::apply, Origin::generated));
  CHECK(interface_of(must_read(*store), "n1-auto-hep").empty());
  CHECK(std::filesystem::is_empty(folder.manifests()));
}

TEST_CASE("a person's edit of an automatic host endpoint is made where the controller can revert it") {
  const TemporaryFolder folder;
  auto store = folder.open();
  REQUIRE(store.write(automatic("n1-auto-hep", "eth1"), WriteMode::apply, Origin::generated));
  REQUIRE(store.write(automatic("n1-auto-hep", "eth2"), WriteMode::apply, Origin::person));
  CHECK(interface_of(must_read(store), "n1-auto-hep") == "eth2");
  CHECK_FALSE(folder.has("hostendpoint.n1-auto-hep.yaml"));
  REQUIRE(store.write(automatic("n1-auto-hep", "eth1"), WriteMode::apply, Origin::generated));
  CHECK(interface_of(must_read(store), "n1-auto-hep") == "eth1");
  REQUIRE(store.remove(hep("n1-auto-hep"), Origin::person));
  CHECK(interface_of(must_read(store), "n1-auto-hep").empty());
}

TEST_CASE("the generated version of an automatic host endpoint counts before a manifest of it") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("n1-auto-hep", "eth5", kLabel));
  auto store = folder.open();
  REQUIRE(store.write(automatic("n1-auto-hep", "eth1"), WriteMode::apply, Origin::generated));
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "n1-auto-hep") == "eth1");
  CHECK_FALSE(snapshot.diagnostics.empty());
  CHECK(folder.get("a.yaml") == endpoint_yaml("n1-auto-hep", "eth5", kLabel));
}

TEST_CASE("a manifest without the label counts before the generated version") {
  const TemporaryFolder folder;
  auto store = folder.open();
  REQUIRE(store.write(automatic("n1-auto-hep", "eth1"), WriteMode::apply, Origin::generated));
  folder.put("a.yaml", endpoint_yaml("n1-auto-hep", "eth5"));
  CHECK(interface_of(must_read(store), "n1-auto-hep") == "eth5");
}

TEST_CASE("what the controller deletes of a manifest is left out until the manifest says something else") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("stale", "eth5", kLabel));
  auto store = folder.open();
  must_read(store);
  REQUIRE(store.remove(hep("stale"), Origin::generated));
  auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "stale").empty());
  CHECK_FALSE(snapshot.diagnostics.empty());
  CHECK(folder.has("a.yaml"));
  {
    auto again = folder.open();
    CHECK(interface_of(must_read(again), "stale").empty());
  }
  folder.put("a.yaml", endpoint_yaml("stale", "eth5"));
  snapshot = must_read(store);
  CHECK(interface_of(snapshot, "stale") == "eth5");
  CHECK(snapshot.diagnostics.empty());
}

TEST_CASE("the daemon cannot delete what people wrote") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("mine", "eth5"));
  auto store = folder.open();
  must_read(store);
  CHECK_FALSE(store.remove(hep("mine"), Origin::generated));
  CHECK(interface_of(must_read(store), "mine") == "eth5");
}

TEST_CASE("the controllers' configuration has people's spec and the generated status") {
  const TemporaryFolder folder;
  auto store = folder.open();
  auto reported = configuration(false);
  std::get<model::KubeControllersConfiguration>(reported.spec).status_environment = {{"DATASTORE_TYPE", "directory"}};
  REQUIRE(store.write(reported, WriteMode::apply, Origin::generated));
  auto edited = must_read(store).resources.at(kConfiguration);
  const auto version = edited.metadata.resource_version;
  std::get<model::KubeControllersConfiguration>(edited.spec).node->host_endpoint->auto_create = true;
  REQUIRE(store.write(edited, WriteMode::update, Origin::person));
  CHECK(folder.get("kubecontrollersconfiguration.default.yaml").find("status") == std::string::npos);
  auto snapshot = must_read(store);
  CHECK(creates(snapshot));
  const auto& status = std::get<model::KubeControllersConfiguration>(snapshot.resources.at(kConfiguration).spec);
  CHECK(status.status_environment.contains("DATASTORE_TYPE"));
  CHECK(snapshot.resources.at(kConfiguration).metadata.resource_version != version);

  SECTION("the next status does not bring the spec with it") {
    REQUIRE(store.write(snapshot.resources.at(kConfiguration), WriteMode::apply, Origin::generated));
    CHECK(creates(must_read(store)));
    REQUIRE(store.remove(kConfiguration, Origin::person));
    CHECK_FALSE(must_read(store).resources.contains(kConfiguration));
  }
  SECTION("a new status is no new version") {
    const auto before = snapshot.resources.at(kConfiguration).metadata.resource_version;
    auto again = snapshot.resources.at(kConfiguration);
    std::get<model::KubeControllersConfiguration>(again.spec).status_environment["LOG_LEVEL"] = "Debug";
    again.metadata.resource_version.clear();
    REQUIRE(store.write(again, WriteMode::apply, Origin::generated));
    CHECK(must_read(store).resources.at(kConfiguration).metadata.resource_version == before);
  }
}

TEST_CASE("a folder's generated path is one of its own under the state directory") {
  ::setenv("NODEWALL_STATE_DIR", "/state", 1);
  const auto path = generated_path("/etc/nodewall");
  CHECK(path.starts_with("/state/datastores/etc-nodewall-"));
  CHECK(generated_path("/etc/nodewall/") == path);
  CHECK(generated_path("/etc/../etc/nodewall") == path);
  CHECK(generated_path("/etc-nodewall") != path);
  ::unsetenv("NODEWALL_STATE_DIR");
  CHECK(generated_path("/etc/nodewall").starts_with("/var/lib/nodewall/datastores/"));
  CHECK(datastore_path("/x") == "/x");
}
