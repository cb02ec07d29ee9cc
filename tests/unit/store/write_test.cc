// What a write leaves in the files.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "temporary_folder.h"

using namespace nodewall;
using namespace nodewall::store;

namespace {

Errc code_of(const Status& status) {
  REQUIRE_FALSE(status);
  return status.error().code;
}

bool is_readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 2000) == 1;
}

}  // namespace

TEST_CASE("a new object is one file, named by kind and name in lower case") {
  const TemporaryFolder folder;
  auto store = folder.open();
  REQUIRE(store.write(endpoint("eth0", "eth0"), WriteMode::create, Origin::person));
  CHECK(folder.has("hostendpoint.eth0.yaml"));
  CHECK(interface_of(must_read(store), "eth0") == "eth0");
  struct stat info {};
  REQUIRE(::stat(folder.path("hostendpoint.eth0.yaml").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0644);
  // Nothing half-written is left beside it.
  for (const auto& entry : std::filesystem::directory_iterator(folder.manifests()))
    CHECK((entry.path().filename() == "hostendpoint.eth0.yaml" || entry.path().filename() == ".nodewall.lock"));
}

TEST_CASE("a name that is too long for a file is kept whole in the object") {
  const TemporaryFolder folder;
  auto store = folder.open();
  const std::string first = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(61, 'd');
  auto second = first;
  second.back() = 'e';
  REQUIRE(first.size() == 253);
  REQUIRE(store.write(endpoint(first, "eth0"), WriteMode::create, Origin::person));
  REQUIRE(store.write(endpoint(second, "eth1"), WriteMode::create, Origin::person));
  CHECK(interface_of(must_read(store), first) == "eth0");
  CHECK(interface_of(must_read(store), second) == "eth1");
}

TEST_CASE("create wants it absent, update wants it present, apply takes both") {
  const TemporaryFolder folder;
  auto store = folder.open();
  const auto missing = store.write(endpoint("a", "eth0"), WriteMode::update, Origin::person);
  CHECK(code_of(missing) == Errc::not_found);
  CHECK(missing.error().message() == "resource does not exist: HostEndpoint(a)");
  REQUIRE(store.write(endpoint("a", "eth0"), WriteMode::apply, Origin::person));
  const auto twice = store.write(endpoint("a", "eth1"), WriteMode::create, Origin::person);
  CHECK(code_of(twice) == Errc::conflict);
  CHECK(twice.error().message() == "resource already exists: HostEndpoint(a)");
  REQUIRE(store.write(endpoint("a", "eth1"), WriteMode::update, Origin::person));
  REQUIRE(store.write(endpoint("a", "eth2"), WriteMode::apply, Origin::person));
  CHECK(interface_of(must_read(store), "a") == "eth2");
}

TEST_CASE("a write that was made from an older version is a conflict") {
  const TemporaryFolder folder;
  auto store = folder.open();
  REQUIRE(store.write(endpoint("a", "eth0"), WriteMode::create, Origin::person));
  auto mine = must_read(store).resources.at(hep("a"));
  CHECK_FALSE(mine.metadata.resource_version.empty());
  auto other = folder.open();
  REQUIRE(other.write(endpoint("a", "eth5"), WriteMode::update, Origin::person));
  CHECK(code_of(store.write(mine, WriteMode::update, Origin::person)) == Errc::conflict);
  CHECK(code_of(store.write(mine, WriteMode::apply, Origin::person)) == Errc::conflict);
  mine = must_read(store).resources.at(hep("a"));
  std::get<model::HostEndpoint>(mine.spec).interface_name = "eth6";
  CHECK(store.write(mine, WriteMode::update, Origin::person));
  CHECK(interface_of(must_read(store), "a") == "eth6");
}

TEST_CASE("resource versions are digests: equal content has one version, wherever it is") {
  const TemporaryFolder folder;
  folder.put("one.yaml", endpoint_yaml("a", "eth0"));
  auto store = folder.open();
  const auto before = must_read(store).resources.at(hep("a")).metadata.resource_version;
  std::filesystem::rename(folder.path("one.yaml"), folder.path("two.yml"));
  CHECK(must_read(store).resources.at(hep("a")).metadata.resource_version == before);
  folder.put("two.yml", endpoint_yaml("a", "eth1"));
  CHECK(must_read(store).resources.at(hep("a")).metadata.resource_version != before);
}

TEST_CASE("an object in a person's file is changed there, and the other documents keep every byte") {
  const TemporaryFolder folder;
  const std::string first = "# the first, by hand\n" + endpoint_yaml("a", "\"eth0\"   # quoted");
  const std::string head = "---\n# about b\n\n";
  const std::string last = "---\n# the last\n" + endpoint_yaml("c", "eth2") + "# end\n";
  folder.put("mine.yaml", first + head + endpoint_yaml("b", "eth1") + "# after b\n" + last);
  auto store = folder.open();
  REQUIRE(store.write(endpoint("b", "eth9"), WriteMode::update, Origin::person));
  const auto text = folder.get("mine.yaml");
  CHECK(text.starts_with(first + head));
  CHECK(text.ends_with("# after b\n" + last));
  CHECK_FALSE(folder.has("hostendpoint.b.yaml"));
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a") == "eth0");
  CHECK(interface_of(snapshot, "b") == "eth9");
  CHECK(interface_of(snapshot, "c") == "eth2");

  SECTION("deleting takes out its document alone") {
    REQUIRE(store.remove(hep("b"), Origin::person));
    CHECK(folder.get("mine.yaml") == first + last);
  }
  SECTION("the file goes with its last object") {
    for (const auto* name : {"a", "b", "c"}) REQUIRE(store.remove(hep(name), Origin::person));
    CHECK_FALSE(folder.has("mine.yaml"));
    CHECK(code_of(store.remove(hep("a"), Origin::person)) == Errc::not_found);
  }
}

TEST_CASE("an object of a list is changed within it, and JSON stays JSON") {
  const TemporaryFolder folder;
  const auto item = [](const std::string& name) {
    return R"({"apiVersion":"projectcalico.org/v3","kind":"HostEndpoint","metadata":{"name":")" + name +
           R"("},"spec":{"node":"n1","interfaceName":"eth0"}})";
  };
  folder.put("list.json", R"({"apiVersion":"v1","kind":"List","items":[)" + item("a") + "," + item("b") + "]}");
  auto store = folder.open();
  REQUIRE(store.write(endpoint("b", "eth4"), WriteMode::update, Origin::person));
  CHECK(folder.get("list.json").starts_with("{"));
  auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a") == "eth0");
  CHECK(interface_of(snapshot, "b") == "eth4");
  REQUIRE(store.remove(hep("a"), Origin::person));
  snapshot = must_read(store);
  CHECK(interface_of(snapshot, "a").empty());
  CHECK(interface_of(snapshot, "b") == "eth4");
}

