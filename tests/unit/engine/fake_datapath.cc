// kernel::Datapath in memory, in the place of the real one (the linker prefers these definitions to those of the library): what is
// pinned outlives the object, and every change is written down in order.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "fake_kernel.h"

namespace nodewall::kernel {

struct Datapath::State {
  bool adopted = false;
  std::string pin_dir;
};

namespace {
auto& k() { return fake::kernel_state; }
void call(std::string text) { k().calls.push_back(std::move(text)); }
}  // namespace

std::string_view name(Hook hook) {
  return hook == Hook::xdp ? "xdp" : hook == Hook::tc_ingress ? "tc-ingress" : "tc-egress";
}

Datapath::Datapath(std::unique_ptr<State> state) : state_(std::move(state)) {}
Datapath::Datapath(Datapath&&) noexcept = default;
Datapath& Datapath::operator=(Datapath&&) noexcept = default;
Datapath::~Datapath() = default;

Result<Datapath> Datapath::open(const DatapathOptions& options) {
  auto state = std::make_unique<State>();
  state->adopted = k().pinned;
  state->pin_dir = options.pin_dir;
  if (options.conntrack_size != 0) {
    if (k().pinned && k().conntrack_size != options.conntrack_size) call("resize " + std::to_string(options.conntrack_size));
    k().conntrack_size = options.conntrack_size;
  }
  k().pinned = true;
  std::filesystem::create_directories(options.pin_dir);
  return Datapath(std::move(state));
}

bool Datapath::adopted() const { return state_->adopted; }
std::uint32_t Datapath::conntrack_size() const { return k().conntrack_size; }
std::uint32_t Datapath::generation() const { return k().generation; }
Result<std::vector<nw_line>> Datapath::read_policy() const { return k().image; }

Status Datapath::set_policy(std::span<const nw_line> lines, std::uint32_t generation, std::optional<std::span<const LineRange>>) {
  if (k().image_fails) return fail(Errc::kernel, "no memory");
  call("image");
  k().image.assign(lines.begin(), lines.end());
  k().generation = generation;
  return {};
}

Status Datapath::settle() { return {}; }
Status Datapath::catch_up(std::span<const nw_line>) { return {}; }

Result<std::size_t> Datapath::set_settings(const nw_settings& settings) {
  if (settings.tcp_established_ns == k().settings.tcp_established_ns) return 0;
  call("settings");
  k().settings = settings;
  return 1;
}

Result<std::size_t> Datapath::set_failsafe(const std::vector<FailsafeEntry>& entries) {
  if (entries == k().failsafe) return 0;
  call("failsafe");
  k().failsafe = entries;
  return 1;
}

Result<std::size_t> Datapath::set_local_addresses(const std::map<Address, std::uint32_t>& wanted) {
  if (wanted == k().local) return 0;
  call("local");
  k().local = wanted;
  return 1;
}

Result<std::size_t> Datapath::set_interfaces(const std::map<std::uint32_t, nw_interface>& wanted) {
  if (k().entries_fail) return fail(Errc::kernel, "no memory");
  call("entries " + std::to_string(wanted.size()));
  k().interfaces = wanted;
  return 1;
}

Result<std::map<std::uint32_t, nw_interface>> Datapath::interfaces() const { return k().interfaces; }
Result<std::vector<FailsafeEntry>> Datapath::failsafe() const { return k().failsafe; }

Status Datapath::reserve_rule_counters(std::uint32_t slots) {
  if (slots > k().rule_counters.size()) k().rule_counters.resize(slots);
  return {};
}

Result<AttachedHook> Datapath::attach(std::uint32_t ifindex, Hook hook) {
  if (k().broken.contains(ifindex)) return fail(Errc::kernel, "no such device");
  if (hook == Hook::xdp && k().xdp_taken.contains(ifindex)) return fail(Errc::kernel, "it has one already");
  call("attach " + std::to_string(ifindex) + " " + std::string(name(hook)));
  k().hooks.emplace(ifindex, hook);
  return AttachedHook{ifindex, hook, "tcx", 1};
}

Status Datapath::detach(std::uint32_t ifindex, Hook hook) {
  if (k().detach_fails) return fail(Errc::kernel, "no memory");
  call("detach " + std::to_string(ifindex) + " " + std::string(name(hook)));
  k().hooks.erase({ifindex, hook});
  return {};
}

Result<std::vector<AttachedHook>> Datapath::attached() const {
  std::vector<AttachedHook> list;
  for (const auto& [ifindex, hook] : k().hooks) list.push_back({ifindex, hook, "tcx", 1});
  return list;
}

Result<std::size_t> Datapath::upgrade_programs() { return 0; }
bool Datapath::driver_has_native_xdp(const std::string& interface) { return interface == "nic0"; }
Result<std::vector<nw_count>> Datapath::counters(std::uint32_t) const {
  return std::vector<nw_count>(NW_DIRECTIONS * NW_REASON_SLOTS);
}
Status Datapath::clear_counters(std::uint32_t) { return {}; }
Result<std::vector<nw_count>> Datapath::rule_counters() const { return k().rule_counters; }
Status Datapath::clear_rule_counter(std::uint32_t slot) {
  k().rule_counters.at(slot) = {};
  return {};
}
Result<std::vector<std::uint64_t>> Datapath::conntrack_counters() const {
  return std::vector<std::uint64_t>(NW_CT_COUNTS);
}
int Datapath::event_fd() const { return -1; }
Result<EventBatch> Datapath::read_events(std::size_t most) {
  EventBatch batch;
  auto& waiting = k().events;
  const auto taken = waiting.begin() + static_cast<std::ptrdiff_t>(std::min(most, waiting.size()));
  batch.events.assign(waiting.begin(), taken);
  waiting.erase(waiting.begin(), taken);
  batch.damaged = std::exchange(k().damaged_events, 0);
  return batch;
}
Result<nw_event_state> Datapath::event_state() const { return k().event_state; }
Status Datapath::for_each_conntrack(const std::function<void(const ConntrackRow&)>&) const { return {}; }
Status Datapath::add_conntrack(nw_ct_key, const nw_ct_entry&) { return {}; }
Status Datapath::clear_conntrack() { return {}; }
Status Datapath::age_conntrack(std::uint64_t) { return {}; }
Result<std::size_t> Datapath::sweep_conntrack(std::uint64_t, const nw_settings&) { return 0; }
Result<TestRun> Datapath::run(Hook, std::span<const std::uint8_t>, const nw_interface&, std::uint32_t, const RunContext&) {
  return fail(Errc::internal, "not in memory");
}

Status remove_pinned(const std::string& pin_dir) {
  if (k().removal_fails) return fail(Errc::kernel, "no memory");
  call("remove pins");
  const auto calls = k().calls;
  k() = {};
  k().calls = calls;
  std::filesystem::remove_all(pin_dir);
  return {};
}

Result<std::string> find_bpffs(const std::string&) { return fake::bpffs; }
Result<std::string> instance_name() { return std::string("nodewall"); }

}  // namespace nodewall::kernel
