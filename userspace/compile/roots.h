// Roots: the three diagrams of one chain: for rules that look at sources (or at no address), at destinations, at both.
//
// Each diagram answers with its own first rule, and the least decides. Kept apart because together they would multiply: a
// thousand sources beside a thousand destinations are a million combinations. A Pass stands in every diagram: each then goes on
// with the next segment where the packet does, and what it says about rules in front of the Pass is not touched.
#pragma once

#include <array>
#include <span>

#include "base/result.h"
#include "compile/diagram.h"
#include "compile/flatten.h"

namespace nodewall::compile {

struct PredicateClasses {  // the classes that satisfy a predicate, by PredicateId
  std::vector<Runs> sides, l4, source_ports;
};

class RootBuilder {
 public:
  // `limits`: what one root may cost.
  RootBuilder(Diagrams& diagrams, const Predicates& predicates, const PredicateClasses& classes, DiagramLimits limits);

  Result<std::array<Edge, 3>> build(const Chain& chain);

 private:
  enum Kind : std::uint8_t { kSources, kDestinations, kBoth, kNeither, kKinds };
  struct Item {
    std::array<PredicateId, kDimensions> keys{};  // in the order of the dimensions on a path
    Edge leaf = kNothing;
    const resolve::ResolvedRule* rule = nullptr;
  };
  struct Plan {  // which kinds of rules stand in a root
    std::array<bool, kKinds> has{};
    bool says_end = false;  // one root says where a tier ends
  };

  struct Root {
    Edge edge = kNothing;
    bool source_first = true;
  };

  [[nodiscard]] Kind kind(const Criteria& criteria) const;
  [[nodiscard]] std::array<Plan, 3> plan(const Chain& chain) const;
  Result<Root> build_root(const Chain& chain, const Plan& plan);
  Edge build_chain(const Chain& chain, const Plan& plan, const Diagrams::Order& order);
  [[nodiscard]] std::vector<Item> items_of(const Segment& segment, const Plan& plan, const Diagrams::Order& order) const;
  Edge build_items(std::span<const Item> items, const Diagrams::Order& order, unsigned depth);
  [[nodiscard]] const Runs& runs(unsigned dimension, PredicateId predicate) const;
  void join(Root& a, Root& b);
  [[nodiscard]] std::size_t size(Edge edge, std::size_t most) const;

  Diagrams& diagrams_;
  const Predicates& predicates_;
  const PredicateClasses& classes_;
  const DiagramLimits limits_;
  std::array<Runs, kDimensions> everything_;
  const resolve::ResolvedRule* blamed_ = nullptr;  // where the bound was reached
};

}  // namespace nodewall::compile
