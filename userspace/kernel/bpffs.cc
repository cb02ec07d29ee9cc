// Where pins live, and under which name.
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/state.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace nodewall::kernel {
namespace {

constexpr const char* kUsual = "/sys/fs/bpf";
constexpr int kMostAncestors = 64;

bool is_bpffs(const std::string& path) {
  struct statfs info {};
  return statfs(path.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

pid_t parent_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  pid_t parent = 0;
  char state = 0;
  // The name in brackets may hold anything.
  const auto end = text.rfind(')');
  if (end == text.npos || std::sscanf(text.c_str() + end + 1, " %c %d", &state, &parent) != 2) return 0;
  return parent;
}

// Processes whose mount namespace may have what `ip netns exec` hides behind a fresh sysfs: PID 1, and because a ptrace policy may put it
// out of reach, those that began this one, the outermost first.
std::vector<pid_t> elders() {
  std::vector<pid_t> found;
  for (pid_t pid = getppid(); pid > 1 && found.size() < kMostAncestors; pid = parent_of(pid)) found.push_back(pid);
  found.push_back(1);
  std::ranges::reverse(found);
  return found;
}

std::string seen_by(pid_t pid) { return "/proc/" + std::to_string(pid) + "/root" + kUsual; }

// Mounts a bpffs at the usual place in the mount namespace of `pid`, so that it outlives this process's own.
Status mount_for(pid_t pid) {
  const pid_t child = fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) {
    const int mounts = open(("/proc/" + std::to_string(pid) + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
    if (mounts < 0 || setns(mounts, CLONE_NEWNS) != 0) _exit(errno & 255);
    _exit(mount("bpf", kUsual, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0 ? 0 : errno & 255);
  }
  int status = 0;
  if (waitpid(child, &status, 0) < 0) return fail(errno_error("wait", errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(errno_error(std::string("mount a bpf file system at ") + kUsual, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR));
  return {};
}

// A path that stays good when the process that it goes through has ended. The descriptor stays open as long as this process lives.
std::string lasting(const std::string& path) {
  if (path == kUsual) return path;
  static std::map<std::string, Fd> held;
  auto& fd = held[path];
  if (!fd.valid()) fd = Fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd.valid() ? "/proc/self/fd/" + std::to_string(fd.get()) : path;
}

}  // namespace

std::optional<std::string> present_bpffs() {
  if (is_bpffs(kUsual)) return kUsual;
  for (const pid_t pid : elders())
    if (is_bpffs(seen_by(pid))) return seen_by(pid);
  return std::nullopt;
}

Result<std::string> find_bpffs(const std::string& wanted) {
  if (!wanted.empty()) {
    if (!is_bpffs(wanted)) return fail(Errc::config, wanted + " is not a bpf file system; mount one: mount -t bpf bpf " + wanted);
    return wanted;
  }
  if (const auto present = present_bpffs()) return lasting(*present);
  Status mounted = fail(Errc::kernel, std::string("no bpf file system at ") + kUsual);
  for (const pid_t pid : elders())
    if ((mounted = mount_for(pid))) break;
  // Nobody else is in reach: then in our own mount namespace, which mostly is theirs.
  if (!mounted && mount("bpf", kUsual, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) return fail(mounted.error());
  if (const auto present = present_bpffs()) return lasting(*present);
  return fail(Errc::kernel, std::string("no bpf file system at ") + kUsual);
}

Result<std::string> instance_name() {
  struct stat own {}, init {};
  if (stat("/proc/self/ns/net", &own) != 0) return fail(errno_error("stat /proc/self/ns/net", errno));
  if (stat("/proc/1/ns/net", &init) == 0 && own.st_ino == init.st_ino) return std::string("nodewall");
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  if (!socket.valid() || getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0)
    return fail(errno_error("read the network namespace's cookie", errno));
  return "nodewall-ns" + std::to_string(cookie);
}

}  // namespace nodewall::kernel
