// Writing: whole files, seen by readers either as they were or as they shall be, and on the disk when we say so.
#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/printable.h"
#include "store/folder.h"

namespace nodewall::store {
namespace {

constexpr auto kLockPatience = std::chrono::seconds(10);
constexpr auto kLockPause = std::chrono::milliseconds(5);
constexpr mode_t kNewFileMode = 0644;

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("write", errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Of the file that is replaced, so that a file closed to other readers stays closed.
mode_t mode_for(int directory, const std::string& name) {
  struct stat info {};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
    return kNewFileMode;
  return info.st_mode & (S_IRWXU | S_IRGRP | S_IROTH);
}

Status fill(int directory, const std::string& temporary, std::string_view text, mode_t mode, Durable durable) {
  const Fd fd(::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail(errno_error("create a file", errno));
  if (auto done = write_all(fd.get(), text); !done) return done;
  if (::fchmod(fd.get(), mode) != 0) return fail(errno_error("chmod", errno));
  if (durable == Durable::yes && ::fsync(fd.get()) != 0) return fail(errno_error("fsync", errno));
  return {};
}

}  // namespace

Status Folder::write(const std::string& name, std::string_view text, Durable durable) const {
  // A name of its own, hidden and not a manifest: never read, and short whatever `name` is. The lock keeps it ours.
  const std::string temporary = ".nodewall-" + std::to_string(::getpid()) + ".new";
  ::unlinkat(fd_.get(), temporary.c_str(), 0);  // of a writer that died
  auto done = fill(fd_.get(), temporary, text, mode_for(fd_.get(), name), durable);
  if (done && ::renameat(fd_.get(), temporary.c_str(), fd_.get(), name.c_str()) != 0)
    done = fail(errno_error("rename", errno));
  if (!done) {
    ::unlinkat(fd_.get(), temporary.c_str(), 0);
    return fail(std::move(done.error()).in(printable(path_ + "/" + name)));
  }
  if (durable == Durable::yes && ::fsync(fd_.get()) != 0)
    return fail(errno_error("fsync " + printable(path_), errno));
  return {};
}

Status Folder::remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) != 0) {
    if (errno == ENOENT) return fail(Errc::not_found, printable(path_ + "/" + name) + " does not exist");
    return fail(errno_error("remove " + printable(path_ + "/" + name), errno));
  }
  if (::fsync(fd_.get()) != 0) return fail(errno_error("fsync " + printable(path_), errno));
  return {};
}

Result<Fd> Folder::lock() const {
  // A file that only its owner can open: a lock on the directory itself could be held by anyone who may look into it.
  Fd fd(::openat(fd_.get(), std::string(kLockFile).c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail(errno_error("lock " + printable(path_), errno));
  const auto until = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail(errno_error("lock " + printable(path_), errno));
    if (std::chrono::steady_clock::now() > until)
      return fail(Errc::busy, printable(path_) + " is being written by another process");
    std::this_thread::sleep_for(kLockPause);
  }
  return fd;
}

}  // namespace nodewall::store
