#include "compile/roots.h"

#include <algorithm>
#include <bit>
#include <string>

#include "compile/content_index.h"

namespace nodewall::compile {
namespace {

constexpr Diagrams::Order kSourceFirst = {NW_DIM_SOURCE, NW_DIM_DESTINATION, NW_DIM_L4, NW_DIM_SOURCE_PORT};
constexpr Diagrams::Order kDestinationFirst = {NW_DIM_DESTINATION, NW_DIM_SOURCE, NW_DIM_L4, NW_DIM_SOURCE_PORT};

constexpr std::size_t kMostJoined = 2048;  // nodes

const Diagrams::Order& order_of(bool source_first) { return source_first ? kSourceFirst : kDestinationFirst; }

Error too_large(const resolve::ResolvedRule& rule, const DiagramLimits& limits) {
  return {.code = Errc::limit,
          .what = "policy '" + rule.origin.policy + "', rule " + std::to_string(rule.origin.rule) +
                  ": the combinations of networks and ports up to here need more than " + std::to_string(limits.nodes) +
                  " diagram nodes or " + std::to_string(limits.steps) + " steps",
          .sys_errno = 0,
          .context = {}};
}

// The rule of a leaf; the first rule where there is none.
const resolve::ResolvedRule& rule_of(const Chain& chain, std::optional<Edge> leaf) {
  for (const auto& segment : chain.segments)
    for (const auto& term : segment.terms)
      if (leaf && term.leaf == *leaf) return *term.rule;
  return *chain.segments.front().terms.front().rule;
}

// Nodes of a diagram; counts on to just behind `most`.
std::size_t size(const Diagrams& diagrams, Edge edge, std::size_t most) {
  std::vector<Edge> seen(std::bit_ceil(4 * most + 4), kNothing);  // open addressing
  std::vector<Edge> open{edge};
  std::size_t count = 0;
  while (!open.empty() && count <= most) {
    const auto at = open.back();
    open.pop_back();
    if (!is_node(at)) continue;
    auto slot = mix_hash(at, 0) & (seen.size() - 1);
    while (seen[slot] != kNothing && seen[slot] != at) slot = (slot + 1) & (seen.size() - 1);
    if (seen[slot] == at) continue;
    seen[slot] = at;
    ++count;
    for (const auto next : diagrams.node(at).edges)
      if (is_node(next)) open.push_back(next);
  }
  return count;
}

// One diagram instead of two is one walk less for every packet: tried with small ones, and done where it takes hardly more room.
void join(Diagrams& diagrams, Edge& a, Edge& b) {
  if (a == kNothing || b == kNothing) return;
  const auto first = size(diagrams, a, kMostJoined);
  if (first > kMostJoined) return;
  const auto before = first + size(diagrams, b, kMostJoined);
  if (before > kMostJoined) return;
  const auto most = before + before / 4 + 16;
  diagrams.set_limits({.nodes = most, .steps = 8 * most});
  const auto joined = diagrams.least(a, b);
  if (diagrams.exhausted() || size(diagrams, joined, most) > most) return;
  a = joined;
  b = kNothing;
}

}  // namespace

Roots::Kind Roots::kind(const Criteria& criteria, const Predicates& predicates) {
  const bool source = criteria.source != kAny && !predicates.family_only(criteria.source);
  const bool destination = criteria.destination != kAny;
  return source && destination ? kBoth : source ? kSources : destination ? kDestinations : kNeither;
}

// Rules that look at no address have a root of their own while there is room, else they go where fewer rules are.
std::array<Roots::Plan, 3> Roots::plan(const Chain& chain, const Predicates& predicates) {
  std::array<std::size_t, kKinds> rules{};
  for (const auto& segment : chain.segments)
    for (const auto& term : segment.terms)
      if (term.leaf % 2 != 0) ++rules[kind(term.criteria, predicates)];
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

Item Roots::item_of(Edge leaf, Criteria criteria, const Plan& plan, const Diagrams::Order& order, const Predicates& predicates) {
  // Beside rules by destination the family is looked at there, not on both sides.
  if (plan.has[kDestinations] && criteria.source != kAny && predicates.family_only(criteria.source))
    std::swap(criteria.source, criteria.destination);
  const std::array<PredicateId, kDimensions> by_dimension = {criteria.source, criteria.destination, criteria.l4, criteria.source_port};
  Item item{.keys = {}, .leaf = leaf};
  for (unsigned i = 0; i < kDimensions; ++i) item.keys[i] = by_dimension[order[i]];
  return item;
}

// From the last segment to the first, each followed by the diagram of what comes behind it.
Roots::Evaluated Roots::evaluate(Root& root, const Plan& plan, const RootContext& context) {
  auto& diagrams = context.diagrams;
  const auto& order = order_of(root.source_first);
  diagrams.set_order(order);
  CombineContext combine{.diagrams = diagrams, .classes = context.classes, .order = order};
  Edge next = kNothing;
  for (auto segment = root.segments.rbegin(); segment != root.segments.rend(); ++segment) {
    auto made = segment->has_items ? segment->combination.evaluate(combine) : kNothing;
    if (segment != root.segments.rbegin()) {
      if (segment->end) made = diagrams.least(made, plan.says_end ? *segment->end : kNothing);
      made = diagrams.follow(made, next, !segment->end);
    }
    if (diagrams.exhausted()) return std::unexpected(combine.blamed);
    next = made;
  }
  return next;
}

Roots::Evaluated Roots::build_chain(const Chain& chain, const Plan& plan, Root& root, const RootContext& context) {
  root.segments.clear();
  for (const auto& segment : chain.segments) {
    std::vector<Item> items;
    for (const auto& term : segment.terms)
      if (term.leaf % 2 == 0 || plan.has[kind(term.criteria, context.predicates)])
        items.push_back(item_of(term.leaf, term.criteria, plan, order_of(root.source_first), context.predicates));
    std::ranges::sort(items);
    auto& state = root.segments.emplace_back();
    state.end = segment.end;
    state.has_items = !items.empty();
    if (state.has_items) state.combination.build(items);
  }
  return evaluate(root, plan, context);
}

Result<Roots::Root> Roots::build_root(const Chain& chain, const Plan& plan, const RootContext& context) {
  const bool no_rule = std::ranges::none_of(plan.has, [](bool it) { return it; });
  Root root;
  if (no_rule && (!plan.says_end || chain.segments.size() == 1)) return root;
  const auto& limits = context.limits;
  context.diagrams.set_limits({.nodes = limits.nodes / 2, .steps = limits.steps / 2});  // the other order may do better
  auto made = build_chain(chain, plan, root, context);
  if (!made) {
    root.source_first = false;
    context.diagrams.set_limits(limits);
    made = build_chain(chain, plan, root, context);
  }
  if (!made) return fail(too_large(rule_of(chain, made.error()), limits));
  root.edge = *made;
  return root;
}

void Roots::join_all(Diagrams& diagrams) {
  for (unsigned i = 0; i < 3; ++i) edges_[i] = roots_[i].edge;
  diagrams.set_order(kSourceFirst);
  for (const auto& [a, b] : {std::pair(0U, 1U), std::pair(0U, 2U), std::pair(1U, 2U)})
    if (roots_[a].source_first && roots_[b].source_first) join(diagrams, edges_[a], edges_[b]);
}

Status Roots::build(const Chain& chain, const RootContext& context) {
  plans_ = plan(chain, context.predicates);
  for (unsigned i = 0; i < 3; ++i) {
    auto root = build_root(chain, plans_[i], context);
    if (!root) return fail(std::move(root.error()));
    roots_[i] = std::move(*root);
  }
  join_all(context.diagrams);
  return {};
}

bool Roots::update_root(std::size_t number, std::span<const TermChange> changes, const DirtyPredicates& dirty, const RootContext& context) {
  auto& root = roots_[number];
  const auto& plan = plans_[number];
  const auto& order = order_of(root.source_first);
  if (root.segments.empty()) return true;
  for (const auto& change : changes) {
    auto& segment = root.segments[change.segment];
    const auto stands_here = [&](const Criteria& criteria) { return change.leaf % 2 == 0 || plan.has[kind(criteria, context.predicates)]; };
    if (stands_here(change.before)) segment.combination.remove(item_of(change.leaf, change.before, plan, order, context.predicates));
    if (!stands_here(change.after)) continue;
    segment.combination.add(item_of(change.leaf, change.after, plan, order, context.predicates));
    segment.has_items = true;
  }
  for (auto& segment : root.segments)
    if (segment.has_items) segment.combination.touch(dirty, order);
  context.diagrams.set_limits(context.limits);
  const auto made = evaluate(root, plan, context);
  if (made) root.edge = *made;
  return made.has_value();
}

void Roots::append_edges(std::vector<Edge>& edges) const {
  edges.insert(edges.end(), edges_.begin(), edges_.end());
  for (const auto& root : roots_) {
    edges.push_back(root.edge);
    for (const auto& segment : root.segments) segment.combination.append_edges(edges);
  }
}

bool Roots::update(std::span<const TermChange> changes, const DirtyPredicates& dirty, const RootContext& context) {
  for (const auto& change : changes) {
    const auto kind_after = kind(change.after, context.predicates);
    const bool has_place = std::ranges::any_of(plans_, [&](const Plan& it) { return it.has[kind_after]; });
    if (change.leaf % 2 != 0 && !has_place) return false;
  }
  for (std::size_t i = 0; i < roots_.size(); ++i)
    if (!update_root(i, changes, dirty, context)) return false;
  join_all(context.diagrams);
  return true;
}

}  // namespace nodewall::compile
