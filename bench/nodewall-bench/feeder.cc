#include "feeder.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <cerrno>

#include "bench/bpf/frame.h"
#include "bpf/bench.skel.h"

namespace nodewall::bench {
namespace {

// The kernel takes an XDP program into its dispatcher for each test run, and waits for a grace period at the beginning and at the end of each; not
// for one that is attached anyway. So it is attached where no packet comes: to the loopback device of the sender.
Result<Fd> keep_attached(const Lab& lab, int program) {
  constexpr int kLoopback = 1;
  int link = -1, error = 0;
  lab.sender().inside([&] {
    DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_SKB_MODE);
    link = bpf_link_create(program, kLoopback, BPF_XDP, &opts);
    error = errno;
  });
  return link < 0 ? Result<Fd>(fail(errno_error("attach the feeder", error))) : Result<Fd>(Fd(link));
}

}  // namespace

Result<Feeder> Feeder::make(const Lab& lab, const Stream& stream, bool xdp) {
  auto programs = load_programs(stream, lab.mac());
  if (!programs) return fail(programs.error());
  Result<Fd> kept = Fd();
  if (xdp) kept = keep_attached(lab, bpf_program__fd((*programs)->progs.feed_xdp));
  if (!kept) return fail(kept.error());
  return Feeder(lab, std::move(*programs), std::move(*kept), stream.frames.front().size(), xdp);
}

Status Feeder::put_behind(int program) {
  const __u32 first = 0;
  if (fed_ != program && bpf_map_update_elem(bpf_map__fd(xdp_ ? programs_->maps.next_xdp : programs_->maps.next_tc), &first, &program, BPF_ANY) != 0)
    return fail(errno_error("put a program behind the feeder", errno));
  fed_ = program;
  return {};
}

Result<double> Feeder::run(std::uint32_t repeat) const {
  std::vector<std::uint8_t> data(std::max<std::size_t>(bytes_, BENCH_HEADER_BYTES));
  data[12] = 0x08;  // a protocol, for what tc makes of a frame before any program sees it
  xdp_md at_xdp{};
  at_xdp.data_end = static_cast<__u32>(data.size());
  at_xdp.ingress_ifindex = lab_->ifindex();
  __sk_buff at_tc{};
  at_tc.ifindex = lab_->ifindex();
  DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data.data(), .data_size_in = static_cast<__u32>(data.size()), .repeat = static_cast<int>(repeat));
  opts.ctx_in = xdp_ ? static_cast<void*>(&at_xdp) : static_cast<void*>(&at_tc);
  opts.ctx_size_in = xdp_ ? sizeof(at_xdp) : sizeof(at_tc);
  const int done = bpf_prog_test_run_opts(bpf_program__fd(xdp_ ? programs_->progs.feed_xdp : programs_->progs.feed_tc), &opts);
  if (done != 0) return fail(errno_error("test run", -done));
  return static_cast<double>(opts.duration);
}

Result<double> Feeder::time(int program, std::uint32_t repeat) {
  if (auto done = put_behind(program); !done) return fail(done.error());
  Result<double> ns = 0.0;
  lab_->node().inside([&] {
    Lab::pin_to_receiver();
    ns = run(repeat);
  });
  return ns;
}

Result<std::vector<double>> Feeder::time_each(int program, const std::vector<const Frame*>& frames, std::uint32_t repeat) {
  if (auto done = put_behind(program); !done) return fail(done.error());
  std::vector<double> all;
  Status status;
  lab_->node().inside([&] {
    Lab::pin_to_receiver();
    for (const Frame* frame : frames) {
      status = write_frame(*programs_, 0, *frame, lab_->mac());
      const auto ns = status ? run(repeat) : Result<double>(fail(status.error()));
      if (!ns) status = fail(ns.error());
      if (!status) return;
      all.push_back(*ns);
    }
  });
  return status ? Result<std::vector<double>>(std::move(all)) : fail(status.error());
}

}  // namespace nodewall::bench
