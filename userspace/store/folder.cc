// Opening and reading: nothing is believed before its owner, mode and type were looked at.
#include "store/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>

#include "base/printable.h"

namespace nodewall::store {
namespace {

// Clocks of file systems tick in up to two seconds; within a tick two writes have one time.
constexpr std::int64_t kTickNs = 2'000'000'000;

struct CloseDir {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

Stamp stamp_of(const struct stat& info) {
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = info.st_size,
          .mtime_ns = nanoseconds(info.st_mtim),
          .ctime_ns = nanoseconds(info.st_ctim),
          .owner = info.st_uid,
          .mode = info.st_mode};
}

Status check_trust(const struct stat& info) {
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return fail(Errc::permission, "belongs to user " + std::to_string(info.st_uid) + ", not to root: not used");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Errc::permission, "can be written by group or others: not used");
  return {};
}

bool is_settled(const Stamp& stamp) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return now_ns - std::max(stamp.mtime_ns, stamp.ctime_ns) > kTickNs;
}

// A read lease is refused while anybody has the file open for writing. On file systems without leases nobody is seen.
bool is_being_written(int fd) {
  // Somebody who opens the file in between breaks the lease, and SIGIO would end the process: SIGURG does nothing.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

Result<std::string> read_all(int fd, off_t size_hint) {
  std::string text;
  text.resize(static_cast<std::size_t>(size_hint) + 1);
  std::size_t got = 0;
  while (true) {
    const auto bytes = ::read(fd, text.data() + got, text.size() - got);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return fail(errno_error("read", errno));
    if (bytes == 0) break;
    got += static_cast<std::size_t>(bytes);
    if (got > static_cast<std::size_t>(kMaxFileBytes)) return fail(Errc::limit, "grows while it is read");
    if (got == text.size()) text.resize(text.size() * 2);
  }
  text.resize(got);
  return text;
}

}  // namespace

bool is_manifest_name(std::string_view name) {
  if (name.empty() || name.front() == '.') return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

Result<Folder> Folder::open(const std::string& path, Create create) {
  std::string trimmed = path;
  // With a slash at its end a link would be followed.
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  const auto shown = printable(trimmed);
  if (create == Create::yes) {
    // Not writable by others, whatever the umask is.
    for (auto slash = trimmed.find('/', 1); slash != trimmed.npos; slash = trimmed.find('/', slash + 1))
      ::mkdir(trimmed.substr(0, slash).c_str(), 0755);
    if (::mkdir(trimmed.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno_error("create " + shown, errno));
  }
  Fd fd(::open(trimmed.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return fail(Errc::not_found, shown + " does not exist");
    struct stat info {};
    if ((errno == ELOOP || errno == ENOTDIR) && ::lstat(trimmed.c_str(), &info) == 0 && S_ISLNK(info.st_mode))
      return fail(Errc::permission, shown + " is a symbolic link: not used");
    if (errno == ENOTDIR) return fail(Errc::config, shown + " is not a directory");
    return fail(errno_error("open " + shown, errno));
  }
  Folder folder(std::move(trimmed), std::move(fd));
  if (auto trusted = folder.check(); !trusted) return fail(trusted.error());
  return folder;
}

Status Folder::check() const {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) return fail(errno_error("stat " + printable(path_), errno));
  if (auto trusted = check_trust(info); !trusted) {
    trusted.error().what = printable(path_) + " " + trusted.error().what;
    return trusted;
  }
  return {};
}

bool Folder::is_stale() const {
  struct stat held {};
  struct stat named {};
  if (::fstat(fd_.get(), &held) != 0 || ::lstat(path_.c_str(), &named) != 0) return true;
  return held.st_dev != named.st_dev || held.st_ino != named.st_ino;
}

Result<std::vector<std::string>> Folder::list() const {
  // A descriptor of its own: the read position of a directory is shared by its duplicates.
  Fd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return fail(errno_error("open " + printable(path_), errno));
  const std::unique_ptr<DIR, CloseDir> directory(::fdopendir(fd.get()));
  if (!directory) return fail(errno_error("read " + printable(path_), errno));
  (void)fd.release();
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    if (!is_manifest_name(entry->d_name) || entry->d_type == DT_DIR) continue;
    names.emplace_back(entry->d_name);
  }
  // Half a list would take the other half's policy away.
  if (errno != 0) return fail(errno_error("read " + printable(path_), errno));
  std::ranges::sort(names);
  return names;
}

Result<Fd> Folder::open_file(const std::string& name, int flags) const {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  constexpr int kAttempts = 8;  // EAGAIN: something was renamed meanwhile
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const long opened = ::syscall(SYS_openat2, fd_.get(), name.c_str(), &how, sizeof how);
    if (opened >= 0) return Fd(static_cast<int>(opened));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  if (errno == ENOENT) return fail(Errc::not_found, "does not exist");
  if (errno == EXDEV) return fail(Errc::permission, "is a symbolic link that leads out of the directory: not used");
  return fail(errno_error("open", errno));
}

Result<Stamp> Folder::stamp(const std::string& name) const {
  struct stat info {};
  if (::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return fail(Errc::not_found, "does not exist");
    return fail(errno_error("stat", errno));
  }
  if (!S_ISLNK(info.st_mode)) return stamp_of(info);
  auto target = open_file(name, O_PATH);
  if (!target) return fail(target.error());
  if (::fstat(target->get(), &info) != 0) return fail(errno_error("stat", errno));
  return stamp_of(info);
}

Result<FileText> Folder::read(const std::string& name) const {
  // Without waiting: the other end of a FIFO may never come. O_PATH opens no device.
  auto looked = open_file(name, O_PATH);
  if (!looked) return fail(looked.error());
  struct stat info {};
  if (::fstat(looked->get(), &info) != 0) return fail(errno_error("stat", errno));
  if (!S_ISREG(info.st_mode)) return fail(Errc::permission, "is not a regular file: not used");
  auto fd = open_file(name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return fail(fd.error());
  if (::fstat(fd->get(), &info) != 0) return fail(errno_error("stat", errno));
  if (!S_ISREG(info.st_mode)) return fail(Errc::permission, "is not a regular file: not used");
  if (auto trusted = check_trust(info); !trusted) return fail(trusted.error());
  if (info.st_size > kMaxFileBytes)
    return fail(Errc::limit, "has more than " + std::to_string(kMaxFileBytes >> 20) + " MB: not used");
  FileText file;
  file.stamp = stamp_of(info);
  file.being_written = is_being_written(fd->get());
  auto text = read_all(fd->get(), info.st_size);
  if (!text) return fail(text.error());
  file.text = std::move(*text);
  // What was written while we read is read again: the stamp is the older one.
  file.settled = is_settled(file.stamp) && !file.being_written;
  return file;
}

bool Folder::is_link(const std::string& name) const {
  struct stat info {};
  return ::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

bool Folder::exists(const std::string& name) const {
  struct stat info {};
  return ::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace nodewall::store
