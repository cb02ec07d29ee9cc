#include "engine/event_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace nodewall::engine {
namespace {

constexpr std::size_t kMostLine = 64 * 1024;

std::string path_of(const std::string& run_dir, std::string_view name) { return run_dir + "/" + std::string(name); }

Status check_owner(const struct stat& info, const std::string& path) {
  if (!S_ISREG(info.st_mode)) return fail(Errc::permission, path + " is not a file");
  if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & (S_IWGRP | S_IWOTH))) {
    return fail(Errc::permission, path + " can be written by others: not used");
  }
  return {};
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// False when there is none.
bool stat_fd(const Fd& fd, struct stat& info) { return fd.valid() && ::fstat(fd.get(), &info) == 0; }

}  // namespace

EventLog::EventLog(std::string run_dir, std::size_t most_bytes)
    : path_(path_of(run_dir, kEventFile)), older_(path_of(run_dir, kOlderEventFile)), most_(most_bytes) {}

Status EventLog::open() {
  Fd file(::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file.valid()) return fail(errno_error("open " + path_, errno));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return fail(errno_error("stat " + path_, errno));
  if (auto checked = check_owner(info, path_); !checked) return checked;
  file_ = std::move(file);
  return mend();
}

// A writer that died may have left a part of a line.
Status EventLog::mend() {
  const auto size = ::lseek(file_.get(), 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(file_.get(), &last, 1, size - 1) != 1) last = 0;
  if (last == '\n' || ::write(file_.get(), "\n", 1) == 1) return {};
  const int error = errno;
  file_.reset();
  return fail(errno_error("write " + path_, error));
}

// Of a file that has room for so much more: the current one, or a new one.
Result<std::size_t> EventLog::size_before(std::size_t added) {
  struct stat info {};
  // Somebody may have taken the file away.
  if (!stat_fd(file_, info) || info.st_nlink == 0) {
    if (auto opened = open(); !opened) return fail(opened.error());
    if (!stat_fd(file_, info)) return fail(errno_error("stat " + path_, errno));
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0 || size + added <= most_) return size;
  if (::rename(path_.c_str(), older_.c_str()) != 0) {
    const int error = errno;
    file_.reset();
    return fail(errno_error("rename " + path_, error));
  }
  file_.reset();
  if (auto opened = open(); !opened) return fail(opened.error());
  return 0;
}

Status EventLog::write(std::string_view line) {
  const auto before = size_before(line.size() + 1);
  if (!before) return fail(before.error());
  std::string whole(line);
  whole += '\n';
  const auto written = ::write(file_.get(), whole.data(), whole.size());
  if (written == static_cast<ssize_t>(whole.size())) return {};
  const int error = written < 0 ? errno : ENOSPC;
  // No half a line: what cannot be cut off is mended by the next open.
  if (written > 0 && ::ftruncate(file_.get(), static_cast<off_t>(*before)) != 0) file_.reset();
  return fail(errno_error("write " + path_, error));
}

Result<Fd> EventTail::open(std::string_view name) const {
  const auto path = path_of(run_dir_, name);
  Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return Fd();
    return fail(errno_error("open " + path, errno));
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return fail(errno_error("stat " + path, errno));
  if (auto checked = check_owner(info, path); !checked) return fail(checked.error());
  return file;
}

Status EventTail::read_on(Fd& file, const Handler& line) {
  struct stat info {};
  if (!stat_fd(file, info)) return {};
  // Emptied by somebody: what comes now is new.
  if (::lseek(file.get(), 0, SEEK_CUR) > info.st_size) {
    ::lseek(file.get(), 0, SEEK_SET);
    rest_.clear();
    overlong_ = false;
  }
  std::array<char, 1 << 16> buffer{};
  while (true) {
    const auto bytes = ::read(file.get(), buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return fail(errno_error("read " + path_of(run_dir_, kEventFile), errno));
    if (bytes == 0) return {};
    std::string_view text(buffer.data(), static_cast<std::size_t>(bytes));
    for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      rest_ += text.substr(0, end);
      if (!std::exchange(overlong_, false)) line(rest_);
      rest_.clear();
      text.remove_prefix(end + 1);
    }
    rest_ += text;
    if (rest_.size() <= kMostLine) continue;
    rest_.clear();
    overlong_ = true;
  }
}

// The older file comes first. It may become another one between the two opens.
Status EventTail::begin(const Handler& line) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto current = open(kEventFile);
    if (!current) return fail(current.error());
    auto older = open(kOlderEventFile);
    if (!older) return fail(older.error());
    struct stat one {}, other {};
    const bool turned = stat_fd(*current, one) && stat_fd(*older, other) && same_file(one, other);
    if (turned && attempt < 2) continue;
    begun_ = true;
    if (!turned) {
      if (auto done = read_on(*older, line); !done) return done;
      rest_.clear();
      overlong_ = false;
    }
    file_ = std::move(*current);
    return read_on(file_, line);
  }
  return {};
}

Status EventTail::read(const Handler& line) {
  if (!begun_) return begin(line);
  if (auto done = read_on(file_, line); !done) return done;
  auto current = open(kEventFile);
  if (!current) return fail(current.error());
  struct stat old {}, now {};
  const bool had = stat_fd(file_, old);
  if (!stat_fd(*current, now) || (had && same_file(old, now))) return {};
  // Nothing is written to a file any more once there is another: now it can be read to its end.
  if (auto done = read_on(file_, line); !done) return done;
  if (had) {
    auto older = open(kOlderEventFile);
    struct stat between {};
    missed_ = missed_ || (older && stat_fd(*older, between) && !same_file(old, between));
  }
  rest_.clear();
  overlong_ = false;
  file_ = std::move(*current);
  return read_on(file_, line);
}

}  // namespace nodewall::engine
