// The policy image: two banks of chunks (maps/policy.h).
#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernel/mapped.h"
#include "kernel/state.h"

namespace nodewall::kernel {
namespace {

constexpr __u32 kZero = 0;
constexpr int kReadTries = 8;

std::size_t chunk_count(std::size_t lines) { return (lines + NW_CHUNK_LINES - 1) / NW_CHUNK_LINES; }

Fd create_chunk() {
  DECLARE_LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
  return Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "nw_chunk", sizeof(__u32), sizeof(nw_chunk), 1, &opts));
}

Error damaged(const char* why) { return Error{.code = Errc::abi, .what = std::string("the policy image in the kernel is damaged: ") + why, .sys_errno = 0, .context = {}}; }

// What has to be copied into a bank that lacks `last`; nothing: all.
std::optional<std::vector<LineRange>> ranges_to_copy(const std::optional<std::vector<LineRange>>& last,
                                                     std::optional<std::span<const LineRange>> changed, std::size_t lines) {
  if (!last || !changed) return std::nullopt;
  const auto all = static_cast<std::uint32_t>(lines);
  auto ranges = *last;
  ranges.insert(ranges.end(), changed->begin(), changed->end());
  for (auto& range : ranges) {
    range.first = std::min(range.first, all);
    range.count = std::min(range.count, all - range.first);
  }
  return ranges;
}

Status copy_into(Chunk& chunk, std::uint32_t index, std::span<const nw_line> lines, const std::vector<LineRange>& ranges) {
  const std::uint64_t begin = std::uint64_t{index} * NW_CHUNK_LINES;
  const std::uint64_t end = std::min<std::uint64_t>(begin + NW_CHUNK_LINES, lines.size());
  for (const auto& range : ranges) {
    const auto from = std::max<std::uint64_t>(range.first, begin), to = std::min<std::uint64_t>(std::uint64_t{range.first} + range.count, end);
    if (from >= to) continue;
    if (!chunk.memory) {
      auto memory = Mapped::writable(chunk.map.get(), sizeof(nw_chunk));
      if (!memory) return fail(std::move(memory.error()).in("write the policy image"));
      chunk.memory.emplace(std::move(*memory));
    }
    std::memcpy(chunk.memory->as<nw_line>() + (from - begin), &lines[from], (to - from) * sizeof(nw_line));
  }
  return {};
}

Result<std::vector<nw_line>> copy_of_bank(std::span<const Chunk> chunks) {
  if (chunks.empty()) return fail(damaged("its first part is missing"));
  std::vector<nw_line> lines;
  for (std::size_t done = 0, total = 1; done < total; done = lines.size()) {
    const auto index = done / NW_CHUNK_LINES;
    if (index >= chunks.size()) return fail(damaged("a part is missing"));
    const auto mapped = Mapped::read_only(chunks[index].map.get(), sizeof(nw_chunk));
    if (!mapped) return fail(mapped.error());
    const auto* part = mapped->as<const nw_line>();
    if (index == 0) {
      total = reinterpret_cast<const nw_image_header*>(part)->line_count;
      if (total == 0 || total > NW_MAX_IMAGE_LINES) return fail(damaged("its header has no sound number of lines"));
      lines.reserve(total);
    }
    lines.insert(lines.end(), part, part + std::min<std::size_t>(NW_CHUNK_LINES, total - done));
  }
  return lines;
}

}  // namespace

Result<nw_live> Datapath::State::live() const {
  nw_live live{};
  if (bpf_map_lookup_elem(map(skeleton->maps.data_nw_live), &kZero, &live) != 0) return fail(errno_error("read which policy is live", errno));
  live.bank &= NW_BANKS - 1;  // as the programs read it: a damaged word is written anew by the next policy
  return live;
}

Status Datapath::State::open_chunks(std::uint32_t bank) {
  const int outer = map(skeleton->maps.nw_policy);
  auto& known = chunks[bank];
  for (std::uint32_t i = 0; i < NW_MAX_CHUNKS; ++i) {
    const __u32 entry = nw_chunk_entry(bank, i);
    if (i == known.size()) known.emplace_back();
    const int before = known[i].map.get();
    auto opened = inner_map(outer, entry, known[i].map);
    if (known[i].map.get() != before) known[i].memory.reset();
    if (opened) continue;
    known.resize(i);
    if (opened.error().sys_errno == ENOENT) break;
    return fail(opened.error());
  }
  return {};
}

