// Flows of datagrams through the lab's program, and the maps that it keeps them in.
#pragma once

#include <bpf/bpf.h>
#include <fcntl.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "lab.h"

namespace prog {

constexpr std::uint32_t kPolicy = NW_REASON_POLICY, kKnown = NW_REASON_ESTABLISHED;

// Datagrams between port 53 of the host and a port of a peer.
inline packet::Bytes query(std::uint32_t flow) {
  return packet::Ethernet{} / packet::Ipv4{.source = "10.0.0." + std::to_string(2 + flow % 200)} /
         packet::Udp{.source = static_cast<std::uint16_t>(1024 + flow / 200), .destination = 53};
}
inline packet::Bytes answer(std::uint32_t flow) {
  return packet::Ethernet{} / v4_from_host("10.0.0." + std::to_string(2 + flow % 200)) /
         packet::Udp{.source = 53, .destination = static_cast<std::uint16_t>(1024 + flow / 200)};
}

// Without the checks of Lab::send(), which take their time.
inline std::uint32_t reason_of(Lab& lab, Hook hook, const packet::Bytes& frame) {
  const auto run = lab.datapath().run(hook, frame, nw_interface{}, 1);
  REQUIRE(run);
  return run->reason;
}

inline void confirm(Lab& lab, std::uint32_t flow) {
  REQUIRE(reason_of(lab, Hook::tc_ingress, query(flow)) == kPolicy);
  REQUIRE(reason_of(lab, Hook::tc_egress, answer(flow)) == kKnown);
  REQUIRE(reason_of(lab, Hook::tc_ingress, query(flow)) == kKnown);
}

// Puts a value in its place in a variable of the programs, which is an array of such values.
template <typename Value>
bool put_in(const nodewall::Fd& variable, std::uint32_t index, const Value& value) {
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (bpf_map_get_info_by_fd(variable.get(), &info, &size) != 0 || (index + 1) * sizeof(value) > info.value_size) return false;
  std::vector<std::uint8_t> all(info.value_size);
  const __u32 zero = 0;
  if (bpf_map_lookup_elem(variable.get(), &zero, all.data()) != 0) return false;
  std::memcpy(&all[index * sizeof(value)], &value, sizeof(value));
  return bpf_map_update_elem(variable.get(), &zero, all.data(), BPF_ANY) == 0;
}

// A map of the one datapath that this process has. The kernel keeps 15 bytes of a name.
inline nodewall::Fd own_map(std::string_view name) {
  const auto variable = (".data." + std::string(name)).substr(0, BPF_OBJ_NAME_LEN - 1);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    const int fd = std::atoi(entry.path().filename().c_str());
    if (bpf_map_get_info_by_fd(fd, &info, &size) == 0 && (name == info.name || variable == info.name)) return nodewall::Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  }
  FAIL("no map is called " << name);
  return {};
}

inline std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace prog
