#include "compile/predicates.h"

#include <algorithm>

namespace nodewall::compile {
namespace {

bool is_whole(const PortIntervals& ports) {
  return ports.size() == 1 && ports[0].first == 0 && ports[0].last == kProtocols * kPorts - 1;
}

void sort_unique(std::vector<SetId>& ids) {
  std::ranges::sort(ids);
  const auto doubles = std::ranges::unique(ids);
  ids.erase(doubles.begin(), doubles.end());
}

}  // namespace

// `families` loses those that cannot match this side.
SidePredicate Predicates::side_of(const resolve::Side& side, std::uint8_t& families) {
  SidePredicate made;
  for (const auto set : side.in) made.in.push_back(networks.id(set));
  for (const auto set : side.not_in) made.not_in.push_back(networks.id(set));
  sort_unique(made.in);
  sort_unique(made.not_in);
  for (const auto set : made.in) families &= networks.some(set);
  for (const auto set : made.not_in) families &= static_cast<std::uint8_t>(~networks.all(set));
  return made;
}

// Drops the sets that make no difference in these families.
void Predicates::simplify(SidePredicate& side, std::uint8_t families) const {
  side.families = families;
  std::erase_if(side.in, [&](SetId set) { return (networks.all(set) & families) == families; });
  std::erase_if(side.not_in, [&](SetId set) { return (networks.some(set) & families) == 0; });
}

PredicateId Predicates::side_id(SidePredicate side, const resolve::ResolvedRule& rule) {
  std::uint64_t hash = side.families;
  for (const auto set : side.in) hash = mix_hash(hash, set);
  for (const auto set : side.not_in) hash = mix_hash(hash, set | 1ULL << 32);
  const auto fresh = static_cast<PredicateId>(sides.size());
  const auto id = side_index_.find_or_add(hash, fresh, [&](PredicateId other) { return sides[other] == side; });
  if (id == fresh) {
    sides.push_back(std::move(side));
    side_rules.push_back(&rule);
  }
  return id;
}

PredicateId Predicates::ports_id(PortIntervals ports, std::vector<PortIntervals>& known, ContentIndex& index,
                                 std::vector<const resolve::ResolvedRule*>& rules, const resolve::ResolvedRule& rule) {
  if (is_whole(ports)) return kAny;
  std::uint64_t hash = ports.size();
  for (const auto& it : ports) hash = mix_hash(hash, std::uint64_t{it.first} << 32 | it.last);
  const auto fresh = static_cast<PredicateId>(known.size());
  const auto id = index.find_or_add(hash, fresh, [&](PredicateId other) { return known[other] == ports; });
  if (id == fresh) {
    known.push_back(std::move(ports));
    rules.push_back(&rule);
  }
  return id;
}

std::optional<Criteria> Predicates::of(const resolve::ResolvedRule& rule) {
  std::uint8_t families = static_cast<std::uint8_t>((rule.v4 ? kV4 : 0) | (rule.v6 ? kV6 : 0));
  if (rule.icmp) families &= static_cast<std::uint8_t>((rule.protocols[1] ? kV4 : 0) | (rule.protocols[58] ? kV6 : 0));
  auto source = side_of(rule.source, families);
  auto destination = side_of(rule.destination, families);
  auto l4_intervals = destination_intervals(rule);
  if (families == 0 || l4_intervals.empty()) return std::nullopt;
  Criteria made;
  if (rule.source.ports) {
    auto ports = source_intervals(*rule.source.ports);
    if (ports.empty()) return std::nullopt;
    made.source_port = ports_id(std::move(ports), source_ports, source_port_index_, source_port_rules, rule);
  }
  made.l4 = ports_id(std::move(l4_intervals), l4, l4_index_, l4_rules, rule);
  simplify(source, families);
  simplify(destination, families);
  const bool source_sets = !source.in.empty() || !source.not_in.empty();
  const bool destination_sets = !destination.in.empty() || !destination.not_in.empty();
  // The family is one of the packet's: it is looked at on one side, on the source if no set says otherwise.
  if (source_sets && destination_sets) destination.families = kBothFamilies;
  if (destination_sets) made.destination = side_id(std::move(destination), rule);
  if (source_sets || (!destination_sets && families != kBothFamilies)) made.source = side_id(std::move(source), rule);
  return made;
}

}  // namespace nodewall::compile
