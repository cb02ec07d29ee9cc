// Datastore: where desired state comes from. One implementation so far: a directory of manifests.
//
// Reading: every *.yaml, *.yml and *.json in the directory (not in sub-directories, not hidden files), whatever it is called; in a
// file many documents. The same object in two files is an error of the later one (by file name). Writing: one file an object, named
// <kind>.<name>.yaml in lower case, written whole and renamed; an object that a person's file holds is changed in that file.
// What the daemon writes (its Node, automatic host endpoints, KubeControllersConfiguration status) and the last good versions go to
// a second directory, `generated`, so that the first can be read-only. docs/datastore.md says which of two versions counts.
//
// A file or object that cannot be read or decoded is a diagnostic, and its last good version stays in the snapshot. Files and the
// directory must belong to root or the caller and must not be writable by group or others; symbolic links out of the directory are refused.
// Several processes may write at once: check and write are one step. A store is not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/decode.h"
#include "model/resources.h"

namespace nodewall::store {

struct Snapshot {
  model::ResourceSet resources;  // built-in profiles included
  std::vector<config::Diagnostic> diagnostics;
};

enum class WriteMode : std::uint8_t { create, update, apply };  // apply: create or update
enum class Origin : std::uint8_t { person, generated };

class DirectoryStore {
 public:
  // `generated` may be empty: then generated objects are neither read nor written.
  static Result<DirectoryStore> open(const std::string& directory, const std::string& generated);
  DirectoryStore(DirectoryStore&&) noexcept;
  DirectoryStore& operator=(DirectoryStore&&) noexcept;
  ~DirectoryStore();

  // Reads what changed since the last call and returns everything. Resource versions are content digests.
  Result<Snapshot> read();

  // Readable when something changed (inotify); call read() then. -1 if watching is not possible (then poll).
  [[nodiscard]] int watch_fd() const;
  void drain_watch();

  // Errc::conflict "resource already exists" / stale resource_version, Errc::not_found "resource does not exist".
  // Origin::person changes an object where it is; a new one becomes a file of the directory. Origin::generated never touches
  // the directory: what would have to be changed there is overridden or left out.
  Status write(const model::Resource& resource, WriteMode mode, Origin origin);
  Status remove(const model::ResourceId& id, Origin origin);

 private:
  struct State;
  explicit DirectoryStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// --datastore, else NODEWALL_DATASTORE, else /etc/nodewall.
std::string datastore_path(const std::string& option);
// Where the generated objects of a directory are kept: <NODEWALL_STATE_DIR, else /var/lib/nodewall>/datastores/<name made of its path>.
std::string generated_path(const std::string& directory);

}  // namespace nodewall::store
