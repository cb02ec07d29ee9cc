// A policy image from any bytes, in a block of exactly its size. The header's magic and version are made good, since anything else ends
// every use of it at once.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "maps/policy.h"

namespace nodewall::fuzz {

inline std::vector<nw_line> image_lines(std::span<const std::uint8_t> bytes) {
  std::vector<nw_line> lines((bytes.size() + sizeof(nw_line) - 1) / sizeof(nw_line));
  if (lines.empty()) return lines;
  std::memcpy(lines.data(), bytes.data(), bytes.size());
  auto& header = reinterpret_cast<nw_image_header&>(lines.front());
  header.magic = NW_MAGIC;
  header.version = NW_IMAGE_VERSION;
  return lines;
}

}  // namespace nodewall::fuzz
