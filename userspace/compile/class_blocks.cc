#include "compile/class_blocks.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace nodewall::compile {
namespace {

constexpr std::uint64_t kFaultExit = ~std::uint64_t{0};
constexpr unsigned kOpen = ~0U;

bool is_leaf(std::uint64_t exit) { return exit == kFaultExit || NW_REF_KIND(static_cast<std::uint32_t>(exit)) == NW_REF_LEAF; }

}  // namespace

bool ClassBlocks::work(std::uint64_t steps) {
  if (steps > steps_left_) given_up_ = true;
  steps_left_ -= std::min(steps, steps_left_);
  return !given_up_;
}

bool ClassBlocks::find(std::span<const std::uint32_t> roots, std::uint64_t most_steps) {
  steps_left_ = most_steps;
  given_up_ = false;
  below_.clear();
  for (unsigned dimension = 0; dimension < kBlockDimensions; ++dimension) {
    blocks_[dimension].assign(ids_[dimension].size(), 0);
    count_[dimension] = 1;
  }
  for (const auto root : roots)
    if (visit(root, 0).depth > NW_REF_MAX_DEPTH) given_up_ = true;
  if (!given_up_) return true;
  for (auto& blocks : blocks_) std::iota(blocks.begin(), blocks.end(), 0U);
  return false;
}

std::uint32_t ClassBlocks::block(unsigned dimension, std::uint32_t id) const {
  const auto& ids = ids_[dimension];
  return blocks_[dimension][static_cast<std::size_t>(std::ranges::lower_bound(ids, id) - ids.begin())];
}

ClassBlocks::Below ClassBlocks::visit(std::uint32_t ref, unsigned depth) {
  if (NW_REF_KIND(ref) == NW_REF_LEAF) return {};
  const auto [known, is_new] = below_.try_emplace(ref, Below{.depth = kOpen});
  // A node below itself, or more nodes in a row than a walk follows: nothing is said about such diagrams.
  if (!is_new && known->second.depth != kOpen) return known->second;
  if (!is_new || depth > NW_REF_MAX_DEPTH || !work(1)) {
    given_up_ = true;
    return {};
  }
  const auto dimension = NW_REF_DIM(ref);
  std::vector<Piece> pieces;
  descend(ref, dimension, 0, static_cast<std::uint32_t>(ids_[dimension].size()), 0, pieces);
  if (given_up_) return {};
  std::ranges::sort(pieces, {}, [](const Piece& piece) { return std::pair(piece.exit, piece.begin); });
  split(dimension, pieces);
  Below whole{.depth = 0, .addresses = dimension == NW_DIM_SOURCE || dimension == NW_DIM_DESTINATION};
  Below below;
  std::uint64_t before = kFaultExit;
  for (const auto& piece : pieces) {
    if (piece.exit != before) below = is_leaf(piece.exit) ? Below{} : visit(static_cast<std::uint32_t>(piece.exit), depth + 1);
    before = piece.exit;
    whole.depth = std::max(whole.depth, piece.steps + below.depth);
    whole.addresses = whole.addresses || below.addresses;
  }
  below_[ref] = whole;
  return whole;
}

std::optional<std::uint32_t> ClassBlocks::remainder(std::uint32_t root, std::uint32_t source, std::uint32_t destination) const {
  if (given_up_) return std::nullopt;
  auto ref = root;
  for (unsigned steps = 0; steps <= NW_REF_MAX_DEPTH; ++steps) {
    if (NW_REF_KIND(ref) == NW_REF_LEAF) return ref;
    const auto dimension = NW_REF_DIM(ref);
    if (dimension != NW_DIM_SOURCE && dimension != NW_DIM_DESTINATION) {
      const auto known = below_.find(ref);
      if (known == below_.end() || known->second.addresses) return std::nullopt;
      return ref;
    }
    const auto id = dimension == NW_DIM_SOURCE ? source : destination;
    const auto line = std::uint64_t{NW_REF_LINE(ref)} + (NW_REF_KIND(ref) == NW_REF_ROW ? id >> 4 : 0);
    if (line >= lines_.size()) return std::nullopt;
    if (NW_REF_KIND(ref) != NW_REF_LIST) {
      const auto shift = NW_REF_KIND(ref) == NW_REF_RADIX ? NW_REF_SHIFT(ref) * 4 & 31 : 0U;
      ref = lines_[line].words[id >> shift & 15];
      continue;
    }
    nw_list list;
    std::memcpy(&list, &lines_[line], sizeof(list));
    const auto key = std::ranges::find(list.keys, id);
    ref = list.children[key - std::begin(list.keys)];  // not there: the last
  }
  return std::nullopt;
}

