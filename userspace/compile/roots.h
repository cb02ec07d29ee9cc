// Roots: the three diagrams of one chain: for rules that look at sources (or at no address), at destinations, at both.
//
// Each diagram answers with its own first rule, and the least decides. Kept apart because together they would multiply: a
// thousand sources beside a thousand destinations are a million combinations. A Pass stands in every diagram: each then goes on
// with the next segment where the packet does, and what it says about rules in front of the Pass is not touched.
//
// They are kept: a change of some rules makes them anew from what it left alone.
#pragma once

#include <array>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "compile/combination.h"
#include "compile/flatten.h"

namespace nodewall::compile {

struct RootContext {
  Diagrams& diagrams;
  const Predicates& predicates;
  const PredicateClasses& classes;
  DiagramLimits limits;  // what one root may cost
};

struct TermChange {  // a rule that stays where it is, with other criteria
  std::size_t segment = 0;
  Edge leaf = kNothing;
  Criteria before, after;
};

class Roots {
 public:
  Status build(const Chain& chain, const RootContext& context);
  // False: it takes a build() of the whole chain.
  bool update(std::span<const TermChange> changes, const DirtyPredicates& dirty, const RootContext& context);
  [[nodiscard]] const std::array<Edge, 3>& edges() const { return edges_; }
  void append_edges(std::vector<Edge>& edges) const;  // the diagrams that the next update() begins with

 private:
  enum Kind : std::uint8_t { kSources, kDestinations, kBoth, kNeither, kKinds };
  struct Plan {  // which kinds of rules stand in a root
    std::array<bool, kKinds> has{};
    bool says_end = false;  // one root says where a tier ends
  };
  struct SegmentState {
    Combination combination{0};
    bool has_items = false;
    std::optional<Edge> end;
  };
  struct Root {
    Edge edge = kNothing;
    bool source_first = true;
    std::vector<SegmentState> segments;  // none: no rule stands in it
  };

  [[nodiscard]] static Kind kind(const Criteria& criteria, const Predicates& predicates);
  [[nodiscard]] static std::array<Plan, 3> plan(const Chain& chain, const Predicates& predicates);
  [[nodiscard]] static Item item_of(Edge leaf, Criteria criteria, const Plan& plan, const Diagrams::Order& order,
                                    const Predicates& predicates);
  static Result<Root> build_root(const Chain& chain, const Plan& plan, const RootContext& context);
  // Past the bound: a leaf where it was reached.
  using Evaluated = std::expected<Edge, std::optional<Edge>>;
  static Evaluated build_chain(const Chain& chain, const Plan& plan, Root& root, const RootContext& context);
  static Evaluated evaluate(Root& root, const Plan& plan, const RootContext& context);
  bool update_root(std::size_t number, std::span<const TermChange> changes, const DirtyPredicates& dirty, const RootContext& context);
  void join_all(Diagrams& diagrams);

  std::array<Plan, 3> plans_;
  std::array<Root, 3> roots_;
  std::array<Edge, 3> edges_{kNothing, kNothing, kNothing};
};

}  // namespace nodewall::compile
