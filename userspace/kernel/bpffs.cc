// Where pins live, and under which name.
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "kernel/state.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace nodewall::kernel {
namespace {

constexpr const char* kUsual = "/sys/fs/bpf";
// `ip netns exec` hides the usual place behind a fresh sysfs; PID 1 still sees it.
constexpr const char* kOfInit = "/proc/1/root/sys/fs/bpf";

bool is_bpffs(const std::string& path) {
  struct statfs info {};
  return statfs(path.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

// Mounts a bpffs at the usual place in PID 1's mount namespace, so that it outlives this process's own.
Status mount_for_init() {
  const pid_t child = fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) {
    const int mounts = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (mounts < 0 || setns(mounts, CLONE_NEWNS) != 0) _exit(errno & 255);
    _exit(mount("bpf", kUsual, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0 ? 0 : errno & 255);
  }
  int status = 0;
  if (waitpid(child, &status, 0) < 0) return fail(errno_error("wait", errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(errno_error(std::string("mount a bpf file system at ") + kUsual, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR));
  return {};
}

}  // namespace

Result<std::string> find_bpffs(const std::string& wanted) {
  if (!wanted.empty()) {
    if (!is_bpffs(wanted)) return fail(Errc::config, wanted + " is not a bpf file system; mount one: mount -t bpf bpf " + wanted);
    return wanted;
  }
  for (const char* path : {kUsual, kOfInit})
    if (is_bpffs(path)) return std::string(path);
  // PID 1 may be out of reach (another user namespace, a ptrace policy): then in our own mount namespace, which mostly is its.
  if (auto mounted = mount_for_init(); !mounted && mount("bpf", kUsual, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0)
    return fail(mounted.error());
  for (const char* path : {kUsual, kOfInit})
    if (is_bpffs(path)) return std::string(path);
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
