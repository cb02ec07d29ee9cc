// Loading the object and adopting pinned maps.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>

#include "kernel/state.h"
#include "maps/abi.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace nodewall::kernel {
namespace {

constexpr std::uint32_t kUnpinnedLines = 1024;
constexpr std::uint32_t kUnpinnedFlows = 4096;  // walks over small tables are cheap: a trace clears them often

// libbpf tells what is wrong by printing. Its warnings become part of the error.
thread_local std::string* captured = nullptr;

int capture(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || captured == nullptr) return 0;
  char line[4096];
  const int length = vsnprintf(line, sizeof line, format, arguments);
  if (length > 0 && captured->size() < 64 * 1024) captured->append(line);
  return length;
}

class CaptureWarnings {
 public:
  CaptureWarnings() { captured = &text; }
  ~CaptureWarnings() { captured = nullptr; }
  CaptureWarnings(const CaptureWarnings&) = delete;
  CaptureWarnings& operator=(const CaptureWarnings&) = delete;
  std::string text;
};

Result<std::uint64_t> netns_cookie() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  if (!socket.valid() || getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0)
    return fail(errno_error("read the network namespace's cookie", errno));
  return cookie;
}

Error foreign(const std::string& pin_dir, const std::string& why) {
  return Error{.code = Errc::abi,
               .what = "what is pinned under " + pin_dir + " is not this version's (" + why +
                       "); enforcement stays as it is. To start afresh: nodewall disarm --yes && nodewall arm",
               .sys_errno = 0,
               .context = {}};
}

// The stamp is read before any other pin is believed. False: nothing is pinned.
Result<bool> check_stamp(const std::string& pin_dir) {
  const std::string path = maps_dir(pin_dir) + "/nw_stamp";
  struct stat ignored {};
  if (lstat(path.c_str(), &ignored) != 0) {
    if (errno == ENOENT) return false;
    return fail(errno_error("stat " + path, errno));
  }
  const Fd map(bpf_obj_get(path.c_str()));
  bpf_map_info info{};
  __u32 length = sizeof(info);
  if (!map.valid() && passes_by(errno)) return fail(errno_error("open " + path, errno));
  if (!map.valid() || bpf_map_get_info_by_fd(map.get(), &info, &length) != 0 || info.type != BPF_MAP_TYPE_ARRAY ||
      info.key_size != 4 || info.value_size != sizeof(nw_stamp))
    return fail(foreign(pin_dir, "the stamp is unreadable"));
  nw_stamp stamp{};
  const __u32 zero = 0;
  if (bpf_map_lookup_elem(map.get(), &zero, &stamp) != 0) return fail(foreign(pin_dir, "the stamp is unreadable"));
  if (stamp.magic == 0) return false;  // a start that was cut off before the stamp
  auto cookie = netns_cookie();
  if (!cookie) return fail(cookie.error());
  if (stamp.magic != NW_MAGIC) return fail(foreign(pin_dir, "the stamp is not ours"));
  if (stamp.abi_version != NW_ABI_VERSION)
    return fail(foreign(pin_dir, "layout " + std::to_string(stamp.abi_version) + ", ours is " + std::to_string(NW_ABI_VERSION)));
  if (stamp.netns_cookie != *cookie) return fail(foreign(pin_dir, "it serves another network namespace"));
  return true;
}

Status write_stamp(int map) {
  auto cookie = netns_cookie();
  if (!cookie) return fail(cookie.error());
  const nw_stamp stamp{.magic = NW_MAGIC, .abi_version = NW_ABI_VERSION, .netns_cookie = *cookie};
  const __u32 zero = 0;
  if (bpf_map_update_elem(map, &zero, &stamp, BPF_ANY) != 0) return fail(errno_error("write the stamp", errno));
  return {};
}

}  // namespace

std::string_view map_name(std::string_view name) {
  constexpr std::string_view kVariables = ".data.";
  return name.starts_with(kVariables) ? name.substr(kVariables.size()) : name;
}

bool is_pinned_map(std::string_view name) {
  // What programs note for themselves or for a test run is of one process, and its layout of one build. The kernel cuts names off.
  constexpr std::string_view kOfOneProcess[] = {"nw_recorded", "nw_scratch"};
  name = map_name(name);
  return name.starts_with("nw_") && std::ranges::none_of(kOfOneProcess, [&](std::string_view whole) { return whole.starts_with(name); });
}

