// HeaderAxes: the header space cut into classes, with a representative of each (see verify.h).
//
// AddressClasses is made once for the image; header_axes() narrows it to what one chain can tell apart.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "compile/class_blocks.h"
#include "compile/image_reader.h"
#include "engine/rule_classes.h"

namespace nodewall::engine {

// Addresses with one class of the tables and in the same address sets of the policy.
struct AddressClass {
  Family family = Family::v4;
  std::uint32_t image_class = compile::kFaultClass;
  std::uint32_t membership = 0;  // in AddressClasses::memberships
  Uint128 representative = 0;
  unsigned rank = 0;             // of the representative: an own address of the host before a usual one before any
};

struct AddressClasses {
  std::vector<AddressClass> classes;
  std::vector<Numbers> memberships;  // sets
  std::size_t regions = 0;
};

// Errc::limit: more overlap than can be gone through. Errc::abi: no compiler made the image.
Result<AddressClasses> address_classes(const resolve::Resolved& resolved, const compile::ImageReader& image);

// Protocol, destination port or ICMP type and code, and source port.
struct TransportClass {
  std::uint32_t l4 = 0, source_port = 0;  // in HeaderAxes
  std::uint8_t protocol = 0;
  std::uint16_t destination = 0;
  std::uint16_t source = 0;
};

struct SideClass {
  std::uint32_t image_class = compile::kFaultClass;  // of the representative
  Uint128 representative = 0;
  unsigned rank = 0;
  Numbers satisfied;  // predicates
};

struct FamilyAxes {
  Family family = Family::v4;
  std::vector<SideClass> sources, destinations;
  std::vector<Numbers> l4, source_ports;  // predicates satisfied, by number in TransportClass
  std::vector<TransportClass> transports;
  [[nodiscard]] std::uint64_t combinations() const { return std::uint64_t{sources.size()} * destinations.size() * transports.size(); }
};

struct HeaderAxes {
  std::vector<FamilyAxes> families;
  compile::ClassBlocks blocks;
};

// `most_steps`: what looking for alike classes may cost; beyond it none are alike.
HeaderAxes header_axes(const AddressClasses& addresses, const compile::ImageReader& image, const ChainRules& rules,
                                    std::span<const std::uint32_t> roots, std::uint64_t most_steps);

}  // namespace nodewall::engine
