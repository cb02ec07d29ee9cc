#include "netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

namespace nodewall::bench {
namespace {

std::string own_path(int fd) { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd); }

// A file without a name that holds `text`, read from its start.
Fd text_file(const std::string& text) {
  Fd file(memfd_create("nodewall-bench", MFD_CLOEXEC));
  std::size_t done = 0;
  while (file.valid() && done < text.size()) {
    const auto written = ::write(file.get(), text.data() + done, text.size() - done);
    if (written <= 0) return Fd();
    done += static_cast<std::size_t>(written);
  }
  if (file.valid()) ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string text_of(int fd) {
  std::string text(4096, '\0');
  const auto length = ::pread(fd, text.data(), text.size(), 0);
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Status wait_for(pid_t child, const std::string& what, int errors) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail(errno_error("wait for " + what, errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Errc::kernel, what + ": " + text_of(errors));
}

}  // namespace

bool has_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path != nullptr ? path : "") + ":/usr/sbin:/sbin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  return false;
}

Result<Netns> Netns::make() {
  Netns netns;
  int failed = 0;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) failed = errno;
    else netns.fd_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  if (failed != 0) return fail(errno_error("make a network namespace", failed));
  if (!netns.fd_.valid()) return fail(errno_error("open the network namespace", errno));
  if (auto up = netns.run({"ip", "link", "set", "lo", "up"}); !up) return fail(up.error());
  return netns;
}

std::string Netns::path() const { return own_path(fd_.get()); }

void Netns::inside(const std::function<void()>& body) const {
  std::thread([&] {
    if (::setns(fd_.get(), CLONE_NEWNET) == 0) body();
  }).join();
}

Status Netns::run(const std::vector<std::string>& command, const std::string& input) const {
  if (!has_program(command.front())) return fail(Errc::not_found, "there is no program '" + command.front() + "'");
  const Fd in = text_file(input), out = text_file("");
  if (!in.valid() || !out.valid()) return fail(errno_error("memfd_create", errno));
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) {
    if (::setns(fd_.get(), CLONE_NEWNET) != 0 || ::dup2(in.get(), 0) < 0 || ::dup2(out.get(), 1) < 0 || ::dup2(out.get(), 2) < 0)
      ::_exit(127);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  return wait_for(child, command.front(), out.get());
}

Status Netns::write_sys(const std::string& path, const std::string& text) const {
  const Fd errors = text_file("");
  const pid_t child = ::fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) {
    const char* where = "/sys";
    const bool mounted = ::setns(fd_.get(), CLONE_NEWNET) == 0 && ::unshare(CLONE_NEWNS) == 0 &&
                         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         ::mount("sysfs", where, "sysfs", 0, nullptr) == 0;
    const int file = mounted ? ::open((where + path).c_str(), O_WRONLY | O_CLOEXEC) : -1;
    if (file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size())) ::_exit(0);
    const char* reason = std::strerror(errno);
    (void)!::write(errors.get(), reason, std::strlen(reason));
    ::_exit(1);
  }
  return wait_for(child, "write /sys" + path, errors.get());
}

}  // namespace nodewall::bench
