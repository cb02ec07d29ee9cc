// Datapath: the programs and maps in the kernel, pinned, as one object. The only room that sees libbpf. It knows bytes and maps,
// not policies.
//
// Pins live under one directory of a bpffs (`pin_dir`, mode 0700): maps/ , links/<ifindex>-<hook>, and the stamp. open() adopts what
// is pinned when the stamp and every map's shape agree with this build, creates what is not there, and refuses what it cannot
// trust (Errc::abi, with the command that helps). Adopting changes no verdict: programs in place keep running; upgrade_programs()
// replaces the program of each link atomically when this build's program differs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "maps/conntrack.h"
#include "maps/counters.h"
#include "maps/endpoint.h"
#include "maps/events.h"
#include "maps/failsafe.h"
#include "maps/policy.h"
#include "maps/settings.h"

namespace nodewall::kernel {

enum class Hook : std::uint8_t { xdp, tc_ingress, tc_egress };
std::string_view name(Hook hook);  // "xdp", "tc-ingress", "tc-egress"

struct AttachedHook {
  std::uint32_t ifindex = 0;
  Hook hook = Hook::tc_ingress;
  std::string mode;       // "native" or "generic" for xdp, "tcx" or "clsact" for tc
  std::uint32_t program_id = 0;
};

inline constexpr std::uint32_t kDefaultConntrackSize = 512000;

struct DatapathOptions {
  std::string pin_dir;               // empty: nothing is pinned, all goes with the object, and run() works (trace, tests)
  std::uint32_t conntrack_size = kDefaultConntrackSize;  // 0: as pinned, else the default; without pins at most 4,096
  bool force_clsact = false;         // do not try tcx
  bool inspect = false;              // maps only, which must be pinned: no program is loaded, nothing can be attached
};

struct FailsafeEntry {
  std::uint32_t direction = NW_INGRESS;
  bool is_udp = false;
  std::uint16_t port = 0;            // host order
  std::optional<Cidr> net;
  auto operator<=>(const FailsafeEntry&) const = default;
};

struct LineRange {         // of a policy image
  std::uint32_t first = 0, count = 0;
};

// The small maps of desired state, byte for byte.
struct SmallMaps {
  nw_settings settings{};
  std::vector<nw_failsafe_word> failsafe_words;  // NW_FAILSAFE_WORDS
  std::vector<std::pair<nw_failsafe_key, std::uint8_t>> failsafe_nets;
  std::map<Address, std::uint32_t> local_addresses;
  std::map<std::uint32_t, nw_interface> cached_interfaces;  // by ifindex; a part of nw_interface
  std::map<Address, std::uint32_t> cached_addresses;        // a part of local_addresses
  std::set<std::uint32_t> whole_lines;                      // of that cache: they say that there is no other address of theirs
};
std::uint32_t local_line(const Address& address);  // the line of that cache that an address would have

struct ConntrackRow {
  nw_ct_key key;
  nw_ct_entry entry;
  bool confirmed = false;  // in nw_ct
};

struct RunContext {        // what a packet has beside its bytes, at tc
  std::uint32_t segments = 0;         // gso_segs
  std::uint32_t ingress_ifindex = 0;  // not 0: the packet came in by an interface of this namespace
};

struct TestRun {           // one packet through the real program
  std::int32_t return_code = 0;
  std::uint32_t reason = 0;  // of the last repeat; NW_REASON_NO_ENDPOINT if no interface entry was there
  std::uint32_t rule_counter = NW_NO_COUNTER;
  bool logged = false;                  // a Log rule comes before what decided
  std::uint32_t staged = NW_NEXT;       // verdict with the staged policies, NW_NEXT if no chain that was asked has any
  std::uint32_t staged_counter = NW_NO_COUNTER;  // rule counter slot of the staged rule that would decide
  std::uint64_t duration_ns = 0;  // mean of the repeats
};

// Packets that Log rules matched, as read from the ring buffer.
struct EventBatch {
  std::vector<nw_event> events;
  std::size_t damaged = 0;   // records that are none: skipped
};

class Datapath {
 public:
  static Result<Datapath> open(const DatapathOptions& options);
  Datapath(Datapath&&) noexcept;
  Datapath& operator=(Datapath&&) noexcept;
  ~Datapath();  // leaves every pinned thing as it is

  [[nodiscard]] bool adopted() const;  // pinned state was found and taken over
  [[nodiscard]] std::uint32_t conntrack_size() const;

