// What programs of one CPU note of a packet is one packet's at a time.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <filesystem>
#include <string>

#include "lab.h"

using namespace packet;
using namespace prog;

namespace {

bpf_map_info info_of(int fd) {
  bpf_map_info info{};
  __u32 length = sizeof(info);
  if (bpf_map_get_info_by_fd(fd, &info, &length) != 0) info = {};
  return info;
}

// nw_scratch of this process.
int scratch_map() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string() != "anon_inode:bpf-map") continue;
    const int fd = std::stoi(entry.path().filename().string());
    if (std::strcmp(info_of(fd).name, "nw_scratch") == 0) return fd;
  }
  return -1;
}

// The mark is the first word.
void mark(int map, std::uint32_t busy) {
  const std::size_t each = (info_of(map).value_size + 7) / 8 * 8;
  std::vector<std::uint8_t> values(each * static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::size_t at = 0; at < values.size(); at += each) std::memcpy(&values[at], &busy, sizeof(busy));
  const std::uint32_t zero = 0;
  REQUIRE(bpf_map_update_elem(map, &zero, values.data(), BPF_ANY) == 0);
}

}  // namespace

TEST_CASE("a program that finds another packet's mark drops its own packet and counts it", "[stages]") {
  Lab lab(allow_all());
  const Bytes frame = Ethernet{} / Ipv4{} / Tcp{.destination = 80, .flags = kSyn};
  const int scratch = scratch_map();
  REQUIRE(scratch >= 0);
  const auto faults = [&](Hook hook) {
    const auto counts = lab.datapath().counters(0);
    REQUIRE(counts);
    return (*counts)[nw_counter_index(0, hook == Hook::tc_egress ? NW_EGRESS : NW_INGRESS, NW_REASON_FAULT_MAP)];
  };
  for (const auto hook : kHooks) {
    const auto before = faults(hook);
    mark(scratch, 1);
    const auto denied = lab.datapath().run(hook, frame, nw_interface{}, 1);
    REQUIRE(denied);
    CHECK(denied->return_code == (hook == Hook::xdp ? 1 : 2));
    CHECK(faults(hook).packets == before.packets + 1);
    CHECK(faults(hook).bytes == before.bytes + frame.size());
    mark(scratch, 0);
    const auto allowed = lab.datapath().run(hook, frame, nw_interface{}, 1);
    REQUIRE(allowed);
    CHECK(allowed->return_code == (hook == Hook::xdp ? 2 : -1));
  }
}
