// T-R2, T-R8: another version's programs, and a table of flows of another size, at every step.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "life.h"

using namespace failpoints;
using nodewall::Fd;

namespace {

// What another version left: a program of its own at every hook. It drops everything.
Fd closing_program() {
  const bpf_insn instructions[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = TC_ACT_SHOT},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  Fd program(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "nw_other", "GPL", instructions, std::size(instructions), nullptr));
  REQUIRE(program.valid());
  return program;
}

void put_at_every_hook(const Site& site, const Fd& program) {
  std::size_t hooks = 0;
  for (const auto& pin : std::filesystem::directory_iterator(site.pins() + "/links")) {
    const Fd link(bpf_obj_get(pin.path().c_str()));
    REQUIRE(link.valid());
    REQUIRE(bpf_link_update(link.get(), program.get(), nullptr) == 0);
    ++hooks;
  }
  REQUIRE(hooks == 2);
}

bool start(Site& site) {
  auto engine = Engine::start(site.options());
  return engine && engine->apply(site.resources(Which::before), site.facts()) && engine->tick();
}

}  // namespace

TEST_CASE("T-R2 T-R8 an upgrade that crashes at any step leaves each hook the old program or the new one, and the next start ends it",
          "[upgrade]") {
  Site site;
  failpoint::reuse_programs(true);
  REQUIRE(live(site, Which::before) == "");
  open_flow(site);
  const auto other = closing_program();
  std::size_t crashes = 0;
  for (std::size_t call = first_call();; ++call, ++crashes) {
    CAPTURE(call);
    put_at_every_hook(site, other);
    REQUIRE(site.probe({Which::closed}) == "");
    const auto outcome = crashing_life(site, call, start);
    REQUIRE(outcome != Outcome::failed);
    CHECK(site.probe({Which::closed, Which::before}) == "");
    CHECK(live(site, Which::before, {Which::closed, Which::before}) == "");
    CHECK(site.whole(Which::before) == "");
    if (outcome == Outcome::finished) break;
  }
  CHECK(crashes > 5);
}

TEST_CASE("T-R8 a change of conntrack's size that crashes at any step loses no flow and leaves no table behind", "[resize]") {
  Site site;
  failpoint::reuse_programs(true);
  REQUIRE(live(site, Which::before) == "");
  open_flow(site);
  std::uint32_t size = 8192;
  const auto resize = [&] {
    site.set_conntrack_size(size);
    size = size == 8192 ? 4096 : 8192;
  };
  resize();
  failpoint::watch(failpoint::Scope::changes);
  REQUIRE(start(site));
  failpoint::off();
  REQUIRE(site.whole(Which::before) == "");
  const auto calls = failpoint::calls();
  std::size_t crashes = 0;
  for (std::size_t call = first_call(); call < calls.size(); ++call) {
    // The verifier takes seconds for each new table: not at each of many steps that change nothing of it.
    const auto& text = calls[call];
    const bool worth = text.find("nw_ct") != text.npos || text == "link_update" || text == "prog_load nw_tc_ingress";
    if (!worth || (call > 0 && calls[call - 1] == text && text.starts_with("map_update"))) continue;
    CAPTURE(call, text);
    resize();
    CHECK(crashing_life(site, call, start) == Outcome::crashed);
    CHECK(site.probe({Which::before}) == "");
    CHECK(live(site, Which::before, {Which::before}) == "");
    CHECK(site.whole(Which::before) == "");
    ++crashes;
  }
  CHECK(crashes > 5);
}
