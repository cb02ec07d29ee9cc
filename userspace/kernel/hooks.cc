// Attaching: tcx or XDP links, clsact where there is no tcx. What is attached is asked of the kernel each time.
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

// Numbers of Linux 6.6; headers of older distributions do not have the names.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);

bpf_attach_type attach_type(Hook hook) {
  if (hook == Hook::xdp) return BPF_XDP;
  return hook == Hook::tc_ingress ? kTcxIngress : kTcxEgress;
}

bpf_tc_attach_point attach_point(Hook hook) { return hook == Hook::tc_ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS; }

struct LinkState {
  std::uint32_t ifindex = 0;  // 0: its device is gone
  std::uint32_t program_id = 0;
};

Result<LinkState> link_state(int link) {
  bpf_link_info info{};
  __u32 length = sizeof(info);
  if (bpf_link_get_info_by_fd(link, &info, &length) != 0) return fail(errno_error("read link information", errno));
  // tcx and XDP links have the ifindex at the same place.
  return LinkState{.ifindex = info.xdp.ifindex, .program_id = info.prog_id};
}

std::uint32_t program_id(int program) {
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  return bpf_prog_get_info_by_fd(program, &info, &length) == 0 ? info.id : 0;
}

std::array<__u8, BPF_TAG_SIZE> program_tag(int program) {
  std::array<__u8, BPF_TAG_SIZE> tag{};
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  if (bpf_prog_get_info_by_fd(program, &info, &length) == 0) std::memcpy(tag.data(), info.tag, tag.size());
  return tag;
}

__u32 map_id(int map) {
  bpf_map_info info{};
  __u32 length = sizeof(info);
  return bpf_map_get_info_by_fd(map, &info, &length) == 0 ? info.id : 0;
}

std::set<__u32> map_ids(int program) {
  std::array<__u32, 64> ids{};
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  info.nr_map_ids = ids.size();
  info.map_ids = reinterpret_cast<__u64>(ids.data());
  if (bpf_prog_get_info_by_fd(program, &info, &length) != 0) return {};
  return {ids.begin(), ids.begin() + std::min<std::size_t>(info.nr_map_ids, ids.size())};
}

// Whether `theirs` looks at the maps that `ours` looks at: one that was made again (another size, a lost pin) does not show in the tag.
bool uses_maps(int theirs, int ours, const std::set<__u32>& pinned) {
  const auto there = map_ids(theirs);
  return std::ranges::all_of(map_ids(ours), [&](const __u32 id) { return !pinned.contains(id) || there.contains(id); });
}

std::string xdp_mode(std::uint32_t ifindex) {
  DECLARE_LIBBPF_OPTS(bpf_xdp_query_opts, opts);
  if (bpf_xdp_query(static_cast<int>(ifindex), 0, &opts) != 0) return "native";
  return opts.attach_mode == XDP_ATTACHED_SKB ? "generic" : "native";
}

AttachedHook describe(std::uint32_t ifindex, Hook hook, std::uint32_t program) {
  return {.ifindex = ifindex, .hook = hook, .mode = hook == Hook::xdp ? xdp_mode(ifindex) : "tcx", .program_id = program};
}

std::optional<AttachedHook> clsact_state(std::uint32_t ifindex, Hook hook) {
  if (hook == Hook::xdp) return std::nullopt;
  DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = static_cast<int>(ifindex), .attach_point = attach_point(hook));
  DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = kClsactHandle, .priority = kClsactPriority);
  if (bpf_tc_query(&where, &opts) != 0 || opts.prog_id == 0) return std::nullopt;
  return AttachedHook{.ifindex = ifindex, .hook = hook, .mode = "clsact", .program_id = opts.prog_id};
}

Result<AttachedHook> attach_clsact(int program, std::uint32_t ifindex, Hook hook) {
  DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = static_cast<int>(ifindex), .attach_point = attach_point(hook));
  if (const int made = bpf_tc_hook_create(&where); made != 0 && made != -EEXIST)
    return fail(errno_error("create the clsact qdisc", -made));
  DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .flags = BPF_TC_F_REPLACE, .handle = kClsactHandle,
                      .priority = kClsactPriority);
  if (const int done = bpf_tc_attach(&where, &opts); done != 0) return fail(errno_error("attach under clsact", -done));
  return AttachedHook{.ifindex = ifindex, .hook = hook, .mode = "clsact", .program_id = opts.prog_id};
}

