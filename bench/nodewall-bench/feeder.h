// Test runs (BPF_PROG_TEST_RUN) of a program on a stream of frames: each run's packet is the next one of the stream, so caches see what
// they would see on a wire. The empty program is fed in the same way, and the difference is what the program costs.
#pragma once

#include "engine.h"
#include "stream.h"

namespace nodewall::bench {

class Feeder {
 public:
  // For programs at XDP, or else at tc.
  static Result<Feeder> make(const Lab& lab, const Stream& stream, bool xdp);
  // Nanoseconds a packet, the mean of `repeat` runs on the receiver's CPU.
  Result<double> time(int program, std::uint32_t repeat);
  // The same of one frame after another, each in the place of the stream's first and of its length.
  Result<std::vector<double>> time_each(int program, const std::vector<const Frame*>& frames, std::uint32_t repeat);

 private:
  Feeder(const Lab& lab, Skeleton programs, Fd kept, std::size_t bytes, bool xdp)
      : lab_(&lab), programs_(std::move(programs)), kept_(std::move(kept)), bytes_(bytes), xdp_(xdp) {}
  Status put_behind(int program);
  // Only inside the node's namespace.
  Result<double> run(std::uint32_t repeat) const;

  const Lab* lab_;
  Skeleton programs_;
  Fd kept_;
  std::size_t bytes_;
  bool xdp_;
  int fed_ = -1;
};

}  // namespace nodewall::bench
