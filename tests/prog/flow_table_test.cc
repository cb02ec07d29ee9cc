// Where flows are kept: buckets of unconfirmed flows, and the hint of where flows are (maps/conntrack.h).
#include <algorithm>
#include <atomic>
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <set>
#include <thread>

#include "flows.h"
#include "node.h"

using namespace packet;
using namespace prog;
using nodewall::Fd;
using nodewall::kernel::DatapathOptions;

namespace {

constexpr std::size_t kUnpinnedWays = 4096;  // a side

// Of the time before all others: over at the next sweep.
void add_old_flows(Datapath& datapath, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    nw_ct_key key{};
    key.a.bytes[0] = 0xfd;
    std::memcpy(&key.b.bytes[8], &i, sizeof i);
    key.protocol = kUdp;
    REQUIRE(datapath.add_conntrack(key, {}));
  }
}

// nw_ct_state.hint.
void set_hint(std::uint32_t hint) {
  const auto map = own_map("nw_ct_state");
  const std::uint32_t zero = 0;
  nw_ct_state state{};
  REQUIRE(bpf_map_lookup_elem(map.get(), &zero, &state) == 0);
  state.hint = hint;
  REQUIRE(bpf_map_update_elem(map.get(), &zero, &state, BPF_ANY) == 0);
}

}  // namespace

TEST_CASE("T-C1 a flow that a flood pushes out is counted, and the last to come is there", "[conntrack]") {
  Lab lab;
  const auto made = lab.flow_count(NW_CT_COUNT_CREATED), evicted = lab.flow_count(NW_CT_COUNT_EVICTED);
  constexpr std::uint32_t kFlood = 20'000;
  for (std::uint32_t i = 0; i < kFlood; ++i) REQUIRE(reason_of(lab, Hook::tc_ingress, query(i)) == kPolicy);
  const auto flows = lab.flows();
  CHECK(flows.size() <= kUnpinnedWays);
  CHECK(flows.size() > kUnpinnedWays * 9 / 10);  // no part of the table is out of reach
  CHECK(lab.flow_count(NW_CT_COUNT_CREATED) - made == kFlood);
  CHECK(lab.flow_count(NW_CT_COUNT_EVICTED) - evicted + flows.size() == kFlood);
  CHECK(reason_of(lab, Hook::tc_egress, answer(kFlood - 1)) == kKnown);
  CHECK(reason_of(lab, Hook::tc_egress, answer(0)) != kKnown);
}

TEST_CASE("T-C1 those that a flood pushes out are those that came first", "[conntrack]") {
  Lab lab;
  constexpr std::uint32_t kFlood = 20'000, kFirst = 4000;
  for (std::uint32_t i = 0; i < kFlood; ++i) REQUIRE(reason_of(lab, Hook::tc_ingress, query(i)) == kPolicy);
  const auto known = [&](std::uint32_t from, std::uint32_t to) {
    std::size_t count = 0;
    for (auto i = from; i < to; ++i) count += reason_of(lab, Hook::tc_egress, answer(i)) == kKnown ? 1 : 0;
    return count;
  };
  // A bucket that few of the others fall into keeps some of the first, by chance.
  CHECK(known(0, kFirst) < kFirst / 40);
  CHECK(known(kFlood - kFirst / 4, kFlood) > kFirst / 4 * 9 / 10);
}

TEST_CASE("T-C1 no flow is in the table twice, nor left behind when it is confirmed", "[conntrack]") {
  Lab lab;
  for (std::uint32_t i = 0; i < 500; ++i) {
    confirm(lab, i);
    REQUIRE(reason_of(lab, Hook::tc_ingress, query(i)) == kKnown);
  }
  const auto flows = lab.flows();
  CHECK(flows.size() == 500);
  CHECK(std::ranges::all_of(flows, [](const ConntrackRow& row) { return row.confirmed; }));
}