// What the interface's driver calls itself, empty where it says nothing; nothing: it could not be asked.
std::optional<std::string> driver_of(const std::string& interface) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  if (!socket.valid() || interface.size() >= sizeof(request.ifr_name)) return std::nullopt;
  std::memcpy(request.ifr_name, interface.c_str(), interface.size() + 1);
  request.ifr_data = reinterpret_cast<char*>(&driver);
  if (ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return errno == EOPNOTSUPP ? std::optional<std::string>("") : std::nullopt;
  return std::string(driver.driver, strnlen(driver.driver, sizeof(driver.driver)));
}

// A bond gives a native program to its ports, and a virtual NIC of Hyper-V to the device behind it. There it runs with their number and not
// with the interface's own, and would judge nothing. Who cannot be asked may be one of them.
bool gives_program_away(std::uint32_t ifindex) {
  std::array<char, IF_NAMESIZE> name{};
  if (if_indextoname(ifindex, name.data()) == nullptr) return true;
  const auto driver = driver_of(name.data());
  return !driver || *driver == "bonding" || *driver == "hv_netvsc";
}

int create_link(int program, std::uint32_t ifindex, Hook hook) {
  DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts);
  if (hook != Hook::xdp) return bpf_link_create(program, static_cast<int>(ifindex), attach_type(hook), &opts);
  if (!gives_program_away(ifindex)) {
    opts.flags = XDP_FLAGS_DRV_MODE;
    const int native = bpf_link_create(program, static_cast<int>(ifindex), BPF_XDP, &opts);
    if (native >= 0 || (errno != EOPNOTSUPP && errno != EINVAL)) return native;
  }
  opts.flags = XDP_FLAGS_SKB_MODE;
  return bpf_link_create(program, static_cast<int>(ifindex), BPF_XDP, &opts);
}

// The kernel takes one XDP program of an interface and those on top of it (a VLAN, a bond).
Error attach_error(Hook hook, int error) {
  const auto what = "attach " + std::string(name(hook));
  if (hook != Hook::xdp || (error != EEXIST && error != EBUSY)) return errno_error(what, error);
  return Error{.code = Errc::kernel, .what = what + ": it has an XDP program already, or an interface above it has one", .sys_errno = error, .context = {}};
}

// A kernel without tcx does not know the attach type.
bool means_no_tcx(int error) { return error == EINVAL || error == EOPNOTSUPP || error == ENOTSUP; }

}  // namespace

Result<AttachedHook> Datapath::attach(std::uint32_t ifindex, Hook hook) {
  const int program = state_->program(hook);
  const auto key = std::pair(ifindex, hook);
  const std::string path = state_->pinned() ? link_path(state_->options.pin_dir, ifindex, hook) : "";
  const Fd pinned(state_->pinned() ? bpf_obj_get(path.c_str()) : -1);
  if (state_->pinned() && !pinned.valid() && passes_by(errno)) return fail(errno_error("open " + path, errno));
  const int present = pinned.valid() ? pinned.get() : state_->links.contains(key) ? state_->links[key].get() : -1;
  if (present >= 0) {
    auto link = link_state(present);
    if (!link) return fail(link.error());
    if (link->ifindex == ifindex) return describe(ifindex, hook, link->program_id);
    (void)detach(ifindex, hook);  // its device is gone; the number was given to another
  }
  if (hook == Hook::xdp || !state_->options.force_clsact) {
    Fd link(create_link(program, ifindex, hook));
    if (!link.valid() && (hook == Hook::xdp || !means_no_tcx(errno))) return fail(attach_error(hook, errno));
    if (link.valid()) {
      if (state_->pinned() && bpf_obj_pin(link.get(), path.c_str()) != 0)
        return fail(errno_error("pin " + path, errno));
      if (!state_->pinned()) state_->links[key] = std::move(link);
      return describe(ifindex, hook, program_id(program));
    }
  }
  if (auto there = clsact_state(ifindex, hook)) return *there;
  return attach_clsact(program, ifindex, hook);
}

