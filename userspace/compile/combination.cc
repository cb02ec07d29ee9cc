#include "compile/combination.h"

#include <algorithm>
#include <utility>

namespace nodewall::compile {
namespace {

constexpr std::size_t kFewItems = 16;
// Parts that have few classes to a run are added up class by class; the others are diagrams of their own first.
constexpr std::uint64_t kBroadClassesARun = 8;

struct Part {  // where the class is in `runs`, `inside` counts; elsewhere nothing
  const Runs* runs = nullptr;
  Edge inside = kNothing;
};

bool is_narrow(const Runs& runs) { return count(runs) < kBroadClassesARun * runs.size(); }

Edge broad_diagram(Diagrams& diagrams, unsigned dimension, const Runs& runs, Edge inside) {
  std::vector<Entry> entries;
  entries.reserve(runs.size());
  for (const auto& run : runs) entries.push_back({run.first, run.last, inside});
  return diagrams.build(dimension, entries);
}

// In halves: the diagrams that meet are of like size.
Edge least_of(std::span<Edge> edges, Diagrams& diagrams) {
  if (edges.empty()) return kNothing;
  for (auto size = edges.size(); size > 1; size = (size + 1) / 2)
    for (std::size_t i = 0; i * 2 < size; ++i)
      edges[i] = i * 2 + 1 < size ? diagrams.least(edges[i * 2], edges[i * 2 + 1]) : edges[i * 2];
  return edges[0];
}

Edge narrow_diagram(Diagrams& diagrams, unsigned dimension, std::span<const Part> parts) {
  std::vector<Entry> entries;
  for (const auto& part : parts)
    for (const auto& run : *part.runs)
      for (auto id = run.first; id <= run.last; ++id) entries.push_back({id, id, part.inside});
  if (!std::ranges::is_sorted(entries, {}, &Entry::first)) std::ranges::stable_sort(entries, {}, &Entry::first);
  std::size_t kept = 0;
  for (const auto& entry : entries) {
    if (kept > 0 && entries[kept - 1].first == entry.first)
      entries[kept - 1].edge = diagrams.least(entries[kept - 1].edge, entry.edge);
    else
      entries[kept++] = entry;
  }
  entries.resize(kept);
  return diagrams.build(dimension, entries);
}

Edge combine(Diagrams& diagrams, unsigned dimension, std::span<const Part> parts) {
  std::vector<Part> few;
  std::vector<Edge> edges;
  for (const auto& part : parts) {
    if (part.runs->empty()) continue;
    if (parts.size() > 1 && is_narrow(*part.runs)) few.push_back(part);
    else edges.push_back(broad_diagram(diagrams, dimension, *part.runs, part.inside));
    if (diagrams.exhausted()) return kNothing;
  }
  if (!few.empty()) edges.push_back(narrow_diagram(diagrams, dimension, few));
  return least_of(edges, diagrams);
}

// `items`: sorted, equal in the keys above `depth`.
Edge combine_few(std::span<const Item> items, unsigned depth, CombineContext& context) {
  if (depth == kDimensions) return items[0].leaf;
  std::vector<Part> parts;
  auto& diagrams = context.diagrams;
  for (std::size_t at = 0; at < items.size();) {
    auto end = at;
    while (end < items.size() && items[end].keys[depth] == items[at].keys[depth]) ++end;
    const auto inside = combine_few(items.subspan(at, end - at), depth + 1, context);
    if (diagrams.exhausted()) break;
    parts.push_back({&context.classes.of(context.order[depth], items[at].keys[depth]), inside});
    at = end;
  }
  const auto made = diagrams.exhausted() ? kNothing : combine(diagrams, context.order[depth], parts);
  if (diagrams.exhausted() && !context.blamed) context.blamed = items[0].leaf;
  return made;
}

// The least of all edges. Neighbours are brought together in groups that begin where a bit of the hash of a part's predicate says so,
// the groups likewise by another bit, and so on: a part that comes or goes changes the groups it is in and no others.
struct HashedEdge {
  std::uint64_t hash = 0;
  Edge edge = kNothing;
};

Edge least_by_hash(std::vector<HashedEdge> edges, Diagrams& diagrams) {
  if (edges.empty()) return kNothing;
  for (unsigned level = 0; edges.size() > 1; ++level) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const bool begins = i == 0 || (level < 64 && (edges[i].hash >> level & 1) != 0);
      if (begins) edges[kept++] = edges[i];
      else edges[kept - 1].edge = diagrams.least(edges[kept - 1].edge, edges[i].edge);
    }
    edges.resize(kept);
  }
  return edges[0].edge;
}