namespace {

std::string map_path(const DatapathOptions& options, std::string_view name) { return maps_dir(options.pin_dir) + "/" + std::string(name); }

// A table of flows of another size is made again, with its entries. The old one is `nw_ct` until the new one, pinned as nw_ct_next, has
// them all; then it is nw_ct_old until no program uses it (finish_resize). So a process that ends on the way loses no flow.
Status resize_conntrack(const DatapathOptions& options, nodewall_bpf* skeleton, Fd& old) {
  const auto path = map_path(options, "nw_ct");
  const auto next = map_path(options, "nw_ct_next");
  if (!options.inspect && unlink(next.c_str()) != 0 && errno != ENOENT) return fail(errno_error("remove " + next, errno));
  Fd map(bpf_obj_get(path.c_str()));
  if (!map.valid() && passes_by(errno)) return fail(errno_error("open " + path, errno));
  bpf_map_info info{};
  __u32 length = sizeof(info);
  if (!map.valid() || bpf_map_get_info_by_fd(map.get(), &info, &length) != 0) return {};  // not there: nothing to keep
  if (options.inspect || options.conntrack_size == 0) {
    bpf_map__set_max_entries(skeleton->maps.nw_ct, info.max_entries);
    return {};
  }
  if (info.max_entries == options.conntrack_size || info.key_size != sizeof(nw_ct_key) ||
      info.value_size != sizeof(nw_ct_entry))
    return {};
  bpf_map__set_pin_path(skeleton->maps.nw_ct, next.c_str());
  old = std::move(map);
  return {};
}

// What is in `to` already is newer.
Status copy_flows(int from, int to) {
  const auto flows = map_entries<nw_ct_key, nw_ct_entry>(from);
  if (!flows) return fail(flows.error());
  for (const auto& [key, entry] : *flows) (void)bpf_map_update_elem(to, &key, &entry, BPF_NOEXIST);
  return {};
}

Status swap_conntrack(const DatapathOptions& options, int old, int grown) {
  const auto path = map_path(options, "nw_ct"), next = map_path(options, "nw_ct_next"), kept = map_path(options, "nw_ct_old");
  if (auto copied = copy_flows(old, grown); !copied) return copied;
  if (bpf_obj_pin(old, kept.c_str()) != 0 && errno != EEXIST) return fail(errno_error("pin " + kept, errno));
  if (rename(next.c_str(), path.c_str()) != 0) return fail(errno_error("rename " + next, errno));
  return {};
}

void set_sizes(const DatapathOptions& options, nodewall_bpf* skeleton) {
  const bool pinned = !options.pin_dir.empty();
  const std::uint32_t wanted = options.conntrack_size != 0 ? options.conntrack_size : kDefaultConntrackSize;
  const std::uint32_t flows = pinned ? wanted : std::min(wanted, kUnpinnedFlows);
  bpf_map__set_max_entries(skeleton->maps.nw_ct, flows);
  if (pinned) return;
  bpf_map__set_max_entries(skeleton->maps.nw_ct_line, kUnpinnedLines);
  skeleton->rodata->nw_ct_lines = kUnpinnedLines;
  bpf_map__set_max_entries(skeleton->maps.nw_ct_new, kUnpinnedFlows * NW_CT_SIDES);
  bpf_map__set_max_entries(skeleton->maps.nw_ct_bucket, kUnpinnedFlows / NW_CT_WAYS);
  skeleton->rodata->nw_ct_buckets = kUnpinnedFlows / NW_CT_WAYS;
  bpf_map__set_max_entries(skeleton->maps.nw_fragment, kUnpinnedFlows);
}

void set_switches(const DatapathOptions& options, nodewall_bpf* skeleton) {
  skeleton->rodata->nw_record = options.pin_dir.empty() ? 1 : 0;
#ifdef __x86_64__
  skeleton->rodata->nw_stores_in_order = 1;
#endif
  skeleton->rodata->nw_have_xdp_load =
      libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, static_cast<bpf_func_id>(189) /* bpf_xdp_load_bytes */, nullptr) == 1;
  if (options.inspect)
    for (auto* program : {skeleton->progs.nw_xdp_ingress, skeleton->progs.nw_tc_ingress, skeleton->progs.nw_tc_egress})
      bpf_program__set_autoload(program, false);
}

}  // namespace

void quiet_libbpf() { libbpf_set_print(capture); }

int cpu_count() {
  static const int count = libbpf_num_possible_cpus();
  return count > 0 ? count : 1;
}