// The standby bank gets as many chunks as the image needs, no more; and ours where somebody took them away.
Status Datapath::State::fit_chunks(std::uint32_t bank, std::size_t count) {
  auto& have = chunks[bank];
  const int outer = map(skeleton->maps.nw_policy);
  for (std::size_t i = 0; i < std::min(have.size(), count); ++i) {
    const __u32 entry = nw_chunk_entry(bank, static_cast<std::uint32_t>(i));
    const int ours = have[i].map.get();
    if (stands_at(outer, entry, ours)) continue;
    if (bpf_map_update_elem(outer, &entry, &ours, BPF_ANY) != 0) return fail(errno_error("put a part of the policy image back", errno));
  }
  for (; have.size() > count; have.pop_back()) {
    const __u32 entry = nw_chunk_entry(bank, static_cast<std::uint32_t>(have.size() - 1));
    if (bpf_map_delete_elem(outer, &entry) != 0 && errno != ENOENT) return fail(errno_error("remove a part of the policy image", errno));
  }
  std::vector<Fd> made;
  while (have.size() + made.size() < count) {
    made.push_back(create_chunk());
    if (!made.back().valid()) return fail(errno_error("create a part of the policy image", errno));
  }
  if (auto done = put_inner_maps(outer, nw_chunk_entry(bank, static_cast<std::uint32_t>(have.size())), made); !done)
    return fail(std::move(done.error()).in("policy image"));
  for (auto& map : made) have.push_back({.map = std::move(map), .memory = {}});
  return {};
}

// One store: a packet sees the old policy or the new one.
Status Datapath::State::go_live(const nw_live& next) {
  const auto mapped = Mapped::writable(map(skeleton->maps.data_nw_live), sizeof(nw_live));
  if (!mapped) return fail(std::move(mapped.error()).in("make the policy image live"));
  std::uint64_t word = 0;
  static_assert(sizeof(word) == sizeof(next));
  std::memcpy(&word, &next, sizeof(word));
  __atomic_store_n(mapped->as<std::uint64_t>(), word, __ATOMIC_RELEASE);
  return {};
}

// Into the bank that is not live, where no packet reads. Nothing said of what it lacks: all.
Status Datapath::State::write_standby(std::uint32_t bank, std::span<const nw_line> lines, const std::optional<std::vector<LineRange>>& lacks) {
  const std::vector<LineRange> whole{{0, static_cast<std::uint32_t>(lines.size())}};
  const auto before = chunks[bank].size();
  const auto count = chunk_count(lines.size());
  if (auto done = fit_chunks(bank, count); !done) return done;
  for (std::uint32_t i = 0; i < count; ++i)
    if (auto done = copy_into(chunks[bank][i], i, lines, lacks && i < before ? *lacks : whole); !done) return done;
  return {};
}

Status Datapath::set_policy(std::span<const nw_line> lines, std::uint32_t generation, std::optional<std::span<const LineRange>> changed) {
  if (lines.empty() || lines.size() > NW_MAX_IMAGE_LINES) return fail(Errc::limit, "an image has 1 to 16,777,216 lines");
  if (auto done = settle(); !done) return done;  // the other bank may still have readers
  auto live = state_->live();
  if (!live) return fail(live.error());
  const nw_live next{.bank = live->bank ^ 1U, .generation = generation};
  const auto lacks = ranges_to_copy(state_->standby_changes, changed, lines.size());
  state_->standby_changes.reset();  // until all is written
  if (auto done = state_->write_standby(next.bank, lines, lacks); !done) return done;
  if (auto done = state_->go_live(next); !done) return done;
  // What the other bank lacks from now on.
  if (changed && state_->last_given) state_->standby_changes.emplace(changed->begin(), changed->end());
  state_->last_given = true;
  state_->unsettled = true;
  return {};
}

Status Datapath::catch_up(std::span<const nw_line> lines) {
  if (auto done = settle(); !done) return done;
  auto& lacks = state_->standby_changes;
  if (!state_->last_given || (lacks && lacks->empty())) return {};
  const auto live = state_->live();
  if (!live) return fail(live.error());
  const auto ranges = ranges_to_copy(lacks, std::span<const LineRange>{}, lines.size());
  lacks.reset();  // until all is written
  if (auto done = state_->write_standby(live->bank ^ 1U, lines, ranges); !done) return done;
  lacks.emplace();
  return {};
}

Status Datapath::settle() {
  if (!state_->unsettled) return {};
  if (auto done = state_->wait_for_packets(); !done) return done;
  state_->unsettled = false;
  return {};
}

std::uint32_t Datapath::generation() const {
  const auto live = state_->live();
  return live ? live->generation : 0;
}

Result<std::vector<nw_line>> Datapath::read_policy() const {
  for (int i = 0; i < kReadTries; ++i) {
    const auto before = state_->live();
    if (!before) return fail(before.error());
    if (before->generation == 0) return fail(Errc::not_found, "there is no policy image in the kernel");
    if (auto opened = state_->open_chunks(before->bank); !opened) return fail(opened.error());
    auto lines = copy_of_bank(state_->chunks[before->bank]);
    const auto after = state_->live();
    if (!after) return fail(after.error());
    // The bank that was read may have been written again when another is live by now.
    if (after->generation == before->generation && after->bank == before->bank) return lines;
  }
  return fail(Errc::busy, "the policy changes faster than it can be read");
}

}  // namespace nodewall::kernel