// kAny is the last number there is: it has a place of its own.
std::size_t place_of(PredicateId key) { return key == kAny ? 0 : std::size_t{key} + 1; }
void mark(std::vector<bool>& marks, PredicateId key) {
  if (marks.size() <= place_of(key)) marks.resize(place_of(key) + 1);
  marks[place_of(key)] = true;
}
bool is_marked(const std::vector<bool>& marks, PredicateId key) { return place_of(key) < marks.size() && marks[place_of(key)]; }

}  // namespace

const Runs& PredicateClasses::of(unsigned dimension, PredicateId predicate) const {
  if (predicate == kAny) return everything[dimension];
  if (dimension == NW_DIM_L4) return (*l4)[predicate];
  if (dimension == NW_DIM_SOURCE_PORT) return (*source_ports)[predicate];
  return sides[predicate];
}

void Combination::build(std::span<const Item> items) {
  for (std::size_t at = 0; at < items.size();) {
    auto end = at;
    while (end < items.size() && items[end].keys[depth_] == items[at].keys[depth_]) ++end;
    auto& part = parts_.emplace_back();
    part.key = items[at].keys[depth_];
    if (end - at > kFewItems && depth_ + 1 < kDimensions) {
      part.inner = std::make_unique<Combination>(depth_ + 1);
      part.inner->build(items.subspan(at, end - at));
    } else {
      part.items.assign(items.begin() + static_cast<std::ptrdiff_t>(at), items.begin() + static_cast<std::ptrdiff_t>(end));
    }
    at = end;
  }
}

Combination::PartState* Combination::find(PredicateId key) {
  const auto found = std::ranges::lower_bound(parts_, key, {}, &PartState::key);
  return found != parts_.end() && found->key == key ? &*found : nullptr;
}

void Combination::remove(const Item& item) {
  changed_ = true;
  auto* part = find(item.keys[depth_]);
  if (part == nullptr) return;
  part->stale = true;
  if (part->inner) {
    part->inner->remove(item);
    if (!part->inner->parts_.empty()) return;
  } else {
    const auto place = std::ranges::lower_bound(part->items, item);
    if (place != part->items.end() && *place == item) part->items.erase(place);
    if (!part->items.empty()) return;
  }
  if (part->combined) gone_.push_back(part->key);
  parts_.erase(parts_.begin() + (part - parts_.data()));
}

void Combination::add(const Item& item) {
  changed_ = true;
  const auto key = item.keys[depth_];
  auto* part = find(key);
  if (part == nullptr) {
    const auto place = std::ranges::lower_bound(parts_, key, {}, &PartState::key);
    part = &*parts_.emplace(place);
    part->key = key;
  }
  part->stale = true;
  if (part->inner) part->inner->add(item);
  else part->items.insert(std::ranges::lower_bound(part->items, item), item);
}

void Combination::touch(const DirtyPredicates& dirty, const Diagrams::Order& order) {
  const auto is_dirty = [&](unsigned depth, PredicateId key) { return key < dirty[order[depth]].size() && dirty[order[depth]][key]; };
  for (auto& part : parts_) {
    if (is_dirty(depth_, part.key)) part.moved = true;
    if (part.inner) {
      part.inner->touch(dirty, order);
      part.stale = part.stale || part.inner->changed_;
    } else {
      for (const auto& item : part.items)
        for (auto depth = depth_ + 1; depth < kDimensions; ++depth) part.stale = part.stale || is_dirty(depth, item.keys[depth]);
    }
    changed_ = changed_ || part.moved || part.stale;
  }
}

void Combination::refresh_insides(CombineContext& context) {
  for (auto& part : parts_) {
    if (!part.stale) continue;
    const auto before = part.inside;
    part.inside = part.inner ? part.inner->evaluate(context) : combine_few(part.items, depth_ + 1, context);
    if (context.diagrams.exhausted()) return;
    part.stale = false;
    part.moved = part.moved || part.inside != before;
  }
}

