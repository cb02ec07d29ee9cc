// Manifests: what the files of one folder hold, kept up to date by reading only what changed. Private to this room.
//
// For every file there are the objects of its last reading, and those that it held before and that are broken now: their last
// good version. Which version counts when files disagree is settled in merge.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/decode.h"
#include "model/resources.h"
#include "store/folder.h"
#include "store/watch.h"

namespace nodewall::store {

struct Object {
  model::Resource resource;  // its resource version is the digest of the rest
  config::Position at;
  bool last_good = false;  // no longer what the file says
};

struct File {
  Stamp stamp;
  std::string digest;    // of the text
  bool settled = false;  // false: read again although the stamp is the same
  std::vector<Object> objects;
  std::vector<config::Diagnostic> diagnostics;
  bool to_save = false;  // `objects` is not what was saved as last good
};

// Where last good versions of earlier runs come from.
class LastGood {
 public:
  // In a folder of generated objects; nothing is created before something is saved.
  explicit LastGood(std::string directory) : directory_(std::move(directory)) {}
  // The objects that `file` held when it was whole; empty when nothing is known.
  [[nodiscard]] std::vector<model::Resource> load(const std::string& file);
  Status save(const std::string& file, const std::vector<Object>& objects);
  // Forgets every file that is not in `files`: a person deleted it.
  void prune(const std::map<std::string, File>& files);

 private:
  Result<Folder*> folder(Create create);
  std::string directory_;
  std::optional<Folder> folder_;
};

class Manifests {
 public:
  Manifests(Folder folder, std::optional<LastGood> last_good);

  [[nodiscard]] const Folder& folder() const { return folder_; }
  [[nodiscard]] const std::map<std::string, File>& files() const { return files_; }
  [[nodiscard]] Watch& watch() { return watch_; }

  // Looks at every file. An error: the folder cannot be listed, and everything stays as it was.
  Status refresh();
  // Looks only at what the watch names; at everything when it cannot tell.
  Status refresh_touched();
  // After a write of our own.
  void look_at(const std::string& name);
  // Keeps last good versions for the next run. The diagnostics are of what could not be kept.
  std::vector<config::Diagnostic> save();

 private:
  Status reopen();
  void look_at(const std::string& name, File& file);
  void read_again(const std::string& name, File& file, FileText text);
  void keep(const std::string& name, File& file, const std::string& why);
  void restore(const std::string& name, File& file);

  Folder folder_;
  std::optional<LastGood> last_good_;
  std::map<std::string, File> files_;
  Watch watch_;
  bool to_prune_ = true;  // files went, or nothing is known of the time before
};

// "sha256 in hex" of a text.
std::string digest_of(std::string_view text);
// What a resource version is made of: everything but the version itself and the status.
std::string version_of(const model::Resource& resource);

}  // namespace nodewall::store
