#include "compile/diagram.h"

#include <algorithm>
#include <bit>

namespace nodewall::compile {
namespace {

constexpr std::size_t kFirstTable = 1U << 10;
constexpr std::size_t kMostCache = 1U << 20;
constexpr std::size_t kMostNodes = 12U << 20;  // about a gigabyte

std::uint32_t mix(std::uint64_t value) {
  value *= 0x9e3779b97f4a7c15ULL;
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93ULL;
  return static_cast<std::uint32_t>(value >> 32);
}

std::uint32_t hash_of(unsigned dimension, unsigned digit, const std::array<Edge, kFan>& edges) {
  std::uint64_t hash = dimension * 8 + digit + 1;
  for (unsigned i = 0; i < kFan; i += 2) {
    hash ^= std::uint64_t{edges[i]} << 32 | edges[i + 1];
    hash *= 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29;
  }
  return mix(hash);
}

unsigned digits_for(std::uint32_t count) {
  unsigned digits = 1;
  while (digits < 8 && (std::uint64_t{count} - (count > 0 ? 1 : 0)) >> (4 * digits) != 0) ++digits;
  return digits;
}

}  // namespace

Diagrams::Diagrams(const std::array<std::uint32_t, kDimensions>& class_counts)
    : counts_(class_counts), table_(kFirstTable), cache_(kFirstTable) {
  for (unsigned i = 0; i < kDimensions; ++i) digits_[i] = digits_for(counts_[i]);
}

void Diagrams::set_order(const Order& order) {
  order_ = 0;
  for (unsigned i = 0; i < kDimensions; ++i) {
    rank_[order[i]] = i;
    order_ = order_ * kDimensions + order[i];
  }
}

void Diagrams::set_limits(DiagramLimits limits) {
  most_nodes_ = std::min(nodes_in_use() + limits.nodes, kMostNodes);
  steps_left_ = limits.steps;
  exhausted_ = false;
}

bool Diagrams::step() {
  if (steps_left_ == 0 || nodes_in_use() >= most_nodes_) exhausted_ = true;
  if (!exhausted_) --steps_left_;
  return !exhausted_;
}

Edge Diagrams::intern(unsigned dimension, unsigned digit, const std::array<Edge, kFan>& edges) {
  if (std::ranges::all_of(edges, [&](Edge edge) { return edge == edges[0]; })) return edges[0];
  if (!step()) return kNothing;
  const auto hash = hash_of(dimension, digit, edges);
  const auto mask = table_.size() - 1;
  auto slot = hash & mask;
  for (; table_[slot].node != 0; slot = (slot + 1) & mask) {
    if (table_[slot].hash != hash) continue;
    const auto& other = nodes_[table_[slot].node - 1];
    if (other.dimension == dimension && other.digit == digit && other.edges == edges)
      return 0x80000000U | (table_[slot].node - 1);
  }
  Node made{.edges = edges, .least = kNothing, .greatest = 0,
            .dimension = static_cast<std::uint8_t>(dimension), .digit = static_cast<std::uint8_t>(digit),
            .looks_at = static_cast<std::uint8_t>(1U << dimension)};
  for (const auto edge : edges) {
    if (is_node(edge)) made.looks_at |= node(edge).looks_at;
    made.least = std::min(made.least, is_node(edge) ? node(edge).least : edge);
    made.greatest = std::max(made.greatest, is_node(edge) ? node(edge).greatest : edge);
  }
  auto index = static_cast<std::uint32_t>(nodes_.size());
  if (free_.empty()) {
    nodes_.push_back(made);
  } else {
    index = free_.back();
    free_.pop_back();
    nodes_[index] = made;
  }
  table_[slot] = {hash, index + 1};
  if (nodes_.size() * 2 > table_.size()) grow_table();
  return 0x80000000U | index;
}

void Diagrams::put(const Slot& entry) {
  const auto mask = table_.size() - 1;
  auto slot = entry.hash & mask;
  while (table_[slot].node != 0) slot = (slot + 1) & mask;
  table_[slot] = entry;
}

void Diagrams::grow_table() {
  std::vector<Slot> old(table_.size() * 2);
  old.swap(table_);
  for (const auto& it : old)
    if (it.node != 0) put(it);
  if (cache_.size() >= kMostCache) return;
  std::vector<Cached> known(cache_.size() * 2);
  known.swap(cache_);
  for (const auto& it : known)
    if (it.a != kNothing || it.b != kNothing) cached(it.a, it.b, it.operation) = it;
}

void Diagrams::make_room(std::size_t nodes) {
  nodes_.reserve(nodes_.size() + nodes);
  while ((nodes_.size() + nodes) * 2 > table_.size()) grow_table();
}

void Diagrams::keep_below(Edge edge, std::vector<bool>& kept) const {
  if (!is_node(edge) || kept[node_index(edge)]) return;
  kept[node_index(edge)] = true;
  for (const auto next : node(edge).edges) keep_below(next, kept);
}

// What operations on kept diagrams made is asked for again: where many are put together pair by pair, what one changes meets it.
void Diagrams::keep_results(std::vector<bool>& kept) const {
  const auto is_kept = [&](Edge edge) { return !is_node(edge) || kept[node_index(edge)]; };
  std::vector<const Cached*> open;
  for (const auto& known : cache_)
    if (!is_kept(known.result)) open.push_back(&known);
  for (std::size_t before = 0; before != open.size();) {
    before = open.size();
    std::erase_if(open, [&](const Cached* known) {
      if (!is_kept(known->a) || !is_kept(known->b)) return false;
      keep_below(known->result, kept);
      return true;
    });
  }
}

void Diagrams::keep_only(std::span<const Edge> roots) {
  std::vector<bool> kept(nodes_.size(), false);
  for (const auto root : roots) keep_below(root, kept);
  keep_results(kept);
  const auto is_kept = [&](Edge edge) { return !is_node(edge) || kept[node_index(edge)]; };
  for (auto& known : cache_)
    if (!is_kept(known.a) || !is_kept(known.b) || !is_kept(known.result)) known = {};
  std::vector<Slot> old(table_.size());
  old.swap(table_);
  for (const auto& it : old)
    if (it.node != 0 && kept[it.node - 1]) put(it);
  free_.clear();
  for (std::uint32_t index = 0; index < nodes_.size(); ++index)
    if (!kept[index]) free_.push_back(index);
}

// Where on a path a node stands; leaves are last.
unsigned Diagrams::rank(Edge edge) const {
  if (!is_node(edge)) return kDimensions * 8;
  const auto& it = node(edge);
  return rank_[it.dimension] * 8 + 7 - it.digit;
}

Diagrams::Cached& Diagrams::cached(Edge a, Edge b, std::uint32_t operation) {
  const auto hash = mix((std::uint64_t{a} << 32 | b) + operation * 0x632be59bd9b4e019ULL);
  return cache_[hash & (cache_.size() - 1)];
}

// Leaves, and edges of which one is known to decide everywhere.
bool Diagrams::decided(Edge a, Edge b, Operation operation, Edge& result) const {
  if (operation != kLeast) {
    if (is_node(a)) return false;
    const bool goes_on = a == kNothing ? operation == kFollowNothing : a % 2 == 0;
    result = goes_on ? b : a;
    return true;
  }
  const auto least_a = is_node(a) ? node(a).least : a, least_b = is_node(b) ? node(b).least : b;
  const auto greatest_a = is_node(a) ? node(a).greatest : a, greatest_b = is_node(b) ? node(b).greatest : b;
  if (a == b || greatest_a <= least_b)
    result = a;
  else if (greatest_b <= least_a)
    result = b;
  else
    return false;
  return true;
}

Edge Diagrams::apply(Edge a, Edge b, Operation operation) {
  Edge result = kNothing;
  if (decided(a, b, operation, result)) return result;
  if (operation == kLeast && a > b) std::swap(a, b);
  const auto name = order_ * 4 + operation;
  if (const auto& known = cached(a, b, name); known.a == a && known.b == b && known.operation == name) return known.result;
  if (!step()) return kNothing;
  const auto rank_a = rank(a), rank_b = rank(b);
  const auto& top = node(rank_a <= rank_b ? a : b);
  const unsigned dimension = top.dimension, digit = top.digit;
  std::array<Edge, kFan> edges{};
  for (unsigned i = 0; i < kFan; ++i) {
    edges[i] = apply(rank_a <= rank_b ? node(a).edges[i] : a, rank_b <= rank_a ? node(b).edges[i] : b, operation);
    if (exhausted_) return kNothing;
  }
  result = intern(dimension, digit, edges);
  if (exhausted_) return kNothing;
  cached(a, b, name) = {a, b, name, result};
  return result;
}

Edge Diagrams::least(Edge a, Edge b) { return apply(a, b, kLeast); }

Edge Diagrams::follow(Edge first, Edge next, bool nothing_goes_on) {
  return apply(first, next, nothing_goes_on ? kFollowNothing : kFollowPass);
}

Edge Diagrams::build(unsigned dimension, std::span<const Entry> entries) {
  if (entries.empty() || exhausted_) return kNothing;
  if (entries.size() == 1 && entries[0].first == 0 && entries[0].last + 1 == counts_[dimension]) return entries[0].edge;
  return build_digit(dimension, digits_[dimension] - 1, 0, entries);
}

// `entries`: ascending, disjoint, those that touch the 16^(digit + 1) numbers from `base` on. Numbers that no class has are
// as the last that one has, so that they make no difference.
Edge Diagrams::build_digit(unsigned dimension, unsigned digit, std::uint64_t base, std::span<const Entry> entries) {
  const std::uint64_t width = std::uint64_t{1} << (4 * digit);
  std::array<Edge, kFan> edges{};
  std::size_t at = 0;
  for (unsigned i = 0; i < kFan; ++i) {
    const auto first = base + i * width;
    if (first >= counts_[dimension]) {
      edges[i] = edges[i - 1];
      continue;
    }
    const auto last = std::min<std::uint64_t>(first + width, counts_[dimension]) - 1;
    while (at < entries.size() && entries[at].last < first) ++at;
    auto end = at;
    while (end < entries.size() && entries[end].first <= last) ++end;
    if (at == end)
      edges[i] = kNothing;
    else if (entries[at].first <= first && entries[at].last >= last)
      edges[i] = entries[at].edge;
    else
      edges[i] = build_digit(dimension, digit - 1, first, entries.subspan(at, end - at));
    if (exhausted_) return kNothing;
  }
  return intern(dimension, digit, edges);
}

}  // namespace nodewall::compile
