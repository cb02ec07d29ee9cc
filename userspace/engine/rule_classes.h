// RuleClasses: what the rules can tell apart, found from the resolved policy alone; the other half of what `verify` compares.
//
// ChainRules is one chain of one endpoint as a list of entries in the order in which they are asked, each a conjunction of four
// predicates by number: source, destination, protocol with destination port (or ICMP type and code), source port. A header is, for this
// list, no more than which predicates it satisfies. Nothing here knows how images are compiled.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "compile/image_reader.h"
#include "compile/table_image.h"
#include "oracle/oracle.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::engine {

using compile::Uint128;
using Numbers = std::vector<std::uint32_t>;  // ascending, each once

struct Span {  // `id` holds from first to last, inclusive
  Uint128 first = 0, last = 0;
  std::uint32_t id = 0;
};

// Which numbers hold at one position after the other, in ascending order.
class Sweep {
 public:
  explicit Sweep(std::vector<Span> spans);
  [[nodiscard]] std::vector<Uint128> boundaries(Uint128 greatest) const;  // not in order
  const Numbers& at(Uint128 position);  // good until the next call
  [[nodiscard]] std::uint64_t moved() const { return moved_; }  // numbers, so far: the work

 private:
  struct Event {
    Uint128 position = 0;
    bool begins = false;
    std::uint32_t id = 0;
  };
  std::vector<Event> events_;
  std::size_t next_ = 0;
  Numbers active_;
  std::uint64_t moved_ = 0;
};

struct RuleEntry {
  std::uint32_t source = 0, destination = 0, l4 = 0, source_port = 0;  // predicates
  bool passes = false;         // to entry `next`
  std::uint32_t next = 0;
  oracle::ChainVerdict answer{};  // unless it passes
  std::uint32_t counter = NW_NO_COUNTER;  // slot of the answer's origin
};

// Which chain: what comes after its last tier, whose counters it has, and whether it is asked only what is to be logged.
struct ChainKind {
  std::uint32_t variant = NW_VARIANT_ENFORCED;  // NW_VARIANT_*
  std::uint32_t chain = NW_CHAIN_INGRESS;       // NW_CHAIN_*
  [[nodiscard]] bool log() const { return variant == NW_VARIANT_LOG; }
};

class ChainRules {
 public:
  ChainRules(const resolve::ChainPolicy& policy, ChainKind kind, const compile::Slots& slots);

  [[nodiscard]] const std::vector<RuleEntry>& entries() const { return entries_; }
  // The predicates that an address in exactly the sets `in_sets` satisfies.
  [[nodiscard]] Numbers sources(Family family, const Numbers& in_sets) const { return source_.satisfied(family, in_sets); }
  [[nodiscard]] Numbers destinations(Family family, const Numbers& in_sets) const { return destination_.satisfied(family, in_sets); }
  // Where predicates hold, in positions protocol << 16 | port or ICMP type << 8 | code.
  [[nodiscard]] std::vector<Span> l4_spans(Family family) const;
  [[nodiscard]] std::vector<Span> source_port_spans() const;

  // Entries by predicate.
  [[nodiscard]] const std::vector<Numbers>& by_source() const { return by_source_; }
  [[nodiscard]] const std::vector<Numbers>& by_destination() const { return by_destination_; }
  [[nodiscard]] const std::vector<Numbers>& by_l4() const { return by_l4_; }

 private:
  struct SidePredicate {
    std::vector<resolve::SetIndex> in, not_in;
    bool v4 = true, v6 = true;
    auto operator<=>(const SidePredicate&) const = default;
  };
  class Sides {
   public:
    std::uint32_t number(const SidePredicate& predicate);
    [[nodiscard]] Numbers satisfied(Family family, const Numbers& in_sets) const;
    [[nodiscard]] std::size_t size() const { return predicates_.size(); }

   private:
    [[nodiscard]] bool holds(const SidePredicate& predicate, Family family, const Numbers& in_sets) const;
    std::vector<SidePredicate> predicates_;
    std::map<SidePredicate, std::uint32_t> numbers_;
    std::unordered_map<resolve::SetIndex, Numbers> by_first_set_;
    Numbers without_set_;
  };
  using Ports = std::optional<std::vector<model::PortRange>>;
  struct L4Predicate {
    std::bitset<256> protocols;
    std::optional<model::Icmp> icmp, not_icmp;
    Ports ports;
  };

  void add(const resolve::ResolvedRule& rule, RuleEntry entry);
  void add_rule(const resolve::ResolvedRule& rule, std::uint32_t reason, bool may_pass);
  void add_end(oracle::ChainVerdict answer);
  void number(const resolve::ResolvedRule& rule, RuleEntry& entry);
  [[nodiscard]] std::uint32_t counter_of(const oracle::ChainVerdict& answer) const;

  ChainKind kind_;
  const compile::Slots& slots_;
  std::vector<RuleEntry> entries_;
  Sides source_, destination_;
  std::vector<L4Predicate> l4_;
  std::vector<Ports> source_ports_;
  std::map<std::vector<std::uint32_t>, std::uint32_t> l4_numbers_, source_port_numbers_;
  std::vector<Numbers> by_source_, by_destination_, by_l4_;
};

// Does the protocol have ports, or is it the family's ICMP?
bool protocol_has_ports(unsigned protocol);
bool is_icmp_of(unsigned protocol, Family family);

}  // namespace nodewall::engine
