#include "stream.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstring>

#include "bench/bpf/frame.h"
#include "bpf/bench.skel.h"
#include "engine/frame.h"

namespace nodewall::bench {
namespace {

constexpr std::size_t kHeaderBytes = BENCH_HEADER_BYTES, kMostHeaderBytes = BENCH_FRAME_BYTES;

}  // namespace

void SkeletonDelete::operator()(bench_bpf* skeleton) const { bench_bpf__destroy(skeleton); }

Status write_frame(const bench_bpf& programs, std::uint32_t index, const Frame& frame, const Mac& destination) {
  std::array<std::uint8_t, kMostHeaderBytes> bytes{};
  std::memcpy(bytes.data(), frame.data(), std::min(frame.size(), bytes.size()));
  std::memcpy(bytes.data(), destination.data(), destination.size());
  if (bpf_map_update_elem(bpf_map__fd(programs.maps.frames), &index, bytes.data(), BPF_ANY) == 0) return {};
  return fail(errno_error("write frames", errno));
}

Result<Skeleton> load_programs(const Stream& stream, const Mac& destination) {
  const auto& frames = stream.frames;
  if (frames.empty() || frames.size() > BENCH_MAX_FRAMES || (frames.size() & (frames.size() - 1)) != 0)
    return fail(Errc::internal, "the number of frames is a power of two up to 65,536");
  for (const auto& frame : frames)
    if (frame.size() != frames.front().size()) return fail(Errc::internal, "the frames of a stream have one length");
  Skeleton skeleton(bench_bpf__open());
  if (!skeleton) return fail(errno_error("open the harness's programs", errno));
  const std::size_t header = frames.front().size() >= kMostHeaderBytes ? kMostHeaderBytes : kHeaderBytes;
  skeleton->rodata->frame_mask = static_cast<std::uint32_t>(frames.size() - 1);
  skeleton->rodata->header_bytes = static_cast<std::uint32_t>(header);
  skeleton->rodata->vary_at = stream.vary_at;
  if (const int done = bench_bpf__load(skeleton.get()); done != 0) return fail(errno_error("load the harness's programs", -done));
  for (std::uint32_t i = 0; i < frames.size(); ++i)
    if (auto done = write_frame(*skeleton, i, frames[i], destination); !done) return fail(done.error());
  return skeleton;
}

Frame to_frame(const resolve::PacketQuery& packet, std::uint32_t frame_bytes) {
  auto frame = engine::build_frame(packet);
  if (frame.size() < frame_bytes) frame.resize(frame_bytes);  // padding behind the packet
  return frame;
}

void same_length(std::vector<Frame>& frames) {
  std::size_t longest = 0;
  for (const auto& frame : frames) longest = std::max(longest, frame.size());
  if (longest > kHeaderBytes) longest = std::max(longest, kMostHeaderBytes);
  for (auto& frame : frames) frame.resize(longest);
}

std::uint32_t source_port_at(Family family) { return family == Family::v4 ? 34 : 54; }

}  // namespace nodewall::bench
