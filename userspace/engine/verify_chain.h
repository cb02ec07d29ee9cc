// One chain of an endpoint compared with its rules, combination by combination: a part of verify_policy().
#pragma once

#include <string>

#include "compile/image_reader.h"
#include "engine/header_axes.h"
#include "engine/rule_classes.h"
#include "engine/verify.h"

namespace nodewall::engine {

inline constexpr nw_image_endpoint kNoEntry = {.roots = {NW_NO_MATCH, NW_NO_MATCH, NW_NO_MATCH}, .default_rule = NW_SLOT_UNUSED};

// One variant of one chain of an endpoint.
struct Subject {
  std::uint32_t slot = 0;
  ChainKind kind;
  const resolve::EndpointPolicy* endpoint = nullptr;
  const resolve::ChainPolicy* policy = nullptr;
  nw_image_endpoint entry = kNoEntry;
  std::string interface;  // one that it governs

  [[nodiscard]] std::uint32_t direction() const { return resolve::direction_of(kind.chain); }
};

std::string chain_text(ChainKind kind);  // as in Difference

// Errc::internal: the rules as they are read here and the oracle differ.
Status compare_chain(const Expectation& expectation, const compile::ImageReader& image, const AddressClasses& addresses,
                     const VerifyLimits& limits, const Subject& subject, VerifyReport& report);

}  // namespace nodewall::engine
