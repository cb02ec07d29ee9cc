// Lines of confirmed flows (maps/conntrack.h).
#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "flows.h"

using namespace packet;
using namespace prog;

namespace {

constexpr std::uint32_t kLines = 1024;  // what an unpinned datapath has

std::vector<nw_ct_slot> read_lines() {
  const auto map = own_map("nw_ct_line");
  std::vector<nw_ct_slot> lines(kLines);
  for (std::uint32_t i = 0; i < kLines; ++i) REQUIRE(bpf_map_lookup_elem(map.get(), &i, &lines[i]) == 0);
  return lines;
}

struct States {
  std::size_t free = 0, busy = 0, over = 0, held = 0;
  bool operator==(const States&) const = default;
};

States states() {
  States count;
  for (const auto& line : read_lines()) {
    const auto word = *nw_ct_word_in(&line.key);
    ++(word == NW_CT_LINE_FREE ? count.free : word == NW_CT_LINE_BUSY ? count.busy : word == NW_CT_LINE_OVER ? count.over : count.held);
  }
  return count;
}

void write_all(nw_ct_line_word word) {
  const auto map = own_map("nw_ct_line");
  nw_ct_slot line{};
  *nw_ct_word_of(&line.key) = word;
  for (std::uint32_t i = 0; i < kLines; ++i) REQUIRE(bpf_map_update_elem(map.get(), &i, &line, BPF_ANY) == 0);
}

void sweep(Lab& lab) { REQUIRE(lab.datapath().sweep_conntrack(now_ns(), kSettings)); }

}  // namespace

TEST_CASE("T-C2 confirmed flows have lines while there are any for them, and are known without one too", "[conntrack]") {
  Lab lab;
  constexpr std::uint32_t kFlows = 2000;
  for (std::uint32_t i = 0; i < kFlows; ++i) confirm(lab, i);
  const auto flows = lab.flows();
  CHECK(flows.size() == kFlows);
  CHECK(std::ranges::all_of(flows, [](const ConntrackRow& row) { return row.confirmed; }));
  CHECK(states().held > kLines * 95 / 100);
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    CHECK(reason_of(lab, Hook::tc_ingress, query(i)) == kKnown);
    CHECK(reason_of(lab, Hook::tc_egress, answer(i)) == kKnown);
  }
}

TEST_CASE("T-C2 a flow may be in any of its places, and ends wherever it is", "[conntrack]") {
  Lab lab;
  for (std::uint32_t flow = 0; flow < 40; ++flow) {
    std::set<std::uint32_t> places;
    for (std::uint32_t others = 0; others <= NW_CT_CHOICES; ++others) {  // so many are taken
      CAPTURE(flow, others);
      confirm(lab, flow);
      const auto lines = read_lines();
      std::uint32_t at = kLines;
      for (std::uint32_t i = 0; i < kLines; ++i)
        if (*nw_ct_word_in(&lines[i].key) != NW_CT_LINE_FREE && *nw_ct_word_in(&lines[i].key) != NW_CT_LINE_OVER) at = i;
      CHECK((at == kLines) == (others == NW_CT_CHOICES));  // then in the hash table
      CHECK(places.insert(at).second);
      CHECK(reason_of(lab, Hook::tc_egress, answer(flow)) == kKnown);
      lab.pass_time(kSettings.udp_ns + kSecond);
      CHECK(reason_of(lab, Hook::tc_egress, answer(flow)) != kKnown);
      // Its line is over, so that the next one finds it taken; the new flow of that answer goes.
      CHECK(states() == States{.free = kLines - std::min(others + 1, NW_CT_CHOICES), .busy = 0, .over = std::min(others + 1, NW_CT_CHOICES), .held = 0});
      lab.pass_time(kSettings.udp_ns + kSecond);
    }
    lab.forget_flows();
  }
}

TEST_CASE("T-C7 adoption changes nothing about a flow that is known, wherever it is kept", "[conntrack]") {
  Lab lab;
  nw_ct_key key{};
  key.protocol = kUdp;
  const auto adopt = [&](std::uint32_t flags) {
    REQUIRE(lab.datapath().add_conntrack(key, {.created = 0, .seen = 0, .generation = 0, .rule = 0, .ifindex = 0, .flags = flags}));
    const auto flows = lab.flows();
    REQUIRE(flows.size() == 1);
    return flows[0].entry.flags;
  };
  CHECK(adopt(NW_CT_REVOKED) == NW_CT_REVOKED);
  CHECK(adopt(NW_CT_ADOPTED) == NW_CT_REVOKED);  // in a line
  lab.forget_flows();
  write_all(NW_CT_LINE_OVER);
  CHECK(adopt(NW_CT_REVOKED) == NW_CT_REVOKED);
  write_all(NW_CT_LINE_FREE);
  CHECK(adopt(NW_CT_ADOPTED) == NW_CT_REVOKED);  // in the hash table
}

TEST_CASE("T-C5 the line of a flow that is over is no other one's before a sweep has waited for all packets", "[conntrack]") {
  Lab lab;
  for (std::uint32_t i = 0; i < 100; ++i) confirm(lab, i);
  CHECK(states() == States{.free = kLines - 100, .busy = 0, .over = 0, .held = 100});
  lab.pass_time(kSettings.udp_ns + kSecond);
  for (std::uint32_t i = 0; i < 50; ++i) CHECK(reason_of(lab, Hook::tc_ingress, query(i)) == kPolicy);
  CHECK(states() == States{.free = kLines - 100, .busy = 0, .over = 50, .held = 50});
  sweep(lab);  // ends the others
  CHECK(states() == States{.free = kLines, .busy = 0, .over = 0, .held = 0});
  const nw_ct_slot empty{};
  for (const auto& line : read_lines()) CHECK(std::memcmp(&line.key, &empty.key, sizeof(line.key)) == 0);
}