// What the classes had of `gone` is taken out, `fresh` put in.
void Combination::replace_narrow(const std::vector<bool>& gone, std::vector<ClassEdge> fresh, Diagrams& diagrams) {
  std::vector<std::uint32_t> ids;
  if (!narrow_.empty() && !gone.empty())
    std::erase_if(narrow_, [&](const ClassEdge& it) {
      const bool goes = is_marked(gone, it.key);
      if (goes) ids.push_back(it.id);
      return goes;
    });
  for (const auto& it : fresh) ids.push_back(it.id);
  if (!std::ranges::is_sorted(fresh, {}, &ClassEdge::id)) std::ranges::stable_sort(fresh, {}, &ClassEdge::id);
  const auto middle = static_cast<std::ptrdiff_t>(narrow_.size());
  narrow_.insert(narrow_.end(), fresh.begin(), fresh.end());
  std::inplace_merge(narrow_.begin(), narrow_.begin() + middle, narrow_.end(),
                     [](const ClassEdge& a, const ClassEdge& b) { return a.id < b.id; });
  if (!std::ranges::is_sorted(ids)) std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  fold(std::move(ids), diagrams);
}

// `ids`: sorted. The least of each of these classes, in folded_.
void Combination::fold(std::vector<std::uint32_t> ids, Diagrams& diagrams) {
  std::vector<Entry> merged;
  merged.reserve(folded_.size() + ids.size());
  auto old = folded_.begin();
  auto at = narrow_.begin();
  for (const auto id : ids) {
    for (; old != folded_.end() && old->first < id; ++old) merged.push_back(*old);
    if (old != folded_.end() && old->first == id) ++old;
    if (at == narrow_.end() || at->id < id) at = std::lower_bound(at, narrow_.end(), id, [](const ClassEdge& it, std::uint32_t value) { return it.id < value; });
    if (at == narrow_.end() || at->id != id) continue;
    auto edge = at->edge;
    for (++at; at != narrow_.end() && at->id == id; ++at) edge = diagrams.least(edge, at->edge);
    merged.push_back({id, id, edge});
  }
  merged.insert(merged.end(), old, folded_.end());
  folded_ = std::move(merged);
}

void Combination::combine_parts(CombineContext& context) {
  auto& diagrams = context.diagrams;
  const auto dimension = context.order[depth_];
  const bool was_alone = alone_;
  alone_ = parts_.size() == 1;
  std::vector<bool> gone;
  for (const auto key : std::exchange(gone_, {})) mark(gone, key);
  std::vector<ClassEdge> fresh;
  std::vector<BroadPart> fresh_broad;
  for (auto& part : parts_) {
    if (!part.moved && alone_ == was_alone) continue;
    if (part.combined) mark(gone, part.key);
    const auto& runs = context.classes.of(dimension, part.key);
    part.combined = !runs.empty();
    part.moved = false;
    if (!part.combined) continue;
    if (!alone_ && is_narrow(runs)) {
      for (const auto& run : runs)
        for (auto id = run.first; id <= run.last; ++id) fresh.push_back({id, part.key, part.inside});
    } else {
      fresh_broad.push_back({runs.front().first, part.key, broad_diagram(diagrams, dimension, runs, part.inside)});
    }
    if (diagrams.exhausted()) return;
  }
  if (!gone.empty()) std::erase_if(broad_, [&](const BroadPart& it) { return is_marked(gone, it.key); });
  if (!fresh_broad.empty()) {
    broad_.insert(broad_.end(), fresh_broad.begin(), fresh_broad.end());
    std::ranges::sort(broad_);  // neighbours first: what is added up then differs in one place
  }
  replace_narrow(gone, std::move(fresh), diagrams);
  std::vector<HashedEdge> edges;
  edges.reserve(broad_.size());
  for (const auto& it : broad_) edges.push_back({mix_hash(it.key, 1), it.edge});
  edge_ = least_by_hash(std::move(edges), diagrams);
  if (!folded_.empty()) edge_ = diagrams.least(edge_, diagrams.build(dimension, folded_));
}

void Combination::append_edges(std::vector<Edge>& edges) const {
  for (const auto& part : parts_) {
    edges.push_back(part.inside);
    if (part.inner) part.inner->append_edges(edges);
  }
  for (const auto& it : narrow_) edges.push_back(it.edge);
  for (const auto& it : folded_) edges.push_back(it.edge);
  for (const auto& it : broad_) edges.push_back(it.edge);
  edges.push_back(edge_);
}

Edge Combination::evaluate(CombineContext& context) {
  if (!changed_) return edge_;
  refresh_insides(context);
  if (!context.diagrams.exhausted()) combine_parts(context);
  if (context.diagrams.exhausted()) {
    if (!context.blamed && !parts_.empty() && !parts_.front().items.empty()) context.blamed = parts_.front().items.front().leaf;
    return kNothing;
  }
  changed_ = false;
  return edge_;
}

}  // namespace nodewall::compile
