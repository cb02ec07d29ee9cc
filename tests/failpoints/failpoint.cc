#include "failpoint.h"

#include <bpf/bpf.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>
#include <string_view>

#include "kernel/datapath.h"

namespace {

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

long real_bpf(int command, bpf_attr* attr, unsigned size) {
  static auto* const next = real<long(long, ...)>("syscall");
  return next(__NR_bpf, command, attr, size);
}

struct Watch {
  bool on = false, inside = false, reached = false, reuse = false;
  failpoint::Scope scope = failpoint::Scope::changes;
  enum class End { none, crash, fail } end = End::none;
  std::size_t at = 0;
  int error = 0;
  bool lasting = false, at_kernel = false;
  std::function<void(const std::string&)> look;
  std::vector<std::string> calls;
};
Watch& watch_state() {
  static Watch state;
  return state;
}

bool is_kernel(std::string_view call) { return !call.starts_with("file "); }

// Whether the call may go on. False: errno says how it failed.
bool passes(const std::string& call, bool changes) {
  auto& watch = watch_state();
  if (!watch.on || watch.inside || (!changes && watch.scope == failpoint::Scope::changes)) return true;
  if (watch.look) {
    watch.inside = true;
    watch.look(call);
    watch.inside = false;
  }
  const auto number = watch.calls.size();
  watch.calls.push_back(call);
  const bool here = watch.end != Watch::End::none && number == watch.at;
  if (here) {
    watch.reached = true;
    watch.at_kernel = is_kernel(call);
    if (watch.end == Watch::End::crash) raise(SIGKILL);
  }
  const bool later = watch.lasting && watch.reached && is_kernel(call) == watch.at_kernel;
  if (!here && !later) return true;
  errno = watch.error;
  return false;
}

std::string base_name(const char* path) {
  const std::string_view text(path == nullptr ? "" : path);
  const auto slash = text.rfind('/');
  return std::string(slash == text.npos ? text : text.substr(slash + 1));
}

template <typename Info>
bool read_info(int fd, Info& info) {
  bpf_attr attr{};
  attr.info.bpf_fd = static_cast<__u32>(fd);
  attr.info.info_len = sizeof(info);
  attr.info.info = reinterpret_cast<__u64>(&info);
  return real_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) == 0;
}

std::string map_name(int fd) {
  bpf_map_info info{};
  return read_info(fd, info) ? std::string(info.name, strnlen(info.name, sizeof info.name)) : "?";
}

struct Command {
  const char* name;
  bool changes;
};

Command describe(int command) {
  switch (command) {
    case BPF_MAP_CREATE: return {"map_create", true};
    case BPF_MAP_UPDATE_ELEM: return {"map_update", true};
    case BPF_MAP_UPDATE_BATCH: return {"map_update_batch", true};
    case BPF_MAP_DELETE_ELEM: return {"map_delete", true};
    case BPF_MAP_LOOKUP_ELEM: return {"map_lookup", false};
    case BPF_MAP_GET_NEXT_KEY: return {"map_next_key", false};
    case BPF_MAP_FREEZE: return {"map_freeze", true};
    case BPF_PROG_LOAD: return {"prog_load", true};
    case BPF_BTF_LOAD: return {"btf_load", true};
    case BPF_OBJ_PIN: return {"obj_pin", true};
    case BPF_OBJ_GET: return {"obj_get", false};
    case BPF_LINK_CREATE: return {"link_create", true};
    case BPF_LINK_UPDATE: return {"link_update", true};
    case BPF_LINK_DETACH: return {"link_detach", true};
    case BPF_OBJ_GET_INFO_BY_FD: return {"get_info", false};
    default: return {"bpf", false};
  }
}

std::string text_of(int command, const bpf_attr& attr) {
  std::string text = describe(command).name;
  switch (command) {
    case BPF_MAP_CREATE: return text + " " + std::string(attr.map_name, strnlen(attr.map_name, sizeof attr.map_name));
    case BPF_PROG_LOAD: return text + " " + std::string(attr.prog_name, strnlen(attr.prog_name, sizeof attr.prog_name));
    case BPF_MAP_UPDATE_ELEM:
    case BPF_MAP_DELETE_ELEM:
    case BPF_MAP_LOOKUP_ELEM:
    case BPF_MAP_GET_NEXT_KEY:
    case BPF_MAP_FREEZE: return text + " " + map_name(static_cast<int>(attr.map_fd));
    case BPF_MAP_UPDATE_BATCH: return text + " " + map_name(static_cast<int>(attr.batch.map_fd));
    case BPF_OBJ_PIN:
    case BPF_OBJ_GET: return text + " " + base_name(reinterpret_cast<const char*>(attr.pathname));
    default: return text;
  }
}

std::set<__u32> pinned_maps_of(const bpf_attr& load) {
  std::set<__u32> ids;
  const auto* instructions = reinterpret_cast<const bpf_insn*>(load.insns);
  for (__u32 i = 0; i < load.insn_cnt; ++i) {
    const auto& it = instructions[i];
    if (it.code != (BPF_LD | BPF_IMM | BPF_DW)) continue;
    bpf_map_info info{};
    const bool is_map = it.src_reg == BPF_PSEUDO_MAP_FD || it.src_reg == BPF_PSEUDO_MAP_VALUE;
    if (is_map && read_info(it.imm, info) && nodewall::kernel::is_pinned_map(info.name)) ids.insert(info.id);
    ++i;
  }
  return ids;
}

