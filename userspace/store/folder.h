// Folder: one directory that we trust, and the files in it. Private to this room.
//
// The directory is held by a descriptor; every file is reached from it, never by a path that others could turn elsewhere
// (openat2, RESOLVE_BENEATH). A file is read only if it is a regular file of at most kMaxFileBytes, belongs to root or the caller,
// and neither group nor others may write it. A symbolic link that stays inside the directory is followed, as Kubernetes mounts a
// ConfigMap by such links.
//
// Files are written whole: a temporary file beside it, fsync, rename, fsync of the directory.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace nodewall::store {

inline constexpr off_t kMaxFileBytes = 64 << 20;  // of one file; a document in it may have 10 MB
inline constexpr std::string_view kLockFile = ".nodewall.lock";

// What tells one content of a file from another without reading it.
struct Stamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint32_t owner = 0;
  std::uint32_t mode = 0;
  bool operator==(const Stamp&) const = default;
};

struct FileText {
  std::string text;
  Stamp stamp;
  bool settled = true;       // false: so young that a second write may leave the same stamp
  bool being_written = false;  // somebody has it open for writing
};

enum class Create { no, yes };
enum class Durable { no, yes };  // yes: on the disk before write returns

class Folder {
 public:
  // Errc::not_found when there is none; Errc::permission when it is a link, no directory, or others may write it.
  static Result<Folder> open(const std::string& path, Create create = Create::no);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The path leads to another directory now, or to none.
  [[nodiscard]] bool is_stale() const;
  // Still ours alone: owner and mode may change while we hold it.
  [[nodiscard]] Status check() const;

  // Names of manifests, sorted: *.yaml, *.yml, *.json, not hidden, of any file type.
  [[nodiscard]] Result<std::vector<std::string>> list() const;
  // Of what a link leads to. Errc::not_found, Errc::permission for a link that leads out.
  [[nodiscard]] Result<Stamp> stamp(const std::string& name) const;
  [[nodiscard]] Result<FileText> read(const std::string& name) const;
  [[nodiscard]] bool is_link(const std::string& name) const;
  [[nodiscard]] bool exists(const std::string& name) const;

  [[nodiscard]] Status write(const std::string& name, std::string_view text, Durable durable = Durable::yes) const;
  [[nodiscard]] Status remove(const std::string& name) const;
  // Keeps other writers out until the descriptor is closed; Errc::busy after ten seconds.
  [[nodiscard]] Result<Fd> lock() const;

 private:
  Folder(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  [[nodiscard]] Result<Fd> open_file(const std::string& name, int flags) const;

  std::string path_;
  Fd fd_;
};

bool is_manifest_name(std::string_view name);

}  // namespace nodewall::store