TEST_CASE("T-R1 a line whose writer is gone is free again after two sweeps", "[conntrack]") {
  Lab lab;
  nw_ct_slot lost{};
  *nw_ct_word_of(&lost.key) = NW_CT_LINE_BUSY;
  const std::uint32_t place = 77;
  REQUIRE(bpf_map_update_elem(own_map("nw_ct_line").get(), &place, &lost, BPF_ANY) == 0);
  sweep(lab);
  CHECK(states() == States{.free = kLines - 1, .busy = 0, .over = 1, .held = 0});
  sweep(lab);
  CHECK(states() == States{.free = kLines, .busy = 0, .over = 0, .held = 0});
}

TEST_CASE("T-C1 a flow one of whose places is just written is confirmed by its next packet: it may be this very flow there", "[conntrack]") {
  Lab lab;
  write_all(NW_CT_LINE_BUSY);
  confirm(lab, 1);
  REQUIRE(lab.flows().size() == 1);
  CHECK_FALSE(lab.flows()[0].confirmed);
  write_all(NW_CT_LINE_FREE);
  CHECK(reason_of(lab, Hook::tc_ingress, query(1)) == kKnown);
  REQUIRE(lab.flows().size() == 1);
  CHECK(lab.flows()[0].confirmed);
}

TEST_CASE("T-C1 a flow that two processors confirm at once is there once, and while one confirms it the other knows it", "[conntrack]") {
  Lab lab;
  constexpr std::uint32_t kFlows = 900;  // most of the lines there are: for some the places run out meanwhile
  for (int round = 0; round < 5; ++round) {
    std::atomic<std::uint32_t> turn = 0;  // two for each flow
    std::atomic<std::size_t> lost = 0;
    // What both record of their packets is mixed up: only whether they passed is known.
    const auto pass = [&](Hook hook, const Bytes& frame) {
      const auto run = lab.datapath().run(hook, frame, nw_interface{}, 1);
      if (!run || run->return_code != -1) ++lost;
    };
    const auto confirm_all = [&](bool begins) {
      for (std::uint32_t i = 0; i < kFlows; ++i) {
        if (begins) {
          pass(Hook::tc_ingress, query(i));
          pass(Hook::tc_egress, answer(i));
        }
        const bool answers = !begins && i % 2 != 0;
        const auto frame = answers ? answer(i) : query(i);
        for (++turn; turn < 2 * (i + 1);) {}
        pass(answers ? Hook::tc_egress : Hook::tc_ingress, frame);
      }
    };
    std::thread other([&] { confirm_all(false); });
    confirm_all(true);
    other.join();
    CHECK(lost == 0);
    std::map<std::string, int> times;
    for (const auto& row : lab.flows()) ++times[std::string(reinterpret_cast<const char*>(&row.key), sizeof(row.key))];
    CHECK(times.size() == kFlows);
    CHECK(std::ranges::all_of(times, [](const auto& it) { return it.second == 1; }));
    lab.forget_flows();
  }
}

TEST_CASE("T-C5 a flow is idle from its last moment on, whoever wrote that, and across the end of the ticks", "[conntrack]") {
  const auto idle = [](std::uint32_t seen, std::uint32_t now, std::uint64_t timeout_ns) {
    const nw_ct_entry entry{.created = 0, .seen = seen, .generation = 0, .rule = 0, .ifindex = 0, .flags = 0};
    return nw_ct_is_idle(&entry, now, timeout_ns) != 0;
  };
  constexpr std::uint64_t kTick = 1ULL << NW_CT_TICK_SHIFT;
  CHECK_FALSE(idle(100, 110, 10 * kTick));
  CHECK(idle(100, 111, 10 * kTick));
  CHECK(idle(100, 111, 10 * kTick + kTick - 1));
  CHECK_FALSE(idle(100, 99, 0));  // written by a processor whose clock is ahead
  CHECK_FALSE(idle(100, 100, 0));
  CHECK(idle(0xfffffff0U, 5, 20 * kTick));
  CHECK_FALSE(idle(0xfffffff0U, 4, 20 * kTick));
  CHECK_FALSE(idle(0, 0x7fffffffU, ~0ULL));
  // And what a sweep makes of it.
  Lab lab;
  nw_ct_key key{};
  key.protocol = kUdp;
  auto settings = kSettings;
  settings.udp_ns = 20 * kTick;
  const auto swept = [&](std::uint32_t seen, std::uint64_t now) {
    lab.forget_flows();
    REQUIRE(lab.datapath().add_conntrack(key, {.created = 0, .seen = seen, .generation = 0, .rule = 0, .ifindex = 0, .flags = 0}));
    const auto removed = lab.datapath().sweep_conntrack(now * kTick, settings);
    REQUIRE(removed);
    return *removed;
  };
  CHECK(swept(0xfffffff0U, (1ULL << 32) + 5) == 1);
  CHECK(swept(0xfffffff0U, (1ULL << 32) + 4) == 0);
  CHECK(swept(100, 99) == 0);
}
