// What the kernel would hold, for tests of the engine; fake_datapath.cc reads and writes it.
#pragma once

#include <string>
#include <vector>

#include "kernel/datapath.h"

namespace fake {

using namespace nodewall;

struct Kernel {
  std::vector<std::string> calls;
  bool pinned = false;
  std::uint32_t conntrack_size = 0;
  std::uint32_t generation = 0;
  std::vector<nw_line> image;
  nw_settings settings{};
  std::vector<kernel::FailsafeEntry> failsafe;
  std::map<Address, std::uint32_t> local;
  std::map<std::uint32_t, nw_interface> interfaces;
  std::set<std::pair<std::uint32_t, kernel::Hook>> hooks;
  std::vector<nw_count> rule_counters;
  std::set<std::uint32_t> broken;  // ifindexes that nothing can be attached to
  std::set<std::uint32_t> xdp_taken;  // ifindexes that have an XDP program of somebody else
  bool image_fails = false, entries_fail = false, detach_fails = false, removal_fails = false;
  std::vector<nw_event> events;
  std::size_t damaged_events = 0;
  nw_event_state event_state{};
};

inline Kernel kernel_state;
inline std::string bpffs;  // a directory that stands for one

}  // namespace fake
