#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <charconv>
#include <memory>

#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

struct DirClose {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, DirClose>;

std::vector<std::string> entries(const std::string& path) {
  std::vector<std::string> names;
  const Dir dir(opendir(path.c_str()));
  if (!dir) return names;
  while (const dirent* entry = readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

// A directory of ours: not a symbolic link, root's, closed to others.
Status check_dir(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return fail(errno_error("stat " + path, errno));
  if (!S_ISDIR(info.st_mode)) return fail(Errc::permission, path + " is not a directory; remove it");
  if (info.st_uid != 0 || (info.st_mode & 0022) != 0)
    return fail(Errc::permission, path + " must belong to root and be writable by nobody else");
  return {};
}

Status make_dir(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno_error("mkdir " + path, errno));
  return check_dir(path);
}

Status remove_dir(const std::string& path) {
  for (const auto& name : entries(path))
    if (unlink((path + "/" + name).c_str()) != 0 && errno != ENOENT)
      return fail(errno_error("remove " + path + "/" + name, errno));
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) return fail(errno_error("remove " + path, errno));
  return {};
}

}  // namespace

std::string maps_dir(const std::string& pin_dir) { return pin_dir + "/maps"; }
std::string links_dir(const std::string& pin_dir) { return pin_dir + "/links"; }

std::string link_path(const std::string& pin_dir, std::uint32_t ifindex, Hook hook) {
  return links_dir(pin_dir) + "/" + std::to_string(ifindex) + "-" + std::string(name(hook));
}

std::vector<LinkPin> list_link_pins(const std::string& pin_dir) {
  std::vector<LinkPin> pins;
  for (const auto& file : entries(links_dir(pin_dir))) {
    LinkPin pin{.path = links_dir(pin_dir) + "/" + file};
    const auto dash = file.find('-');
    const auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), pin.ifindex);
    if (error != std::errc{} || dash == file.npos || end != file.data() + dash) continue;
    for (const Hook hook : {Hook::xdp, Hook::tc_ingress, Hook::tc_egress})
      if (file.substr(dash + 1) == name(hook)) {
        pin.hook = hook;
        pins.push_back(pin);
      }
  }
  return pins;
}

Status prepare_pin_dir(const std::string& pin_dir) {
  const auto slash = pin_dir.rfind('/');
  const std::string parent = slash == pin_dir.npos ? "." : pin_dir.substr(0, slash);
  struct statfs info {};
  if (statfs(parent.c_str(), &info) != 0) return fail(errno_error("open " + parent, errno));
  if (info.f_type != BPF_FS_MAGIC) return fail(Errc::permission, parent + " is not a bpf file system");
  for (const auto& path : {pin_dir, maps_dir(pin_dir), links_dir(pin_dir)})
    if (auto made = make_dir(path); !made) return made;
  return {};
}

Status remove_pinned(const std::string& pin_dir) {
  struct stat info {};
  if (lstat(pin_dir.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fail(errno_error("stat " + pin_dir, errno));
  }
  if (auto checked = check_dir(pin_dir); !checked) return checked;
  quiet_libbpf();
  // Programs under clsact have no link to remove: the interfaces that have one are in the pinned map.
  const Fd interfaces(bpf_obj_get((maps_dir(pin_dir) + "/nw_interface").c_str()));
  if (!interfaces.valid() && passes_by(errno)) return fail(errno_error("open the pinned interfaces", errno));
  bpf_map_info map_info{};
  __u32 length = sizeof(map_info);
  if (interfaces.valid() && bpf_map_get_info_by_fd(interfaces.get(), &map_info, &length) == 0 && map_info.key_size == 4) {
    const auto known = map_keys<__u32>(interfaces.get());
    if (!known) return fail(known.error());
    for (const auto ifindex : *known) {
      for (const auto point : {BPF_TC_INGRESS, BPF_TC_EGRESS}) {
        DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex), .attach_point = point);
        DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = kClsactHandle, .priority = kClsactPriority);
        (void)bpf_tc_detach(&hook, &opts);  // mostly there is none
      }
    }
  }
  // Now, and not when the kernel frees the link, or when whoever holds it open lets it go.
  for (const auto& pin : list_link_pins(pin_dir))
    if (const Fd link(bpf_obj_get(pin.path.c_str())); link.valid()) (void)bpf_link_detach(link.get());
  for (const auto& path : {links_dir(pin_dir), maps_dir(pin_dir), pin_dir})
    if (auto removed = remove_dir(path); !removed) return removed;
  return {};
}

}  // namespace nodewall::kernel
