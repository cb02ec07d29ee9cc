#include "compile/image_lines.h"

#include <algorithm>
#include <cstring>

namespace nodewall::compile {
namespace {

constexpr std::uint32_t kNear = 8;  // lines between two ranges that are copied rather than told apart

}  // namespace

std::uint32_t ImageLines::take(std::size_t count) {
  if (count == 1 && !single_.empty()) {
    const auto line = single_.back();
    single_.pop_back();
    --free_lines_;
    return line;
  }
  if (const auto piece = pieces_.find(count); piece != pieces_.end()) {
    const auto first = piece->second;
    pieces_.erase(piece);
    free_lines_ -= count;
    return first;
  }
  const auto first = lines_.size();
  if (first + count >= NW_MAX_IMAGE_LINES) return 0;
  // With an eighth to spare: a change that needs a line must not move millions.
  if (first + count > lines_.capacity()) lines_.reserve(first + first / 8 + count + 64);
  lines_.resize(first + count);
  if (notes_) touched_.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)});
  return static_cast<std::uint32_t>(first);
}

void ImageLines::give_back(std::uint32_t first, std::size_t count) {
  free_lines_ += count;
  if (count == 1) single_.push_back(first);
  else pieces_.emplace(count, first);
}

void ImageLines::write(std::uint32_t first, const void* bytes, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(bytes);
  for (std::size_t at = 0; at < size; at += NW_LINE_BYTES) {
    nw_line line{};
    std::memcpy(&line, from + at, std::min<std::size_t>(NW_LINE_BYTES, size - at));
    const auto number = first + static_cast<std::uint32_t>(at / NW_LINE_BYTES);
    if (std::memcmp(&lines_[number], &line, sizeof(line)) == 0) continue;
    lines_[number] = line;
    if (notes_) touched_.push_back({number, 1});
  }
}

std::vector<LineRange> ImageLines::take_changes() {
  std::ranges::sort(touched_, {}, &LineRange::first);
  std::vector<LineRange> ranges;
  for (const auto& it : touched_) {
    if (!ranges.empty() && it.first <= ranges.back().first + ranges.back().count + kNear)
      ranges.back().count = std::max(ranges.back().count, it.first + it.count - ranges.back().first);
    else
      ranges.push_back(it);
  }
  touched_.clear();
  return ranges;
}

}  // namespace nodewall::compile