TEST_CASE("a broken object is mended by writing it, and its neighbours stay") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0") + "---\n" + endpoint_yaml("b", "eth1", "  wrong: 1\n"));
  auto store = folder.open();
  REQUIRE(store.write(endpoint("b", "eth3"), WriteMode::apply, Origin::person));
  const auto snapshot = must_read(store);
  CHECK(snapshot.diagnostics.empty());
  CHECK(interface_of(snapshot, "a") == "eth0");
  CHECK(interface_of(snapshot, "b") == "eth3");
}

TEST_CASE("deleting an object that two files hold takes it out of both") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("x", "eth0"));
  folder.put("b.yaml", endpoint_yaml("x", "eth1") + "---\n" + endpoint_yaml("y", "eth2"));
  auto store = folder.open();
  REQUIRE(store.remove(hep("x"), Origin::person));
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "x").empty());
  CHECK(interface_of(snapshot, "y") == "eth2");
}

TEST_CASE("a file that happens to have the name of a new object is not overwritten") {
  const TemporaryFolder folder;
  folder.put("hostendpoint.a.yaml", endpoint_yaml("other", "eth7"));
  auto store = folder.open();
  REQUIRE(store.write(endpoint("a", "eth0"), WriteMode::create, Origin::person));
  const auto snapshot = must_read(store);
  CHECK(interface_of(snapshot, "other") == "eth7");
  CHECK(interface_of(snapshot, "a") == "eth0");
}