TEST_CASE("T-C5 a confirmed flow is known while sweeps forget those that are gone", "[conntrack]") {
  Lab lab;
  for (std::uint32_t i = 0; i < 200; ++i) confirm(lab, i);
  for (int round = 0; round < 3; ++round) {
    add_old_flows(lab.datapath(), 3000);
    const auto swept = lab.datapath().sweep_conntrack(now_ns(), kSettings);
    REQUIRE(swept);
    CHECK(*swept == 3000);
    for (std::uint32_t i = 0; i < 200; ++i) {
      CHECK(reason_of(lab, Hook::tc_ingress, query(i)) == kKnown);
      CHECK(reason_of(lab, Hook::tc_egress, answer(i)) == kKnown);
    }
  }
}

TEST_CASE("T-C5 a flow that nobody answered yet is known while sweeps make the hint anew", "[conntrack]") {
  Lab lab;
  for (std::uint32_t i = 0; i < 200; ++i) REQUIRE(reason_of(lab, Hook::tc_ingress, query(i)) == kPolicy);
  for (int round = 0; round < 3; ++round) {
    add_old_flows(lab.datapath(), 3000);
    REQUIRE(lab.datapath().sweep_conntrack(now_ns(), kSettings));
  }
  for (std::uint32_t i = 0; i < 200; ++i) CHECK(reason_of(lab, Hook::tc_egress, answer(i)) == kKnown);
}

TEST_CASE("T-C5 flows that come while a hint is being made are in it", "[conntrack]") {
  Lab lab;
  set_hint(NW_CT_HINT_BEING_MADE);
  REQUIRE(reason_of(lab, Hook::tc_ingress, query(1)) == kPolicy);
  confirm(lab, 2);
  set_hint(1);
  CHECK(reason_of(lab, Hook::tc_egress, answer(1)) == kKnown);
  CHECK(reason_of(lab, Hook::tc_ingress, query(2)) == kKnown);
}

TEST_CASE("T-C5 a flow that is confirmed while a sweep is at work is known from then on", "[conntrack]") {
  Lab lab;
  std::atomic<bool> is_over = false, is_well = true;
  std::thread sweeper([&] {
    while (!is_over) {
      for (std::uint32_t i = 0; i < 1500; ++i) {  // enough for the hint to be made anew
        nw_ct_key key{};
        key.a.bytes[0] = 0xfe;
        std::memcpy(&key.b.bytes[8], &i, sizeof i);
        key.protocol = kUdp;
        if (!lab.datapath().add_conntrack(key, {})) is_well = false;
      }
      if (!lab.datapath().sweep_conntrack(now_ns(), kSettings)) is_well = false;
    }
  });
  std::size_t lost = 0;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const auto first = reason_of(lab, Hook::tc_ingress, query(i)), reply = reason_of(lab, Hook::tc_egress, answer(i));
    lost += first != kPolicy || reply != kKnown ? 1 : 0;
    for (int again = 0; again < 2; ++again) lost += reason_of(lab, Hook::tc_ingress, query(i)) != kKnown ? 1 : 0;
    if (i >= 100) lost += reason_of(lab, Hook::tc_egress, answer(i - 100)) != kKnown ? 1 : 0;
  }
  is_over = true;
  sweeper.join();
  CHECK(is_well);
  CHECK(lost == 0);
}

