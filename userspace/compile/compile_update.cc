// Compilation::update(): what differs from the policy before, and only what depends on it.
#include <algorithm>
#include <cstring>

#include "compile/compilation.h"

namespace nodewall::compile {
namespace {

constexpr std::size_t kMostChangedMembers = 4096;  // of all sets; more are compiled anew
constexpr std::size_t kMostChangedRules = 256;
// What may gather beside what a compilation began with.
constexpr std::size_t kSparePredicates = 4096, kSpareLines = 16384;

// What a rule is called and does: the rule table has it.
bool same_head(const resolve::ResolvedRule& a, const resolve::ResolvedRule& b) {
  return &a == &b || (a.action == b.action && a.origin == b.origin);
}

// The same packets, as far as sets are known by their numbers before and now.
bool same_side(const resolve::Side& a, const resolve::Side& b, const std::vector<SetId>& before, const std::vector<SetId>& now) {
  const auto same = [&](resolve::SetIndex x, resolve::SetIndex y) { return before[x] == now[y]; };
  return (&a == &b || a.ports == b.ports) && std::ranges::equal(a.in, b.in, same) && std::ranges::equal(a.not_in, b.not_in, same);
}

bool same_match(const resolve::ResolvedRule& a, const resolve::ResolvedRule& b, const std::vector<SetId>& before,
                const std::vector<SetId>& now) {
  return a.v4 == b.v4 && a.v6 == b.v6 && a.protocols == b.protocols && a.icmp == b.icmp && a.not_icmp == b.not_icmp &&
         same_side(a.source, b.source, before, now) && same_side(a.destination, b.destination, before, now);
}

bool same_tiers(const resolve::ChainPolicy& a, const resolve::ChainPolicy& b) {
  const auto same = [](const resolve::ResolvedTier& x, const resolve::ResolvedTier& y) {
    return x.name == y.name && x.end == y.end && x.staged == y.staged && x.rules.size() == y.rules.size();
  };
  return std::ranges::equal(a.tiers, b.tiers, same) && a.profile_rules.size() == b.profile_rules.size();
}

// Goes over the terms of a list with its rules: most have one.
class TermWalk {
 public:
  struct Place {
    std::size_t segment = 0;
    Term* term = nullptr;  // none: the rule has no term
  };

  explicit TermWalk(std::vector<Segment>& segments) : segments_(segments) {}

  Place next(const resolve::ResolvedRule& rule) {
    while (segment_ < segments_.size() && at_ == segments_[segment_].terms.size()) {
      ++segment_;
      at_ = 0;
    }
    if (segment_ == segments_.size() || segments_[segment_].terms[at_].rule != &rule) return {};
    return {segment_, &segments_[segment_].terms[at_++]};
  }

