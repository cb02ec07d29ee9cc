// TableImage: the policy image of maps/policy.h, built in memory, with what user space needs to explain it.
//
//   Resolved --compile()--> TableImage --evaluate(packet)--> Judgement   (the `image` engine)
//                                      --kernel/--> inner map of nw_policy
//
// Pure: no file descriptors, no clocks. compile() fails only for a limit, and then names policy, rule and number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "maps/policy.h"
#include "oracle/oracle.h"
#include "resolve/endpoint_policy.h"
#include "resolve/packet.h"

namespace nodewall::compile {

// Stable numbers over the life of an engine: endpoint slots by host endpoint name, rule counter slots by origin and direction.
// A slot is reused only after its owner is gone. Kept by the engine and saved in its state file.
struct RuleKey {
  std::uint32_t direction = NW_INGRESS;
  resolve::Origin origin;
  auto operator<=>(const RuleKey&) const = default;
};

struct Slots {
  std::map<std::string, std::uint32_t> endpoints;
  std::map<RuleKey, std::uint32_t> rules;
  bool operator==(const Slots&) const = default;
};

// The slots for a new policy: owners that stay keep theirs, new ones take the lowest free, owners that went lose theirs.
Slots assign_slots(const Slots& previous, const resolve::Resolved& resolved);

// Whether both have the same owners, so that slots for the one are slots for the other. Asked in order: a rule that moved is another.
bool same_owners(const resolve::Resolved& a, const resolve::Resolved& b);

struct CostReport {
  std::size_t bytes = 0;            // of the image
  std::size_t address_bytes = 0;    // of these, address tables
  std::size_t diagram_bytes = 0;
  std::size_t address_classes = 0;
  std::size_t l4_classes = 0;
  std::size_t source_port_classes = 0;
  std::size_t rules = 0;            // entries of the rule table
  std::size_t deepest_diagram = 0;  // nodes on the longest path
};

struct TableImage {
  std::vector<nw_line> lines;  // lines[0] is the header
  std::vector<resolve::Origin> origins;  // by rule table index
  CostReport cost;
};

struct LineRange {
  std::uint32_t first = 0, count = 0;
  bool operator==(const LineRange&) const = default;
};

// What one root of diagrams may cost; beyond it compile() refuses. The defaults let 100,000 rules of two networks through and end after
// about ten seconds.
struct CompileLimits {
  std::size_t diagram_nodes = std::size_t{6} << 20;
  std::uint64_t diagram_steps = std::uint64_t{1} << 24;
  std::size_t spare_nodes = std::size_t{1} << 15;  // that nobody needs any more and a Compiler keeps, beside half of what it needs
};

Result<TableImage> compile(const resolve::Resolved& resolved, const Slots& slots, const CompileLimits& limits = {});

// The image walked in user space with the program's own text (maps/policy_walk.h): for oracle::judge, which knows the way of a packet.
// `slot` is an endpoint's; a chain that it does not have in this variant answers NW_NEXT.
oracle::ChainVerdict ask(const TableImage& image, std::uint32_t slot, std::uint32_t variant, std::uint32_t chain,
                         const resolve::PacketQuery& packet);
// One chain of the packet's direction, of a slot.
resolve::Judgement evaluate(const TableImage& image, std::uint32_t endpoint, const resolve::PacketQuery& packet);

}  // namespace nodewall::compile
