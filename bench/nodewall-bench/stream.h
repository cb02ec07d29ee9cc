// Frames for the harness's programs: those that the generator sends over the wire, and those that a feeder puts before a program.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "resolve/packet.h"

struct bench_bpf;

namespace nodewall::bench {

using Frame = std::vector<std::uint8_t>;

struct Stream {
  std::vector<Frame> frames;  // a power of two, all of one length; the destination MAC address is filled in
  std::uint32_t vary_at = 0;  // offset of two bytes that are random in every frame sent; 0: none
};

struct SkeletonDelete {
  void operator()(bench_bpf* skeleton) const;
};
using Skeleton = std::unique_ptr<bench_bpf, SkeletonDelete>;
using Mac = std::array<std::uint8_t, 6>;

// The programs of bench.bpf.c, loaded for this stream.
Result<Skeleton> load_programs(const Stream& stream, const Mac& destination);
Status write_frame(const bench_bpf& programs, std::uint32_t index, const Frame& frame, const Mac& destination);

// One packet as a frame of that length or its own, whichever is longer.
Frame to_frame(const resolve::PacketQuery& packet, std::uint32_t frame_bytes);
// All as long as the longest, and where headers go beyond what is written of a short frame as long as what is written of a long one.
void same_length(std::vector<Frame>& frames);
// Where the source port is, in a frame of TCP or UDP without options.
std::uint32_t source_port_at(Family family);

}  // namespace nodewall::bench
