// What is in the snapshot for what is in the folder.
#include <fcntl.h>

#include "temporary_folder.h"

using namespace nodewall;
using namespace nodewall::store;

TEST_CASE("every manifest of the folder is read, whatever it is called, and nothing else") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0") + "---\n" + endpoint_yaml("b", "eth1"));
  folder.put("Some Name!.yml", endpoint_yaml("c", "eth2"));
  folder.put("d.json", R"({"apiVersion":"projectcalico.org/v3","kind":"HostEndpoint","metadata":{"name":"d"},)"
                       R"("spec":{"node":"n1","interfaceName":"eth3"}})");
  folder.put(".hidden.yaml", endpoint_yaml("h", "eth4"));
  folder.put("notes.txt", "not a manifest");
  folder.put("e.yaml.swp", "not a manifest");
  REQUIRE(::mkdir(folder.path("sub.yaml").c_str(), 0755) == 0);
  std::ofstream(folder.path("sub.yaml/x.yaml")) << endpoint_yaml("x", "eth5");
  auto store = folder.open();
  const auto snapshot = must_read(store);
  CHECK(snapshot.diagnostics.empty());
  CHECK(interface_of(snapshot, "a") == "eth0");
  CHECK(interface_of(snapshot, "b") == "eth1");
  CHECK(interface_of(snapshot, "c") == "eth2");
  CHECK(interface_of(snapshot, "d") == "eth3");
  CHECK(snapshot.resources.size() == 4 + model::built_in_resources().size());
}

TEST_CASE("T-P5: the built-in profiles are there without a file, and a file cannot change them") {
  const TemporaryFolder folder;
  folder.put("p.yaml",
             "apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata:\n  name: projectcalico-default-allow\nspec: {}\n");
  auto store = folder.open();
  const auto snapshot = must_read(store);
  const auto& profile = snapshot.resources.at({model::Kind::Profile, "projectcalico-default-allow"});
  CHECK(std::get<model::Profile>(profile.spec).ingress.size() == 1);
  CHECK(snapshot.resources.contains({model::Kind::Profile, "projectcalico-allow-all"}));
  CHECK_FALSE(snapshot.diagnostics.empty());
}

TEST_CASE("an object in two files is an error of the later file, by name") {
  const TemporaryFolder folder;
  folder.put("b.yaml", endpoint_yaml("x", "eth1"));
  folder.put("a.yaml", endpoint_yaml("x", "eth0"));
  auto store = folder.open();
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "x") == "eth0");
  REQUIRE(snapshot.diagnostics.size() == 1);
  CHECK(snapshot.diagnostics[0].file == folder.path("b.yaml"));
  CHECK(snapshot.diagnostics[0].object == "HostEndpoint(x)");
  CHECK(snapshot.diagnostics[0].at.line == 1);

  std::filesystem::remove(folder.path("a.yaml"));
  const auto later = must_read(store);
  CHECK(interface_of(later, "x") == "eth1");
  CHECK(later.diagnostics.empty());
}

TEST_CASE("the last good version of a broken object stays, and its neighbours change (T-P8)") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0") + "---\n" + endpoint_yaml("b", "eth1"));
  auto store = folder.open();
  must_read(store);
  folder.put("a.yaml", endpoint_yaml("a", "eth0", "  wrong: 1\n") + "---\n" + endpoint_yaml("b", "eth7"));
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a") == "eth0");
  CHECK(interface_of(snapshot, "b") == "eth7");
  REQUIRE_FALSE(snapshot.diagnostics.empty());
  CHECK(snapshot.diagnostics[0].at.line > 0);

  SECTION("an object that was taken out of the file is gone although another is broken") {
    folder.put("a.yaml", endpoint_yaml("a", "eth0", "  wrong: 2\n"));
    const auto next = must_read(store);
    CHECK(interface_of(next, "a") == "eth0");
    CHECK(interface_of(next, "b").empty());
  }
  SECTION("text that is not YAML keeps all of the file") {
    folder.put("a.yaml", "]]: {{{\n");
    const auto next = must_read(store);
    CHECK(interface_of(next, "a") == "eth0");
    CHECK(interface_of(next, "b") == "eth7");
  }
  SECTION("corrected, the new version counts and nothing is complained of") {
    folder.put("a.yaml", endpoint_yaml("a", "eth9"));
    const auto next = must_read(store);
    CHECK(interface_of(next, "a") == "eth9");
    CHECK(interface_of(next, "b").empty());
    CHECK(next.diagnostics.empty());
  }
  SECTION("a whole version in another file counts before it") {
    folder.put("z.yaml", endpoint_yaml("a", "eth5"));
    CHECK(interface_of(must_read(store), "a") == "eth5");
  }
}

