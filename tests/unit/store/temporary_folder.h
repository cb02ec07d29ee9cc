// A folder of manifests and one for generated objects, gone at the end of the test.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "store/datastore.h"

namespace nodewall::store {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "nodewall-store-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    REQUIRE(::mkdir(manifests().c_str(), 0755) == 0);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] std::string manifests() const { return root_ + "/manifests"; }
  [[nodiscard]] std::string generated() const { return root_ + "/state/generated"; }
  [[nodiscard]] std::string root() const { return root_; }
  [[nodiscard]] std::string path(const std::string& name) const { return manifests() + "/" + name; }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(path(name)); }

  // In place, as an editor or a shell does it.
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    ::chmod(path(name).c_str(), 0644);
  }
  [[nodiscard]] std::string get(const std::string& name) const { return read(path(name)); }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  [[nodiscard]] DirectoryStore open() const {
    auto store = DirectoryStore::open(manifests(), generated());
    REQUIRE(store);
    return std::move(*store);
  }

 private:
  std::string root_;
};

inline std::string endpoint_yaml(const std::string& name, const std::string& interface, const std::string& extra = "") {
  return "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata:\n  name: " + name + "\n" + extra +
         "spec:\n  node: n1\n  interfaceName: " + interface + "\n";
}

inline model::Resource endpoint(const std::string& name, const std::string& interface) {
  model::Resource resource;
  resource.metadata.name = name;
  model::HostEndpoint spec;
  spec.node = "n1";
  spec.interface_name = interface;
  resource.spec = spec;
  return resource;
}

inline model::ResourceId hep(const std::string& name) { return {model::Kind::HostEndpoint, name}; }

inline Snapshot must_read(DirectoryStore& store) {
  auto snapshot = store.read();
  if (!snapshot) FAIL(snapshot.error().message());
  return std::move(*snapshot);
}

// The interface of a host endpoint; empty when there is none.
inline std::string interface_of(const Snapshot& snapshot, const std::string& name) {
  const auto found = snapshot.resources.find(hep(name));
  return found == snapshot.resources.end() ? "" : std::get<model::HostEndpoint>(found->second.spec).interface_name;
}

}  // namespace nodewall::store
