// What the verifier says of the programs.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <catch2/catch_test_macros.hpp>
#include <iostream>
#include <memory>

#include "bpf/nodewall.skel.h"

namespace {

constexpr std::uint32_t kBudget = 700'000;  // of the kernel's million

struct Destroy {
  void operator()(nodewall_bpf* skeleton) const { nodewall_bpf__destroy(skeleton); }
};

void load_with(bool record, bool xdp_load) {
  const std::unique_ptr<nodewall_bpf, Destroy> skeleton(nodewall_bpf__open());
  REQUIRE(skeleton);
  skeleton->rodata->nw_record = record ? 1 : 0;
  skeleton->rodata->nw_have_xdp_load = xdp_load ? 1 : 0;
  REQUIRE(nodewall_bpf__load(skeleton.get()) == 0);
  for (const bpf_program* program : {skeleton->progs.nw_xdp_ingress, skeleton->progs.nw_tc_ingress, skeleton->progs.nw_tc_egress}) {
    bpf_prog_info info{};
    __u32 length = sizeof(info);
    REQUIRE(bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &length) == 0);
    std::cout << "  " << bpf_program__name(program) << " record=" << record << " xdp_load=" << xdp_load << ": "
              << info.verified_insns << " instructions verified, " << info.xlated_prog_len / 8 << " long\n";
    CHECK(info.verified_insns > 0);
    CHECK(info.verified_insns < kBudget);
  }
}

}  // namespace

TEST_CASE("the verifier accepts every variant of the programs within the budget", "[load]") {
  load_with(false, true);
  load_with(true, true);
  load_with(false, false);
}
