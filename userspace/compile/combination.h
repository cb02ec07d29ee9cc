// Combination: the least of many rules as one diagram, kept so that a change of a few rules costs little.
//
// It is about one dimension. Rules that have one predicate there are a part: what is inside it is decided by the dimensions behind,
// by rules that are few (combined anew when one changes) or many (a Combination of their own). The parts are brought together in two ways:
//
//   narrow  few classes to a run: class by class. The edges of each class are kept; only classes that a change touches are looked at
//   broad   a diagram of its own each, then the least of all, pair by pair. Who is paired with whom depends on hashes of predicates
//           and not on places, so that what did not change meets what it met before, and Diagrams knows the answer
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compile/diagram.h"
#include "compile/predicates.h"

namespace nodewall::compile {

struct PredicateClasses {  // the classes that satisfy a predicate, by PredicateId
  std::vector<Runs> sides;
  const std::vector<Runs>* l4 = nullptr;
  const std::vector<Runs>* source_ports = nullptr;
  std::array<Runs, kDimensions> everything;

  [[nodiscard]] const Runs& of(unsigned dimension, PredicateId predicate) const;
};

struct Item {
  std::array<PredicateId, kDimensions> keys{};  // in the order of the dimensions on a path
  Edge leaf = kNothing;
  auto operator<=>(const Item&) const = default;
};

// Whether a predicate's classes changed, by dimension; none did where a list is empty.
using DirtyPredicates = std::array<std::vector<bool>, kDimensions>;

struct CombineContext {
  Diagrams& diagrams;
  const PredicateClasses& classes;
  const Diagrams::Order& order;
  std::optional<Edge> blamed = {};  // a leaf where the bound was reached
};

class Combination {
 public:
  explicit Combination(unsigned depth) : depth_(depth) {}

  void build(std::span<const Item> items);  // sorted, at least one
  void remove(const Item& item);
  void add(const Item& item);
  void touch(const DirtyPredicates& dirty, const Diagrams::Order& order);
  Edge evaluate(CombineContext& context);
  void append_edges(std::vector<Edge>& edges) const;  // the diagrams that the next evaluate() begins with

 private:
  struct PartState {
    PredicateId key = kAny;
    bool stale = true;  // what is inside has to be combined again
    bool moved = true;  // its classes, or what is inside, are not those that were combined last
    bool combined = false;
    Edge inside = kNothing;
    std::vector<Item> items;             // a few
    std::unique_ptr<Combination> inner;  // or many
  };
  struct ClassEdge {
    std::uint32_t id = 0;
    PredicateId key = kAny;
    Edge edge = kNothing;
  };
  struct BroadPart {
    std::uint32_t first_class = 0;
    PredicateId key = kAny;
    Edge edge = kNothing;
    auto operator<=>(const BroadPart&) const = default;
  };

  PartState* find(PredicateId key);
  void refresh_insides(CombineContext& context);
  void combine_parts(CombineContext& context);
  void replace_narrow(const std::vector<bool>& gone, std::vector<ClassEdge> fresh, Diagrams& diagrams);
  void fold(std::vector<std::uint32_t> ids, Diagrams& diagrams);

  unsigned depth_;
  std::vector<PartState> parts_;         // by key
  std::vector<PredicateId> gone_;        // parts that went since the last time
  std::vector<ClassEdge> narrow_;        // by class, of every narrow part
  std::vector<Entry> folded_;            // the least of each class of these
  std::vector<BroadPart> broad_;         // by first class
  bool alone_ = false;                   // the only part: never narrow
  bool changed_ = true;
  Edge edge_ = kNothing;
};

}  // namespace nodewall::compile
