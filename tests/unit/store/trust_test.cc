// What is not believed (T-X4, T-X5, T-X10).
#include "temporary_folder.h"

using namespace nodewall;
using namespace nodewall::store;

namespace {

bool complains_of(const Snapshot& snapshot, const std::string& file, const std::string& word) {
  for (const auto& one : snapshot.diagnostics)
    if (one.file == file && one.message.find(word) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("a file that group or others may write is not used, and what it held stays (T-X5)") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0"));
  folder.put("b.yaml", endpoint_yaml("b", "eth1"));
  ::chmod(folder.path("b.yaml").c_str(), 0666);
  auto store = folder.open();
  auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "b").empty());
  CHECK(complains_of(snapshot, folder.path("b.yaml"), "can be written"));
  folder.put("a.yaml", endpoint_yaml("a", "eth6"));
  ::chmod(folder.path("a.yaml").c_str(), 0664);
  snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a") == "eth0");
  ::chmod(folder.path("a.yaml").c_str(), 0644);
  CHECK(interface_of(must_read(store), "a") == "eth6");
}

TEST_CASE("a file of another user is not used (T-X5)") {
  if (::geteuid() != 0) SUCCEED("only root can give a file away");
  else {
    const TemporaryFolder folder;
    folder.put("a.yaml", endpoint_yaml("a", "eth0"));
    REQUIRE(::chown(folder.path("a.yaml").c_str(), 1000, 1000) == 0);
    auto store = folder.open();
    const auto snapshot = must_read(store);
    CHECK(interface_of(snapshot, "a").empty());
    CHECK(complains_of(snapshot, folder.path("a.yaml"), "belongs to user 1000"));
  }
}

TEST_CASE("a folder that others may write, or that is a link, is refused (T-X4)") {
  const TemporaryFolder folder;
  REQUIRE(::symlink(folder.manifests().c_str(), (folder.root() + "/link").c_str()) == 0);
  for (const std::string& path : {folder.root() + "/link", folder.root() + "/link/"}) {
    const auto linked = DirectoryStore::open(path, "");
    REQUIRE_FALSE(linked);
    CHECK(linked.error().code == Errc::permission);
  }
  auto store = folder.open();
  must_read(store);
  ::chmod(folder.manifests().c_str(), 0777);
  const auto open = DirectoryStore::open(folder.manifests(), "");
  REQUIRE_FALSE(open);
  CHECK(open.error().code == Errc::permission);
  const auto later = store.read();
  REQUIRE_FALSE(later);
  CHECK(later.error().code == Errc::permission);
}

TEST_CASE("a generated folder that is a planted link is refused (T-X4)") {
  const TemporaryFolder folder;
  REQUIRE(::mkdir((folder.root() + "/state").c_str(), 0755) == 0);
  REQUIRE(::mkdir((folder.root() + "/elsewhere").c_str(), 0755) == 0);
  REQUIRE(::symlink((folder.root() + "/elsewhere").c_str(), folder.generated().c_str()) == 0);
  const auto store = DirectoryStore::open(folder.manifests(), folder.generated());
  if (::geteuid() == 0) {
    REQUIRE_FALSE(store);
    CHECK(store.error().code == Errc::permission);
  } else {
    CHECK(std::filesystem::is_empty(folder.root() + "/elsewhere"));
  }
}

TEST_CASE("a link out of the folder is refused, one that stays inside is followed (T-X4)") {
  const TemporaryFolder folder;
  std::ofstream(folder.root() + "/outside.yaml") << endpoint_yaml("out", "eth0");
  REQUIRE(::symlink("../outside.yaml", folder.path("a.yaml").c_str()) == 0);
  REQUIRE(::symlink((folder.root() + "/outside.yaml").c_str(), folder.path("b.yaml").c_str()) == 0);
  REQUIRE(::symlink("nowhere.yaml", folder.path("c.yaml").c_str()) == 0);
  // As Kubernetes mounts a ConfigMap.
  REQUIRE(::mkdir(folder.path("..data_1").c_str(), 0755) == 0);
  std::ofstream(folder.path("..data_1/in.yaml")) << endpoint_yaml("in", "eth1");
  REQUIRE(::symlink("..data_1", folder.path("..data").c_str()) == 0);
  REQUIRE(::symlink("..data/in.yaml", folder.path("in.yaml").c_str()) == 0);
  auto store = folder.open();
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "out").empty());
  CHECK(interface_of(snapshot, "in") == "eth1");
  CHECK(complains_of(snapshot, folder.path("a.yaml"), "out of the directory"));
  CHECK(complains_of(snapshot, folder.path("b.yaml"), "out of the directory"));
  CHECK(complains_of(snapshot, folder.path("c.yaml"), "does not exist"));

  SECTION("the switch of what it leads to is seen") {
    REQUIRE(::mkdir(folder.path("..data_2").c_str(), 0755) == 0);
    std::ofstream(folder.path("..data_2/in.yaml")) << endpoint_yaml("in", "eth2");
    REQUIRE(::symlink("..data_2", folder.path("..tmp").c_str()) == 0);
    std::filesystem::rename(folder.path("..tmp"), folder.path("..data"));
    CHECK(interface_of(must_read(store), "in") == "eth2");
  }
  SECTION("and it is not replaced by a file") {
    const auto written = store.write(endpoint("in", "eth3"), WriteMode::apply, Origin::person);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == Errc::permission);
    CHECK(std::filesystem::is_symlink(folder.path("in.yaml")));
  }
}

TEST_CASE("a FIFO is not opened, and reading does not wait for it") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo(folder.path("fifo.yaml").c_str(), 0600) == 0);
  folder.put("a.yaml", endpoint_yaml("a", "eth0"));
  auto store = folder.open();
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a") == "eth0");
  CHECK(complains_of(snapshot, folder.path("fifo.yaml"), "not a regular file"));
}

TEST_CASE("a document of more than 10 MB and a file without end are refused, and what they held stays") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0"));
  auto store = folder.open();
  must_read(store);
  SECTION("document") {
    folder.put("a.yaml", endpoint_yaml("a", "eth1") + "# " + std::string(10'000'001, 'x') + "\n");
  }
  SECTION("file") { REQUIRE(::truncate(folder.path("a.yaml").c_str(), 1L << 40) == 0); }
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a") == "eth0");
  CHECK_FALSE(snapshot.diagnostics.empty());
}

TEST_CASE("a hostile name is never a path (T-X10)") {
  const TemporaryFolder folder;
  auto store = folder.open();
  for (const std::string& name : {std::string("../../x"), std::string("a/b"), std::string(".."), std::string(""), std::string("a\nb"),
                                  std::string("A"), std::string(254, 'a'), std::string("a\0b", 3)}) {
    for (const auto origin : {Origin::person, Origin::generated}) {
      const auto written = store.write(endpoint(name, "eth0"), WriteMode::apply, origin);
      REQUIRE_FALSE(written);
      CHECK(written.error().code == Errc::config);
      CHECK_FALSE(store.remove(hep(name), origin));
    }
  }
  CHECK(std::filesystem::is_empty(folder.manifests()));
}
