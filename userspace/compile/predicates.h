// Predicates: the criteria of rules, each content once, by number. kAny: no criterion.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compile/networks.h"
#include "compile/ports.h"

namespace nodewall::compile {

using PredicateId = std::uint32_t;
constexpr PredicateId kAny = 0xffffffffU;

// One side of a packet: of these families, in every set of `in` and in none of `not_in`.
struct SidePredicate {
  std::vector<SetId> in, not_in;  // sorted, unique
  std::uint8_t families = kBothFamilies;
  bool operator==(const SidePredicate&) const = default;
};

struct Criteria {
  PredicateId source = kAny, destination = kAny;  // in Predicates::sides
  PredicateId l4 = kAny;                          // in Predicates::l4
  PredicateId source_port = kAny;                 // in Predicates::source_ports
  bool operator==(const Criteria&) const = default;
};

class Predicates {
 public:
  explicit Predicates(const std::vector<resolve::AddressSet>& sets) : networks(sets) {}

  // Nothing: no packet can match the rule.
  std::optional<Criteria> of(const resolve::ResolvedRule& rule);
  [[nodiscard]] std::size_t count() const { return networks.size() + sides.size() + l4.size() + source_ports.size(); }
  // Does the predicate look at the family only?
  [[nodiscard]] bool family_only(PredicateId side) const { return sides[side].in.empty() && sides[side].not_in.empty(); }

  Networks networks;
  std::vector<SidePredicate> sides;
  std::vector<PortIntervals> l4, source_ports;
  // The first rule that has the predicate, for messages.
  std::vector<const resolve::ResolvedRule*> side_rules, l4_rules, source_port_rules;

 private:
  SidePredicate side_of(const resolve::Side& side, std::uint8_t& families);
  void simplify(SidePredicate& side, std::uint8_t families) const;
  PredicateId side_id(SidePredicate side, const resolve::ResolvedRule& rule);
  static PredicateId ports_id(PortIntervals ports, std::vector<PortIntervals>& known, ContentIndex& index,
                              std::vector<const resolve::ResolvedRule*>& rules, const resolve::ResolvedRule& rule);

  ContentIndex side_index_, l4_index_, source_port_index_;
};

}  // namespace nodewall::compile
