// ImageReader: a policy image as it was read back, asked what it says. It believes nothing of the bytes: damaged tables answer with a
// fault, never with a read outside.
//
// Addresses are positions: IPv4 in 32 bits, IPv6 in 128, host order. A region is named by its start and ends before the next start.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "compile/networks.h"
#include "maps/policy.h"
#include "resolve/packet.h"

namespace nodewall::compile {

constexpr std::uint32_t kFaultClass = 0xffffffffU;  // the tables have no answer

struct ImageAnswer {
  std::uint32_t verdict = NW_DENY;  // NW_DENY, NW_ALLOW, NW_NEXT, NW_LOG
  std::uint32_t reason = NW_REASON_NONE;
  std::uint32_t rule = kFaultClass;  // in the rule table
  std::uint32_t counter = kFaultClass;
  bool staged = false;
};

struct ClassRun {  // ports from `first` on, up to the next run
  std::uint32_t first = 0;
  std::uint32_t id = 0;
};

Uint128 position_of(const Address& address);
Address address_at(Family family, Uint128 position);

class ImageReader {
 public:
  explicit ImageReader(std::span<const nw_line> lines) : lines_(lines) {}

  Status check() const;  // the header, before anything else is asked
  [[nodiscard]] nw_image_header header() const;
  [[nodiscard]] std::span<const nw_line> lines() const { return lines_; }
  // Nothing: beyond the image, or there is no such chain.
  [[nodiscard]] std::optional<nw_image_endpoint> endpoint(std::uint32_t slot, std::uint32_t variant, std::uint32_t chain) const;

  // Ascending starts, the first one 0, of regions each of which has one class. No boundary of `more` is inside a region, except for
  // IPv6 regions that are a product: every `high` of an interval with a `low` of an interval; they are named by their least address.
  // Errc::abi: the tables lead to the same nodes from so many places that no compiler made them, and going on could take for ever.
  [[nodiscard]] Result<std::vector<Uint128>> regions(Family family, const std::vector<Uint128>& more) const;
  [[nodiscard]] std::uint32_t address_class(Family family, Uint128 position) const;
  [[nodiscard]] std::vector<ClassRun> l4_runs(unsigned protocol) const;
  [[nodiscard]] std::vector<ClassRun> source_port_runs(unsigned protocol) const;

  // What the tables answer to the packet, by the program's own text (maps/policy_walk.h).
  [[nodiscard]] ImageAnswer ask(std::uint32_t slot, std::uint32_t variant, std::uint32_t chain,
                                const resolve::PacketQuery& packet) const;

 private:
  [[nodiscard]] std::vector<ClassRun> runs(std::uint32_t field) const;
  [[nodiscard]] nw_protocol protocol(unsigned number) const;

  std::span<const nw_line> lines_;
};

}  // namespace nodewall::compile