Status Datapath::detach(std::uint32_t ifindex, Hook hook) {
  state_->links.erase({ifindex, hook});
  if (state_->pinned()) {
    const auto path = link_path(state_->options.pin_dir, ifindex, hook);
    const Fd link(bpf_obj_get(path.c_str()));
    if (link.valid()) (void)bpf_link_detach(link.get());  // now, and not when the last reference goes
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return fail(errno_error("remove " + path, errno));
  }
  if (!clsact_state(ifindex, hook)) return {};
  DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = static_cast<int>(ifindex), .attach_point = attach_point(hook));
  DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = kClsactHandle, .priority = kClsactPriority);
  if (const int done = bpf_tc_detach(&where, &opts); done != 0 && done != -ENOENT)
    return fail(errno_error("detach under clsact", -done));
  return {};
}

Result<std::vector<AttachedHook>> Datapath::attached() const {
  std::vector<AttachedHook> hooks;
  for (const auto& pin : state_->pinned() ? list_link_pins(state_->options.pin_dir) : std::vector<LinkPin>{}) {
    const Fd link(bpf_obj_get(pin.path.c_str()));
    if (!link.valid() && passes_by(errno)) return fail(errno_error("open " + pin.path, errno));
    if (!link.valid()) continue;
    auto state = link_state(link.get());
    if (!state) return fail(state.error());
    if (state->ifindex != pin.ifindex) {
      (void)unlink(pin.path.c_str());  // the device is gone, and the program with it
      continue;
    }
    hooks.push_back(describe(pin.ifindex, pin.hook, state->program_id));
  }
  for (const auto& [key, link] : state_->links)
    if (auto state = link_state(link.get()); state && state->ifindex == key.first)
      hooks.push_back(describe(key.first, key.second, state->program_id));
  auto entries = interfaces();
  if (!entries) return fail(entries.error());
  for (const auto& [ifindex, entry] : *entries)
    for (const Hook hook : {Hook::tc_ingress, Hook::tc_egress})
      if (auto there = clsact_state(ifindex, hook)) hooks.push_back(*there);
  return hooks;
}

Result<std::size_t> Datapath::upgrade_programs() {
  auto hooks = attached();
  if (!hooks) return fail(hooks.error());
  std::set<__u32> pinned;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, state_->skeleton->obj) if (is_pinned_map(bpf_map__name(map))) pinned.insert(map_id(bpf_map__fd(map)));
  std::size_t replaced = 0;
  for (const auto& hook : *hooks) {
    const int ours = state_->program(hook.hook);
    const Fd theirs(bpf_prog_get_fd_by_id(hook.program_id));
    if (theirs.valid() && program_tag(theirs.get()) == program_tag(ours) && uses_maps(theirs.get(), ours, pinned)) continue;
    if (hook.mode == "clsact") {
      if (auto done = attach_clsact(ours, hook.ifindex, hook.hook); !done) return fail(done.error());
    } else {
      const Fd link(bpf_obj_get(link_path(state_->options.pin_dir, hook.ifindex, hook.hook).c_str()));
      if (!link.valid() || bpf_link_update(link.get(), ours, nullptr) != 0)
        return fail(errno_error("replace the program at " + std::string(name(hook.hook)), errno));
    }
    ++replaced;
  }
  if (state_->pinned())
    if (auto done = finish_resize(state_->options, state_->map(state_->skeleton->maps.nw_ct)); !done) return fail(done.error());
  return replaced;
}

bool Datapath::driver_has_native_xdp(const std::string& interface) {
  // Drivers of NICs whose native XDP takes frames in several buffers and jumbo MTUs without giving up offloads that matter.
  static constexpr std::array<std::string_view, 15> kDrivers = {"bnxt_en", "ena",       "gve",     "i40e", "ice",  "idpf", "igb",  "igc",
                                                                "ixgbe",   "mlx5_core", "mlx4_en", "nfp",  "qede", "sfc",  "enetc"};
  const auto driver = driver_of(interface);
  return driver && std::ranges::find(kDrivers, *driver) != kDrivers.end();
}

}  // namespace nodewall::kernel
