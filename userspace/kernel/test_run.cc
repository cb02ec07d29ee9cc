// One packet through the real program by BPF_PROG_TEST_RUN.
#include <cstring>

#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

constexpr __u32 kLoopback = 1;  // the interface a test run has

}  // namespace

Result<TestRun> Datapath::run(Hook hook, std::span<const std::uint8_t> frame, const nw_interface& interface, std::uint32_t repeat,
                              const RunContext& context) {
  if (state_->recorded == nullptr) return fail(Errc::internal, "test runs need a datapath without pins");
  if (!state_->run_interface || std::memcmp(&*state_->run_interface, &interface, sizeof(interface)) != 0) {
    if (auto done = state_->put_interface(kLoopback, interface); !done) return fail(std::move(done.error()).in("test run"));
    state_->run_interface = interface;
  }
  std::vector<std::uint8_t> out(frame.size() + 256);
  DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data(), .data_out = out.data(),
                      .data_size_in = static_cast<__u32>(frame.size()), .data_size_out = static_cast<__u32>(out.size()),
                      .repeat = static_cast<int>(repeat));
  __sk_buff skb{};
  skb.gso_segs = context.segments;
  skb.ingress_ifindex = context.ingress_ifindex;
  if (hook != Hook::xdp && (context.segments != 0 || context.ingress_ifindex != 0)) {
    opts.ctx_in = &skb;
    opts.ctx_size_in = sizeof(skb);
  }
  if (bpf_prog_test_run_opts(state_->program(hook), &opts) != 0) return fail(errno_error("test run", errno));
  if (opts.data_size_out != frame.size() || std::memcmp(out.data(), frame.data(), frame.size()) != 0)
    return fail(Errc::internal, "the program changed the packet");
  const volatile nw_recorded* recorded = state_->recorded;
  return TestRun{.return_code = static_cast<std::int32_t>(opts.retval),
                 .reason = recorded->reason,
                 .rule_counter = recorded->counter,
                 .logged = recorded->logged != 0,
                 .staged = recorded->staged,
                 .staged_counter = recorded->staged_counter,
                 .duration_ns = opts.duration};
}

}  // namespace nodewall::kernel