TEST_CASE("the built-in profiles cannot be written or removed") {
  const TemporaryFolder folder;
  auto store = folder.open();
  for (const auto& profile : model::built_in_resources()) {
    CHECK(code_of(store.write(profile, WriteMode::apply, Origin::person)) == Errc::config);
    CHECK(code_of(store.remove(profile.id(), Origin::person)) == Errc::config);
  }
}

TEST_CASE("of many processes that create one object, one succeeds, and no update is lost") {
  const TemporaryFolder folder;
  constexpr int kWriters = 8;
  std::vector<pid_t> children;
  for (int i = 0; i < kWriters; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto store = DirectoryStore::open(folder.manifests(), "");
      if (!store) ::_exit(2);
      const bool mine = store->write(endpoint("own-" + std::to_string(i), "eth0"), WriteMode::create, Origin::person).has_value();
      const bool created = store->write(endpoint("shared", "eth" + std::to_string(i)), WriteMode::create, Origin::person).has_value();
      ::_exit(!mine ? 2 : created ? 0 : 1);
    }
    children.push_back(child);
  }
  int created = 0;
  for (const auto child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) != 2);
    created += WEXITSTATUS(status) == 0 ? 1 : 0;
  }
  CHECK(created == 1);
  auto store = folder.open();
  CHECK(must_read(store).resources.size() == kWriters + 1 + model::built_in_resources().size());
}

TEST_CASE("the watch wakes for files that come, change, go and are renamed, and rests otherwise") {
  const TemporaryFolder folder;
  auto store = folder.open();
  must_read(store);
  const int fd = store.watch_fd();
  REQUIRE(fd >= 0);
  const auto rests = [&] {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&wait, 1, 20) == 0;
  };
  store.drain_watch();
  CHECK(rests());
  folder.put("a.yaml", endpoint_yaml("a", "eth0"));
  CHECK(is_readable(fd));
  store.drain_watch();
  CHECK(rests());
  std::filesystem::rename(folder.path("a.yaml"), folder.path("b.yaml"));
  CHECK(is_readable(fd));
  store.drain_watch();
  CHECK(interface_of(must_read(store), "a") == "eth0");
  std::filesystem::remove(folder.path("b.yaml"));
  CHECK(is_readable(fd));
  store.drain_watch();
  CHECK(interface_of(must_read(store), "a").empty());
}

TEST_CASE("T-X5: a write sees a change whose notice the kernel dropped because too many came") {
  const TemporaryFolder folder;
  folder.put("a.yaml", endpoint_yaml("a", "eth0"));
  auto store = folder.open();
  must_read(store);
  store.drain_watch();
  std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
  int most = 0;
  REQUIRE(limit >> most);
  // Several notices each, and never two alike in a row, which would count as one. The names are manifests': only those are read again.
  for (int i = 0; i < most / 2 + 100; ++i) {
    const auto other = folder.path(i % 2 == 0 ? "x.yaml" : "y.yaml");
    std::ofstream(other).close();
    ::unlink(other.c_str());
  }
  folder.put("b.yaml", endpoint_yaml("b", "eth7"));
  CHECK_FALSE(store.write(endpoint("b", "eth9"), WriteMode::create, Origin::person));
  CHECK(interface_of(must_read(store), "b") == "eth7");
}
