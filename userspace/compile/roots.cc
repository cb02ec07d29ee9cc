#include "compile/roots.h"

#include <algorithm>
#include <string>
#include <unordered_set>

namespace nodewall::compile {
namespace {

constexpr Diagrams::Order kSourceFirst = {NW_DIM_SOURCE, NW_DIM_DESTINATION, NW_DIM_L4, NW_DIM_SOURCE_PORT};
constexpr Diagrams::Order kDestinationFirst = {NW_DIM_DESTINATION, NW_DIM_SOURCE, NW_DIM_L4, NW_DIM_SOURCE_PORT};

constexpr std::size_t kMostJoined = 2048;  // nodes

Error too_large(const resolve::ResolvedRule& rule, const DiagramLimits& limits) {
  return {.code = Errc::limit,
          .what = "policy '" + rule.origin.policy + "', rule " + std::to_string(rule.origin.rule) +
                  ": the combinations of networks and ports up to here need more than " + std::to_string(limits.nodes) +
                  " diagram nodes or " + std::to_string(limits.steps) + " steps",
          .sys_errno = 0,
          .context = {}};
}

}  // namespace

RootBuilder::RootBuilder(Diagrams& diagrams, const Predicates& predicates, const PredicateClasses& classes, DiagramLimits limits)
    : diagrams_(diagrams), predicates_(predicates), classes_(classes), limits_(limits) {
  for (unsigned i = 0; i < kDimensions; ++i) everything_[i] = {{0, diagrams.class_count(i) - 1}};
}

RootBuilder::Kind RootBuilder::kind(const Criteria& criteria) const {
  const bool source = criteria.source != kAny && !predicates_.family_only(criteria.source);
  const bool destination = criteria.destination != kAny;
  return source && destination ? kBoth : source ? kSources : destination ? kDestinations : kNeither;
}

// Rules that look at no address have a root of their own while there is room, else they go where fewer rules are.
std::array<RootBuilder::Plan, 3> RootBuilder::plan(const Chain& chain) const {
  std::array<std::size_t, kKinds> rules{};
  for (const auto& segment : chain.segments)
    for (const auto& term : segment.terms)
      if (term.leaf % 2 != 0) ++rules[kind(term.criteria)];
  std::array<Plan, 3> plans{};
  for (unsigned i = 0; i < 3; ++i) plans[i].has[i] = rules[i] > 0;
  const auto neither = rules[kSources] == 0        ? kSources
                       : rules[kDestinations] == 0 ? kDestinations
                       : rules[kBoth] == 0         ? kBoth
                       : rules[kSources] <= rules[kDestinations] ? kSources
                                                                 : kDestinations;
  plans[neither].has[kNeither] = rules[kNeither] > 0;
  plans[neither].says_end = true;
  return plans;
}

std::vector<RootBuilder::Item> RootBuilder::items_of(const Segment& segment, const Plan& plan,
                                                     const Diagrams::Order& order) const {
  std::vector<Item> items;
  for (const auto& term : segment.terms) {
    if (term.leaf % 2 != 0 && !plan.has[kind(term.criteria)]) continue;
    auto criteria = term.criteria;
    // Beside rules by destination the family is looked at there, not on both sides.
    if (plan.has[kDestinations] && criteria.source != kAny && predicates_.family_only(criteria.source))
      std::swap(criteria.source, criteria.destination);
    const std::array<PredicateId, kDimensions> by_dimension = {criteria.source, criteria.destination, criteria.l4,
                                                               criteria.source_port};
    Item item{.keys = {}, .leaf = term.leaf, .rule = term.rule};
    for (unsigned i = 0; i < kDimensions; ++i) item.keys[i] = by_dimension[order[i]];
    items.push_back(item);
  }
  std::ranges::stable_sort(items, {}, &Item::keys);
  return items;
}

const Runs& RootBuilder::runs(unsigned dimension, PredicateId predicate) const {
  if (predicate == kAny) return everything_[dimension];
  if (dimension == NW_DIM_L4) return classes_.l4[predicate];
  if (dimension == NW_DIM_SOURCE_PORT) return classes_.source_ports[predicate];
  return classes_.sides[predicate];
}

// `items`: sorted by key, then by leaf; equal in the keys above `depth`.
Edge RootBuilder::build_items(std::span<const Item> items, const Diagrams::Order& order, unsigned depth) {
  if (depth == kDimensions) return items[0].leaf;
  std::vector<Part> parts;
  for (std::size_t at = 0; at < items.size();) {
    auto end = at;
    while (end < items.size() && items[end].keys[depth] == items[at].keys[depth]) ++end;
    const auto inside = build_items(items.subspan(at, end - at), order, depth + 1);
    if (diagrams_.exhausted()) break;
    parts.push_back({&runs(order[depth], items[at].keys[depth]), inside});
    at = end;
  }
  const auto made = diagrams_.exhausted() ? kNothing : diagrams_.combine(order[depth], parts);
  if (diagrams_.exhausted() && blamed_ == nullptr) blamed_ = items[0].rule;
  return made;
}

// From the last segment to the first, each followed by the diagram of what comes behind it.
Edge RootBuilder::build_chain(const Chain& chain, const Plan& plan, const Diagrams::Order& order) {
  diagrams_.set_order(order);
  Edge next = kNothing;
  for (auto segment = chain.segments.rbegin(); segment != chain.segments.rend(); ++segment) {
    const auto items = items_of(*segment, plan, order);
    auto made = items.empty() ? kNothing : build_items(items, order, 0);
    if (segment != chain.segments.rbegin()) {
      if (segment->end) made = diagrams_.least(made, plan.says_end ? *segment->end : kNothing);
      made = diagrams_.follow(made, next, !segment->end);
    }
    if (diagrams_.exhausted()) return kNothing;
    next = made;
  }
  return next;
}

Result<RootBuilder::Root> RootBuilder::build_root(const Chain& chain, const Plan& plan) {
  const bool no_rule = std::ranges::none_of(plan.has, [](bool it) { return it; });
  if (no_rule && (!plan.says_end || chain.segments.size() == 1)) return Root{};
  blamed_ = nullptr;
  diagrams_.set_limits({.nodes = limits_.nodes / 2, .steps = limits_.steps / 2});  // the other order may do better
  const auto made = build_chain(chain, plan, kSourceFirst);
  if (!diagrams_.exhausted()) return Root{made, true};
  blamed_ = nullptr;
  diagrams_.set_limits(limits_);
  const auto again = build_chain(chain, plan, kDestinationFirst);
  if (!diagrams_.exhausted()) return Root{again, false};
  return fail(too_large(blamed_ != nullptr ? *blamed_ : *chain.segments.front().terms.front().rule, limits_));
}

// Nodes of a diagram; counts on to just behind `most`.
std::size_t RootBuilder::size(Edge edge, std::size_t most) const {
  std::unordered_set<std::uint32_t> seen;
  std::vector<Edge> open{edge};
  while (!open.empty() && seen.size() <= most) {
    const auto at = open.back();
    open.pop_back();
    if (!is_node(at) || !seen.insert(at).second) continue;
    for (const auto next : diagrams_.node(at).edges) open.push_back(next);
  }
  return seen.size();
}

// One diagram instead of two is one walk less for every packet: tried with small ones, and done where it takes hardly more room.
void RootBuilder::join(Root& a, Root& b) {
  if (a.edge == kNothing || b.edge == kNothing || !a.source_first || !b.source_first) return;
  const auto before = size(a.edge, kMostJoined) + size(b.edge, kMostJoined);
  if (before > kMostJoined) return;
  const auto most = before + before / 4 + 16;
  diagrams_.set_order(kSourceFirst);
  diagrams_.set_limits({.nodes = most, .steps = 8 * most});
  const auto joined = diagrams_.least(a.edge, b.edge);
  if (diagrams_.exhausted() || size(joined, most) > most) return;
  a.edge = joined;
  b.edge = kNothing;
}

Result<std::array<Edge, 3>> RootBuilder::build(const Chain& chain) {
  std::array<Root, 3> roots;
  const auto plans = plan(chain);
  for (unsigned i = 0; i < 3; ++i) {
    auto root = build_root(chain, plans[i]);
    if (!root) return fail(std::move(root.error()));
    roots[i] = *root;
  }
  join(roots[0], roots[1]);
  join(roots[0], roots[2]);
  join(roots[1], roots[2]);
  return std::array<Edge, 3>{roots[0].edge, roots[1].edge, roots[2].edge};
}

}  // namespace nodewall::compile