  // Policy. Writes a new image aside and makes it live in one step: every packet that comes after the return sees it. `changed`: the lines
  // that differ from the image of the last call that succeeded; nothing said: all may.
  Status set_policy(std::span<const nw_line> lines, std::uint32_t generation, std::optional<std::span<const LineRange>> changed = {});
  Status settle();                                      // returns when no packet still sees an older policy
  // Behind set_policy, with its lines: settles, and writes into the bank that is not live what that lacks. The next set_policy is quicker
  // for it: it waits for nothing and writes only its own changes. Nothing depends on it.
  Status catch_up(std::span<const nw_line> lines);
  [[nodiscard]] std::uint32_t generation() const;       // of the live image, 0 = none
  Result<std::vector<nw_line>> read_policy() const;     // a copy of the live image

  // Desired state of the small maps: compares with what is there, adds before it removes, writes nothing when equal.
  // The number of map writes is returned. Interfaces change when no packet sees an older policy any more.
  Result<std::size_t> set_settings(const nw_settings& settings);
  Result<std::size_t> set_failsafe(const std::vector<FailsafeEntry>& entries);
  Result<std::size_t> set_local_addresses(const std::map<Address, std::uint32_t>& address_to_flags);
  Result<std::size_t> set_interfaces(const std::map<std::uint32_t, nw_interface>& by_ifindex);
  Result<std::map<std::uint32_t, nw_interface>> interfaces() const;
  Result<std::vector<FailsafeEntry>> failsafe() const;
  Result<SmallMaps> read_small_maps() const;
  Status reserve_rule_counters(std::uint32_t slots);    // makes room; what is counted stays

  // Hooks. attach is idempotent: it verifies what is there by asking the kernel, and puts back what somebody took away.
  Result<AttachedHook> attach(std::uint32_t ifindex, Hook hook);
  Status detach(std::uint32_t ifindex, Hook hook);
  Result<std::vector<AttachedHook>> attached() const;   // asked of the kernel, not remembered
  Result<std::size_t> upgrade_programs();               // links whose program was replaced
  [[nodiscard]] static bool driver_has_native_xdp(const std::string& interface);  // false for veth and whatever is not known

  // What can be asked.
  Result<std::vector<nw_count>> counters(std::uint32_t interface_counter) const;  // NW_DIRECTIONS * NW_REASON_SLOTS, CPUs summed
  Status clear_counters(std::uint32_t interface_counter);
  Result<std::vector<nw_count>> rule_counters() const;
  Status clear_rule_counter(std::uint32_t slot);
  Result<std::vector<std::uint64_t>> conntrack_counters() const;                  // NW_CT_COUNTS
  // Events (maps/events.h). There is one reader: what it took is gone for every other.
  [[nodiscard]] int event_fd() const;                       // readable while events wait; to poll, not to read. Not with `inspect`: -1
  Result<EventBatch> read_events(std::size_t most);         // never waits; takes at most `most` records
  Result<nw_event_state> event_state() const;
  Status for_each_conntrack(const std::function<void(const ConntrackRow&)>& row) const;
  Status add_conntrack(nw_ct_key key, const nw_ct_entry& entry);            // adoption of open flows; as confirmed ones
  Status clear_conntrack();  // fragments too
  Result<std::size_t> sweep_conntrack(std::uint64_t now_ns, const nw_settings& settings);  // expired entries removed

  // A packet through the real program by BPF_PROG_TEST_RUN. `interface` stands in for the packet's interface: it is put at
  // ifindex 1 for the run. What the packet left in conntrack stays: clear_conntrack() makes the next one the first of
  // its flow. Only for a Datapath with an empty pin_dir.
  Result<TestRun> run(Hook hook, std::span<const std::uint8_t> frame, const nw_interface& interface, std::uint32_t repeat,
                      const RunContext& context = {});
  // Every flow and fragment becomes that much older, as if the time had passed. Only for a Datapath with an empty pin_dir.
  Status age_conntrack(std::uint64_t by_ns);

 private:
  struct State;
  explicit Datapath(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Takes everything off that is pinned under pin_dir: links first, then maps. Works without open(), on any version's pins.
Status remove_pinned(const std::string& pin_dir);
std::string_view map_name(std::string_view name);  // without the section of a map that is a variable of the programs
bool is_pinned_map(std::string_view name);  // a map of the programs that outlives the process

// The bpffs at /sys/fs/bpf, as this process sees it or else as PID 1 or a process that began this one does (`ip netns exec` hides it). The
// path is good as long as that process lives. Mounts nothing.
std::optional<std::string> present_bpffs();
// A usable bpffs, whose path is good as long as this process lives: `wanted` if given, else the present one, else one that is mounted now
// where PID 1 sees it.
Result<std::string> find_bpffs(const std::string& wanted);
// "nodewall" in the initial network namespace, else "nodewall-ns<cookie>": names pins and run directory.
Result<std::string> instance_name();

}  // namespace nodewall::kernel