std::set<__u32> pinned_maps_of(int program, const bpf_prog_info& known) {
  std::vector<__u32> all(known.nr_map_ids);
  bpf_prog_info info{};
  info.nr_map_ids = known.nr_map_ids;
  info.map_ids = reinterpret_cast<__u64>(all.data());
  std::set<__u32> ids;
  if (!read_info(program, info)) return ids;
  for (const __u32 id : all) {
    bpf_attr attr{};
    attr.map_id = id;
    const int fd = static_cast<int>(real_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr));
    if (fd < 0) continue;
    if (nodewall::kernel::is_pinned_map(map_name(fd))) ids.insert(id);
    close(fd);
  }
  return ids;
}

// A loaded program that does what `load` asks for, or -1.
int loaded_program(const bpf_attr& load) {
  if (load.prog_type != BPF_PROG_TYPE_XDP && load.prog_type != BPF_PROG_TYPE_SCHED_CLS) return -1;
  const auto wanted = pinned_maps_of(load);
  if (wanted.empty()) return -1;  // one of libbpf's probes
  bpf_attr walk{};
  while (real_bpf(BPF_PROG_GET_NEXT_ID, &walk, sizeof walk) == 0) {
    walk.start_id = walk.next_id;
    bpf_attr open{};
    open.prog_id = walk.next_id;
    const int fd = static_cast<int>(real_bpf(BPF_PROG_GET_FD_BY_ID, &open, sizeof open));
    if (fd < 0) continue;
    bpf_prog_info info{};
    if (read_info(fd, info) && info.type == load.prog_type && std::strncmp(info.name, load.prog_name, sizeof info.name) == 0 &&
        pinned_maps_of(fd, info) == wanted)
      return fd;
    close(fd);
  }
  return -1;
}

long bpf_call(int command, bpf_attr* attr, unsigned size) {
  auto& watch = watch_state();
  if (watch.on && !watch.inside && !passes(text_of(command, *attr), describe(command).changes)) return -1;
  if (command != BPF_PROG_LOAD || !watch.reuse) return real_bpf(command, attr, size);
  const int known = loaded_program(*attr);
  if (known >= 0) return known;
  const long made = real_bpf(command, attr, size);
  const bool ours = std::string_view(attr->prog_name).starts_with("nw_");
  if (made >= 0 && ours) fcntl(static_cast<int>(made), F_DUPFD_CLOEXEC, 0);  // kept, also where it is attached to nothing
  return made;
}

}  // namespace

namespace failpoint {

void watch(Scope scope) {
  auto& state = watch_state();
  const bool reuse = state.reuse;
  state = Watch();
  state.on = true;
  state.reuse = reuse;
  state.scope = scope;
}

void crash_at(std::size_t call) {
  watch_state().end = Watch::End::crash;
  watch_state().at = call;
}

void fail_at(std::size_t call, int error, bool lasting) {
  auto& state = watch_state();
  state.end = Watch::End::fail;
  state.at = call;
  state.error = error;
  state.lasting = lasting;
}

void before_each(std::function<void(const std::string&)> look) { watch_state().look = std::move(look); }
void off() {
  watch_state().on = false;
  watch_state().look = nullptr;
}
bool was_reached() { return watch_state().reached; }
std::vector<std::string> calls() { return watch_state().calls; }
void reuse_programs(bool on) { watch_state().reuse = on; }

}  // namespace failpoint

// The C library's functions, as the program and libbpf find them.
extern "C" {

long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& value : a) value = va_arg(list, long);
  va_end(list);
  if (number == __NR_bpf) return bpf_call(static_cast<int>(a[0]), reinterpret_cast<bpf_attr*>(a[1]), static_cast<unsigned>(a[2]));
  static auto* const next = real<long(long, ...)>("syscall");
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  static auto* const next = real<int(const char*, int, ...)>("open");
  if (!passes("file open " + base_name(path), (flags & (O_CREAT | O_TRUNC)) != 0)) return -1;
  return next(path, flags, mode);
}

ssize_t write(int fd, const void* bytes, size_t count) {
  static auto* const next = real<ssize_t(int, const void*, size_t)>("write");
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && !passes("file write", true)) return -1;
  return next(fd, bytes, count);
}

int rename(const char* from, const char* to) noexcept {
  static auto* const next = real<int(const char*, const char*)>("rename");
  return passes("file rename " + base_name(to), true) ? next(from, to) : -1;
}

int unlink(const char* path) noexcept {
  static auto* const next = real<int(const char*)>("unlink");
  return passes("file unlink " + base_name(path), true) ? next(path) : -1;
}

int mkdir(const char* path, mode_t mode) noexcept {
  static auto* const next = real<int(const char*, mode_t)>("mkdir");
  return passes("file mkdir " + base_name(path), true) ? next(path, mode) : -1;
}

int rmdir(const char* path) noexcept {
  static auto* const next = real<int(const char*)>("rmdir");
  return passes("file rmdir " + base_name(path), true) ? next(path) : -1;
}

void* mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) noexcept {
  static auto* const next = real<void*(void*, size_t, int, int, int, off_t)>("mmap");
  // Maps that are written as memory: the policy image, which of its banks is live, the caches.
  const bool writes = (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0;
  if (fd >= 0 && !passes("mmap " + map_name(fd), writes)) return MAP_FAILED;
  return next(address, length, protection, flags, fd, offset);
}

// Netlink: programs under clsact are put there by messages.
ssize_t send(int fd, const void* bytes, size_t count, int flags) {
  static auto* const next = real<ssize_t(int, const void*, size_t, int)>("send");
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  const bool netlink = getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 && address.ss_family == AF_NETLINK;
  if (netlink && !passes("netlink send", true)) return -1;
  return next(fd, bytes, count, flags);
}

}  // extern "C"