void ClassBlocks::descend(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps,
                          std::vector<Piece>& pieces) {
  if (begin == end || given_up_) return;
  const bool leaves = NW_REF_KIND(ref) == NW_REF_LEAF || NW_REF_DIM(ref) != dimension;
  if (leaves) {
    pieces.push_back({begin, end, ref, steps});
    return;
  }
  if (steps > NW_REF_MAX_DEPTH || !work(1)) {
    given_up_ = true;
    return;
  }
  if (NW_REF_KIND(ref) == NW_REF_ROW) return descend_row(ref, dimension, begin, end, steps + 1, pieces);
  if (NW_REF_LINE(ref) >= lines_.size()) {
    pieces.push_back({begin, end, kFaultExit, steps});
    return;
  }
  if (NW_REF_KIND(ref) == NW_REF_LIST) return descend_list(ref, dimension, begin, end, steps + 1, pieces);
  descend_digits(ref, dimension, begin, end, steps + 1, pieces);
}

// Classes that are the same from the digit on up go together; neighbours with one child too.
void ClassBlocks::descend_digits(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps,
                                 std::vector<Piece>& pieces) {
  const auto& ids = ids_[dimension];
  const auto& line = lines_[NW_REF_LINE(ref)];
  const auto shift = NW_REF_SHIFT(ref) * 4 & 31;
  const auto child_of = [&](std::uint32_t at) { return line.words[ids[at] >> shift & 15]; };
  for (auto at = begin; at < end;) {
    const auto child = child_of(at);
    auto next = at;
    do {
      const auto beyond = ((std::uint64_t{ids[next]} >> shift) + 1) << shift;
      next = static_cast<std::uint32_t>(std::lower_bound(ids.begin() + next, ids.begin() + end, beyond) - ids.begin());
      if (!work(1)) return;
    } while (next < end && child_of(next) == child);
    descend(child, dimension, at, next, steps, pieces);
    at = next;
  }
}

void ClassBlocks::descend_list(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps,
                               std::vector<Piece>& pieces) {
  nw_list list;
  std::memcpy(&list, &lines_[NW_REF_LINE(ref)], sizeof(list));
  const auto& ids = ids_[dimension];
  std::array<std::pair<std::uint32_t, std::uint32_t>, 7> keys;  // (place in ids, child)
  std::size_t count = 0;
  for (unsigned i = 0; i < 7; ++i) {
    const auto found = std::lower_bound(ids.begin() + begin, ids.begin() + end, list.keys[i]);
    if (found == ids.begin() + end || *found != list.keys[i]) continue;
    const auto place = static_cast<std::uint32_t>(found - ids.begin());
    // A key that is there twice makes the walk take neither child: only a damaged list has one.
    for (std::size_t k = 0; k < count; ++k)
      if (keys[k].first == place) given_up_ = true;
    keys[count++] = {place, list.children[i]};
  }
  if (given_up_) return;
  std::sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count));
  auto at = begin;
  for (std::size_t i = 0; i < count; ++i) {
    descend(list.children[7], dimension, at, keys[i].first, steps, pieces);
    descend(keys[i].second, dimension, keys[i].first, keys[i].first + 1, steps, pieces);
    at = keys[i].first + 1;
  }
  descend(list.children[7], dimension, at, end, steps, pieces);
}

void ClassBlocks::descend_row(std::uint32_t ref, unsigned dimension, std::uint32_t begin, std::uint32_t end, std::uint32_t steps,
                              std::vector<Piece>& pieces) {
  const auto& ids = ids_[dimension];
  const auto child_of = [&](std::uint32_t at) -> std::uint64_t {
    const auto line = std::uint64_t{NW_REF_LINE(ref)} + (ids[at] >> 4);
    return line < lines_.size() ? lines_[line].words[ids[at] & 15] : kFaultExit;
  };
  if (!work(end - begin)) return;
  for (auto at = begin; at < end;) {
    const auto child = child_of(at);
    auto next = at + 1;
    while (next < end && child_of(next) == child) ++next;
    if (child == kFaultExit) pieces.push_back({at, next, kFaultExit, steps});
    else descend(static_cast<std::uint32_t>(child), dimension, at, next, steps, pieces);
    at = next;
  }
}

// `pieces` are sorted by exit. The exit of most classes needs no look: what is left in a block leaves by it.
void ClassBlocks::split(unsigned dimension, std::span<const Piece> pieces) {
  std::vector<std::pair<std::size_t, std::size_t>> groups;
  std::size_t usual = 0;
  std::uint64_t most = 0;
  for (std::size_t begin = 0; begin < pieces.size();) {
    auto end = begin;
    std::uint64_t classes = 0;
    for (; end < pieces.size() && pieces[end].exit == pieces[begin].exit; ++end) classes += pieces[end].end - pieces[end].begin;
    if (classes > most) {
      most = classes;
      usual = groups.size();
    }
    groups.emplace_back(begin, end);
    begin = end;
  }
  auto& blocks = blocks_[dimension];
  for (std::size_t group = 0; group < groups.size(); ++group) {
    if (group == usual) continue;
    std::unordered_map<std::uint32_t, std::uint32_t> renamed;
    for (auto i = groups[group].first; i < groups[group].second; ++i) {
      if (!work(pieces[i].end - pieces[i].begin)) return;
      for (auto at = pieces[i].begin; at < pieces[i].end; ++at) {
        const auto [fresh, is_new] = renamed.try_emplace(blocks[at], count_[dimension]);
        if (is_new) ++count_[dimension];
        blocks[at] = fresh->second;
      }
    }
  }
}

}  // namespace nodewall::compile