 private:
  std::vector<Segment>& segments_;
  std::size_t segment_ = 0, at_ = 0;
};

}  // namespace

// The sets that the next policy has in the places of the old ones. In the middle sets may have come or gone: rules that look at these
// are others.
bool Compilation::match_sets(const resolve::Resolved& next, std::vector<SetChange>& changes) {
  const auto& before = resolved_->sets;
  const auto& after = next.sets;
  std::vector<SetId> ids(after.size(), Networks::kUnread);
  if (before.size() == after.size()) {
    for (resolve::SetIndex set = 0; set < after.size(); ++set)
      if (!match_set(set, next, ids, changes)) return false;
  } else {
    const auto most = std::min(before.size(), after.size());
    std::size_t first = 0, last = 0;
    while (first < most && before[first] == after[first]) ++first;
    while (first + last < most && before[before.size() - 1 - last] == after[after.size() - 1 - last]) ++last;
    const auto& old = predicates_.networks.ids();
    std::copy_n(old.begin(), first, ids.begin());
    std::copy_n(old.end() - static_cast<std::ptrdiff_t>(last), last, ids.end() - static_cast<std::ptrdiff_t>(last));
  }
  predicates_.networks.go_on(after, std::move(ids));
  return true;
}

bool Compilation::match_set(resolve::SetIndex set, const resolve::Resolved& next, std::vector<SetId>& ids, std::vector<SetChange>& changes) {
  const auto& before = resolved_->sets[set].members;
  const auto& after = next.sets[set].members;
  const auto& old = predicates_.networks.ids();
  const auto id = old[set];
  if (id == Networks::kUnread || before == after) {
    ids[set] = id;
    return true;
  }
  std::size_t changed = 0;
  for (const auto& it : changes) changed += it.members.gone.size() + it.members.fresh.size();
  auto members = difference(before, after, kMostChangedMembers - std::min(changed, kMostChangedMembers));
  if (!members) return false;
  // Other sets had the same members: this one is now another.
  if (std::ranges::count(old, id) > 1) return true;
  ids[set] = id;
  predicates_.networks.forget(id);  // before any set of the next policy is read that is as this one was
  changes.push_back({.set = id, .now = &after, .members = std::move(*members)});
  return true;
}

// The lists of rules of the next policy, by number of the list; false: its endpoints have others.
bool Compilation::match_lists(const resolve::Resolved& next, std::vector<const resolve::ChainPolicy*>& policies) const {
  if (next.endpoints.size() != resolved_->endpoints.size()) return false;
  policies.assign(lists_.size(), nullptr);
  const auto match = [&](std::size_t list, const resolve::ChainPolicy* policy) {
    if ((list == kNoList) != (policy == nullptr)) return false;
    if (list == kNoList) return true;
    if (policies[list] == nullptr) policies[list] = policy;
    return policies[list] == policy || *policies[list] == *policy;
  };
  for (std::size_t i = 0; i < next.endpoints.size(); ++i) {
    const auto& endpoint = next.endpoints[i];
    if (endpoint.host_endpoint != resolved_->endpoints[i].host_endpoint) return false;
    for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
      const auto& policy = endpoint.chains[chain];
      const auto& lists = lists_of_endpoint_[i];
      const bool has = endpoint.has(chain), logs = has && resolve::has_log(policy);
      if (!match(lists[NW_VARIANT_ENFORCED][chain], has ? &policy : nullptr) || !match(lists[NW_VARIANT_LOG][chain], logs ? &policy : nullptr) ||
          !match(lists[NW_VARIANT_STAGED][chain], endpoint.staged[chain] ? &*endpoint.staged[chain] : nullptr))
        return false;
    }
  }
  return true;
}

// The terms of a list that match other packets now; false: the list has other rules.
bool Compilation::match_rules(std::size_t list, const resolve::ChainPolicy& policy, const std::vector<SetId>& old_ids,
                              std::vector<TermChange>& changes) {
  const auto& before = *lists_[list].policy;
  if (!same_tiers(before, policy)) return false;
  TermWalk terms(chains_[list].segments);
  const auto& looked_at = chains_[list].looked_at;
  const auto match = [&](const resolve::ResolvedRule& old, const resolve::ResolvedRule& rule) {
    const auto at = terms.next(old);
    if (at.term != nullptr) at.term->rule = &rule;
    if (same_match(old, rule, old_ids, predicates_.networks.ids())) return true;
    if (rule.action == model::Action::Log && !lists_[list].log) return true;
    if (at.term == nullptr || changes.size() == kMostChangedRules) return false;
    const auto criteria = predicates_.of(rule);
    if (!criteria || *criteria == Criteria{}) return false;
    if (*criteria == at.term->criteria) return true;
    changes.push_back({.segment = at.segment, .leaf = at.term->leaf, .before = at.term->criteria, .after = *criteria});
    at.term->criteria = *criteria;
    return true;
  };
  for (std::size_t tier = 0; tier <= policy.tiers.size(); ++tier) {
    const bool is_profiles = tier == policy.tiers.size();
    const auto& old = is_profiles ? before.profile_rules : before.tiers[tier].rules;
    const auto& fresh = is_profiles ? policy.profile_rules : policy.tiers[tier].rules;
    if (!std::ranges::equal(old, fresh, same_head)) return false;
    const auto count = looked_at.empty() ? fresh.size() : tier < looked_at.size() ? looked_at[tier] : 0;
    if (!std::equal(old.begin(), old.begin() + static_cast<std::ptrdiff_t>(count), fresh.begin(), match)) return false;
  }
  return true;
}