TEST_CASE("the last good version outlives the daemon") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0") + "---\n" + endpoint_yaml("b", "eth1"));
  {
    auto store = folder.open();
    must_read(store);
  }
  folder.put("a.yaml", "]]: {{{\n");
  {
    auto store = folder.open();
    const auto snapshot = must_read(store);
    CHECK(interface_of(snapshot, "a") == "eth0");
    CHECK(interface_of(snapshot, "b") == "eth1");
    CHECK_FALSE(snapshot.diagnostics.empty());
  }
  SECTION("and a second restart") {
    auto store = folder.open();
    CHECK(interface_of(must_read(store), "a") == "eth0");
  }
  SECTION("but not the deletion of its file") {
    std::filesystem::remove(folder.path("a.yaml"));
    {
      auto store = folder.open();
      CHECK(interface_of(must_read(store), "a").empty());
    }
    folder.put("a.yaml", "]]: {{{\n");
    auto store = folder.open();
    CHECK(interface_of(must_read(store), "a").empty());
  }
  SECTION("and is not believed when it was cut short") {
    for (const auto& entry : std::filesystem::directory_iterator(folder.generated() + "/last-good")) {
      if (entry.path().filename().string().starts_with(".")) continue;
      const auto text = TemporaryFolder::read(entry.path().string());
      std::ofstream(entry.path()) << text.substr(0, text.find("---"));
    }
    auto store = folder.open();
    CHECK(interface_of(must_read(store), "a").empty());
  }
}

TEST_CASE("T-P8: an invalid FelixConfiguration leaves the last good one in force") {
  const TemporaryFolder folder;
  const auto felix = [](const std::string& prefix) {
    return "apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata:\n  name: default\nspec:\n  " + prefix + "\n";
  };
  folder.put("felix.yaml", felix("interfacePrefix: veth"));
  auto store = folder.open();
  must_read(store);
  folder.put("felix.yaml", felix("interfaceRefreshInterval: sometimes"));
  const auto snapshot = must_read(store);
  const auto& kept = snapshot.resources.at({model::Kind::FelixConfiguration, "default"});
  CHECK(std::get<model::FelixConfiguration>(kept.spec).interface_prefix == std::vector<std::string>{"veth"});
  CHECK_FALSE(snapshot.diagnostics.empty());
}

TEST_CASE("a second write of the same length in the same tick of the clock is seen") {
  const TemporaryFolder folder;
  auto store = folder.open();
  for (int i = 0; i < 50; ++i) {
    folder.put("a.yaml", endpoint_yaml("a", "eth" + std::to_string(i % 10)));
    CHECK(interface_of(must_read(store), "a") == "eth" + std::to_string(i % 10));
  }
}

TEST_CASE("a file that is open for writing is read when its writer has closed it (T-X5)") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0") + "---\n" + endpoint_yaml("b", "eth1"));
  auto store = folder.open();
  must_read(store);
  {
    std::ofstream half(folder.path("a.yaml"), std::ios::trunc);
    half << endpoint_yaml("a", "eth5") << std::flush;
    const auto snapshot = must_read(store);
    CHECK(interface_of(snapshot, "a") == "eth0");
    CHECK(interface_of(snapshot, "b") == "eth1");
    half << "---\n" << endpoint_yaml("b", "eth6");
  }
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a") == "eth5");
  CHECK(interface_of(snapshot, "b") == "eth6");
  CHECK(snapshot.diagnostics.empty());
}

TEST_CASE("a folder that is missing is an error, and read again when it is back") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0"));
  auto store = folder.open();
  must_read(store);
  const int watched = store.watch_fd();
  std::filesystem::rename(folder.manifests(), folder.root() + "/away");
  const auto gone = store.read();
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == Errc::not_found);
  REQUIRE(::mkdir(folder.manifests().c_str(), 0755) == 0);
  folder.put("a.yaml", endpoint_yaml("a", "eth1"));
  CHECK(interface_of(must_read(store), "a") == "eth1");
  CHECK(store.watch_fd() == watched);
}

TEST_CASE("opening a folder that is none says why") {
  const TemporaryFolder folder;
  const auto missing = DirectoryStore::open(folder.root() + "/none", "");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::not_found);
  folder.put("file.yaml", "");
  const auto file = DirectoryStore::open(folder.path("file.yaml"), "");
  REQUIRE_FALSE(file);
  CHECK(file.error().code == Errc::config);
}
