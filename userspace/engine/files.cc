#include "engine/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"

namespace nodewall::engine {
namespace {

constexpr off_t kMaxBytes = 512 << 20;

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("write", errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<std::string> read_private_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) return fail(Errc::not_found, path + " does not exist");
    return fail(errno_error("open " + path, errno));
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail(errno_error("stat " + path, errno));
  if (!S_ISREG(info.st_mode)) return fail(Errc::permission, path + " is not a file");
  if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & (S_IWGRP | S_IWOTH))) {
    return fail(Errc::permission, path + " can be written by others: not used");
  }
  if (info.st_size > kMaxBytes) return fail(Errc::limit, path + " is too large");
  std::string text;
  text.resize(static_cast<std::size_t>(info.st_size));
  std::size_t got = 0;
  while (got < text.size()) {
    const auto bytes = ::read(fd.get(), text.data() + got, text.size() - got);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return fail(errno_error("read " + path, errno));
    if (bytes == 0) break;
    got += static_cast<std::size_t>(bytes);
  }
  text.resize(got);
  return text;
}

std::string temporary_name(const std::string& path) { return path + ".new"; }

Status write_private_file(const std::string& path, std::string_view text) {
  const std::string temporary = temporary_name(path);
  ::unlink(temporary.c_str());  // of a writer that died
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail(errno_error("create " + temporary, errno));
  if (auto done = write_all(fd.get(), text); !done) {
    ::unlink(temporary.c_str());
    return fail(std::move(done.error()).in(temporary));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return fail(errno_error("rename " + temporary, error));
  }
  return {};
}

}  // namespace nodewall::engine