bool Compilation::update(std::shared_ptr<const resolve::Resolved> next) {
  std::vector<const resolve::ChainPolicy*> policies;
  std::vector<SetChange> members;
  if (!match_lists(*next, policies)) return false;
  const auto old_ids = predicates_.networks.ids();
  if (!match_sets(*next, members)) return false;
  const auto first_side = predicates_.sides.size();
  std::vector<std::vector<TermChange>> changes(lists_.size());
  for (std::size_t list = 0; list < lists_.size(); ++list) {
    if (!match_rules(list, *policies[list], old_ids, changes[list])) return false;
    lists_[list].policy = policies[list];
  }
  for (const auto& change : members)
    if (!change_members(change)) return false;
  if (!use_new_sets(first_side, *next) || !use_new_ports(l4_, predicates_.l4) || !use_new_ports(source_ports_, predicates_.source_ports))
    return false;
  if (!update_lists(changes, refresh_classes(first_side))) return false;
  collect_garbage();
  write_header();
  resolved_ = std::move(next);
  return true;
}

bool Compilation::update_lists(std::span<const std::vector<TermChange>> changes, const DirtyPredicates& dirty) {
  const bool classes_changed = std::ranges::any_of(dirty, [](const auto& it) { return !it.empty(); });
  for (std::size_t list = 0; list < lists_.size(); ++list) {
    if (changes[list].empty() && !classes_changed) continue;
    const auto before = roots_[list].edges();
    if (!roots_[list].update(changes[list], dirty, root_context()) || !write_list(list, before)) return false;
  }
  return true;
}

bool Compilation::write_list(std::size_t list, const std::array<Edge, 3>& before) {
  const auto& edges = roots_[list].edges();
  if (edges == before || entries_[list].default_rule == NW_SLOT_UNUSED) return true;
  for (std::size_t k = 0; k < 3; ++k) {
    if (edges[k] == before[k]) continue;
    writer_->give_up(before[k]);
    entries_[list].roots[k] = writer_->write(edges[k]);
    if (writer_->full() || writer_->depth(edges[k]) > NW_REF_MAX_DEPTH) return false;
    image_.cost.deepest_diagram = std::max(image_.cost.deepest_diagram, writer_->depth(edges[k]));
  }
  write_entries(list);
  return true;
}

void Compilation::write_entries(std::size_t list) {
  for (std::size_t i = 0; i < lists_of_endpoint_.size(); ++i)
    for (std::uint32_t variant = 0; variant < NW_VARIANTS; ++variant)
      for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
        if (lists_of_endpoint_[i][variant][chain] != list) continue;
        const auto at = nw_slot_entry(slot_of_endpoint_[i], variant, chain) * sizeof(nw_image_endpoint);
        const auto number = header_.endpoint_base + static_cast<std::uint32_t>(at / NW_LINE_BYTES);
        auto line = lines_.at(number);
        std::memcpy(reinterpret_cast<std::byte*>(&line) + at % NW_LINE_BYTES, &entries_[list], sizeof(nw_image_endpoint));
        lines_.write(number, &line, sizeof(line));
      }
}

std::size_t Compilation::with_spare_nodes(std::size_t nodes) const { return nodes + nodes / 2 + limits_.spare_nodes; }

// First of the image, then, with what is written, of the diagrams.
void Compilation::collect_garbage() {
  const bool many_nodes = diagrams_->nodes_in_use() > most_nodes_;
  if (!many_nodes && writer_->written_since_collection() < limits_.spare_nodes / 16 + writer_->nodes_in_image() / 4) return;
  std::vector<Edge> kept;
  for (std::size_t list = 0; list < lists_.size(); ++list)
    if (entries_[list].default_rule != NW_SLOT_UNUSED) kept.insert(kept.end(), roots_[list].edges().begin(), roots_[list].edges().end());
  writer_->collect_garbage(kept);
  if (!many_nodes) return;
  for (const auto& roots : roots_) roots.append_edges(kept);
  diagrams_->keep_only(kept);
  most_nodes_ = with_spare_nodes(diagrams_->nodes_in_use());
}

void Compilation::expect_updates() {
  lines_.note_changes();
  most_nodes_ = with_spare_nodes(diagrams_->nodes_in_use());
  diagrams_->make_room(most_nodes_ - diagrams_->nodes_in_use());
}

bool Compilation::is_worn() const {
  return most_nodes_ > 2 * with_spare_nodes(built_nodes_) || predicates_.count() > 2 * built_predicates_ + kSparePredicates ||
         lines_.size() > built_lines_ + built_lines_ / 2 + kSpareLines;
}

}  // namespace nodewall::compile