Result<Skeleton> load_object(const DatapathOptions& options, bool& adopted) {
  quiet_libbpf();
  const bool pinned = !options.pin_dir.empty();
  Fd old_flows;
  adopted = false;
  if (pinned) {
    if (!options.inspect)
      if (auto prepared = prepare_pin_dir(options.pin_dir); !prepared) return fail(prepared.error());
    auto stamped = check_stamp(options.pin_dir);
    if (!stamped) return fail(stamped.error());
    adopted = *stamped;
    if (options.inspect && !adopted) return fail(Errc::not_found, "nothing is enforced: there are no pinned maps under " + options.pin_dir);
  }
  CaptureWarnings warnings;
  Skeleton skeleton(nodewall_bpf__open());
  if (!skeleton) return fail(errno_error("open the BPF object", errno));
  set_sizes(options, skeleton.get());
  set_switches(options, skeleton.get());
  if (pinned) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
      if (const std::string_view name = bpf_map__name(map); is_pinned_map(name)) bpf_map__set_pin_path(map, map_path(options, map_name(name)).c_str());
    }
    if (auto resized = resize_conntrack(options, skeleton.get(), old_flows); !resized) return fail(resized.error());
  }
  // Not the skeleton's own, which would map every variable to be written, also for a process that only reads.
  if (bpf_object__load(skeleton->obj) != 0) {
    const int error = errno;
    if (warnings.text.find("parameter mismatch") != std::string::npos)
      return fail(foreign(options.pin_dir, "a pinned map has another shape"));
    Error failed = errno_error("load the BPF programs", error);
    failed.code = warnings.text.find("PROG LOAD LOG") != std::string::npos ? Errc::verifier : failed.code;
    if (!warnings.text.empty()) failed.what += "\n" + warnings.text;
    return fail(std::move(failed));
  }
  if (old_flows.valid())
    if (auto swapped = swap_conntrack(options, old_flows.get(), bpf_map__fd(skeleton->maps.nw_ct)); !swapped)
      return fail(swapped.error());
  if (!adopted)
    if (auto stamped = write_stamp(bpf_map__fd(skeleton->maps.nw_stamp)); !stamped) return fail(stamped.error());
  return skeleton;
}

// Flows that began while the programs still used the old table come along.
Status finish_resize(const DatapathOptions& options, int flows) {
  const auto kept = map_path(options, "nw_ct_old");
  const Fd old(bpf_obj_get(kept.c_str()));
  if (!old.valid()) return errno == ENOENT ? Status() : fail(errno_error("open " + kept, errno));
  if (auto copied = copy_flows(old.get(), flows); !copied) return copied;
  if (unlink(kept.c_str()) != 0 && errno != ENOENT) return fail(errno_error("remove " + kept, errno));
  return {};
}

Datapath::State::~State() {
  if (recorded != nullptr) munmap(recorded, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
}

int Datapath::State::program(Hook hook) const {
  switch (hook) {
    case Hook::xdp: return bpf_program__fd(skeleton->progs.nw_xdp_ingress);
    case Hook::tc_ingress: return bpf_program__fd(skeleton->progs.nw_tc_ingress);
    case Hook::tc_egress: return bpf_program__fd(skeleton->progs.nw_tc_egress);
  }
  return -1;
}

std::string_view name(Hook hook) {
  switch (hook) {
    case Hook::xdp: return "xdp";
    case Hook::tc_ingress: return "tc-ingress";
    case Hook::tc_egress: return "tc-egress";
  }
  return "unknown";
}

Datapath::Datapath(std::unique_ptr<State> state) : state_(std::move(state)) {}
Datapath::Datapath(Datapath&&) noexcept = default;
Datapath& Datapath::operator=(Datapath&&) noexcept = default;
Datapath::~Datapath() = default;

bool Datapath::adopted() const { return state_->adopted; }
std::uint32_t Datapath::conntrack_size() const { return bpf_map__max_entries(state_->skeleton->maps.nw_ct); }

Result<Datapath> Datapath::open(const DatapathOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  auto skeleton = load_object(options, state->adopted);
  if (!skeleton) return fail(skeleton.error());
  state->skeleton = std::move(*skeleton);
  if (!state->pinned()) {
    void* page = mmap(nullptr, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), PROT_READ, MAP_SHARED,
                      bpf_map__fd(state->skeleton->maps.data_nw_recorded), 0);
    if (page == MAP_FAILED) return fail(errno_error("map nw_recorded", errno));
    state->recorded = static_cast<nw_recorded*>(page);
  }
  const auto& maps = state->skeleton->maps;
  auto flows = (options.inspect ? FlowTable::read_only : FlowTable::writable)(
      {.slots = state->map(maps.nw_ct_new), .buckets = state->map(maps.nw_ct_bucket), .hints = state->map(maps.nw_ct_hint),
       .state = state->map(maps.data_nw_ct_state), .bucket_count = bpf_map__max_entries(maps.nw_ct_bucket)});
  if (!flows) return fail(flows.error());
  state->flows.emplace(std::move(*flows));
  auto lines = (options.inspect ? FlowLines::read_only : FlowLines::writable)(state->map(maps.nw_ct_line), bpf_map__max_entries(maps.nw_ct_line));
  if (!lines) return fail(lines.error());
  state->flow_lines.emplace(std::move(*lines));
  if (state->adopted && !options.inspect)
    if (auto hinted = state->hint_flows(); !hinted) return fail(hinted.error());
  // All that is in maps of maps, while that is allowed.
  if (auto opened = state->open_counters(); !opened) return fail(opened.error());
  for (std::uint32_t bank = 0; bank < NW_BANKS; ++bank)
    if (auto opened = state->open_chunks(bank); !opened) return fail(opened.error());
  state->unsettled = state->adopted;  // who made the policy live may have had no time to wait
  Datapath datapath(std::move(state));
  if (!options.inspect)
    if (auto reserved = datapath.reserve_rule_counters(1); !reserved) return fail(reserved.error());
  return datapath;
}

}  // namespace nodewall::kernel