namespace {

struct Pinned {
  Node node;
  [[nodiscard]] Datapath open(std::uint32_t flows = 4096) const {
    auto opened = Datapath::open({.pin_dir = node.pins(), .conntrack_size = flows});
    if (!opened) FAIL(opened.error().message());
    return std::move(*opened);
  }
  [[nodiscard]] Fd map(const char* name) const { return Fd(bpf_obj_get((node.pins() + "/maps/" + name).c_str())); }
  [[nodiscard]] nw_ct_state state() const {
    nw_ct_state state{};
    const std::uint32_t zero = 0;
    REQUIRE(bpf_map_lookup_elem(map("nw_ct_state").get(), &zero, &state) == 0);
    return state;
  }
  // Bits set in each hint.
  [[nodiscard]] std::array<std::size_t, NW_CT_HINTS> hints() const {
    std::array<std::size_t, NW_CT_HINTS> bits{};
    const auto words = map("nw_ct_hint");
    for (std::uint32_t i = 0; i < NW_CT_HINTS * NW_CT_HINT_WORDS; ++i) {
      std::uint64_t word = 0;
      REQUIRE(bpf_map_lookup_elem(words.get(), &i, &word) == 0);
      bits[i / NW_CT_HINT_WORDS] += static_cast<std::size_t>(std::popcount(word));
    }
    return bits;
  }
  void empty_hints() const {
    const auto words = map("nw_ct_hint");
    const std::uint64_t none = 0;
    for (std::uint32_t i = 0; i < NW_CT_HINTS * NW_CT_HINT_WORDS; ++i) REQUIRE(bpf_map_update_elem(words.get(), &i, &none, BPF_ANY) == 0);
  }
  ~Pinned() { (void)nodewall::kernel::remove_pinned(node.pins()); }
};

}  // namespace

TEST_CASE("T-C4 where a flow is kept depends on a secret of the table, which outlives the process", "[pins]") {
  const Pinned pinned, other;
  { (void)pinned.open(); }
  const auto made = pinned.state();
  CHECK(std::set<std::uint32_t>(std::begin(made.secret), std::end(made.secret)).size() > 5);
  { (void)pinned.open(); }
  CHECK(std::memcmp(made.secret, pinned.state().secret, sizeof(made.secret)) == 0);
  { (void)other.open(); }
  CHECK(std::memcmp(made.secret, other.state().secret, sizeof(made.secret)) != 0);
}

TEST_CASE("T-R1 a hint of flows that was lost is made again by the next process and by the next sweep", "[pins]") {
  const Pinned pinned;
  auto datapath = pinned.open();
  add_old_flows(datapath, 2000);
  const auto had = pinned.hints();
  CHECK(had[0] > 3500);
  CHECK(had[1] == 0);
  pinned.empty_hints();
  { (void)pinned.open(); }
  CHECK(pinned.hints() == had);
  pinned.empty_hints();
  nw_settings endless{};
  endless.udp_ns = ~0ULL;
  const auto swept = datapath.sweep_conntrack(now_ns(), endless);
  REQUIRE(swept);
  CHECK(*swept == 0);
  CHECK(pinned.hints() == had);
}

TEST_CASE("T-C5 sweeps clear the hint of flows that are gone: the other one is read then", "[pins]") {
  const Pinned pinned;
  auto datapath = pinned.open();
  add_old_flows(datapath, 2000);
  REQUIRE(datapath.sweep_conntrack(now_ns(), kSettings));
  CHECK(pinned.state().hint == 1);
  CHECK(pinned.hints()[1] == 0);
}

TEST_CASE("T-C5 the hint has as many words as its flows ask for", "[pins]") {
  const Pinned pinned;
  auto datapath = pinned.open(200'000);
  CHECK(pinned.state().mask[0] == 4095);
  add_old_flows(datapath, 100'000);
  nw_settings endless{};
  endless.udp_ns = ~0ULL;
  REQUIRE(datapath.sweep_conntrack(now_ns(), endless));
  CHECK(pinned.state().hint == 1);
  CHECK(pinned.state().mask[1] == 32767);
  CHECK(pinned.hints()[1] > 150'000);  // of 1,048,576: one in thirty of other flows finds both of its bits
  CHECK(pinned.hints()[1] < 200'000);
  REQUIRE(datapath.sweep_conntrack(now_ns(), endless));
  CHECK(pinned.state().hint == 1);  // nothing to do
  REQUIRE(datapath.sweep_conntrack(now_ns(), kSettings));
  CHECK(pinned.state().hint == 0);
  CHECK(pinned.state().mask[0] == 4095);
}
