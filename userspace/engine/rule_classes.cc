// Written from docs/semantics.md, like the oracle, and checked against it packet by packet (verify_policy.cc).
#include "engine/rule_classes.h"

#include <algorithm>
#include <string>

namespace nodewall::engine {
namespace {

constexpr std::uint32_t kMostPort = 0xffff;
using PortSpans = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // inclusive

bool contains(const Numbers& numbers, std::uint32_t number) { return std::ranges::binary_search(numbers, number); }

// The values type << 8 | code that the match speaks of: neighbours.
std::pair<std::uint32_t, std::uint32_t> icmp_values(const model::Icmp& icmp) {
  if (!icmp.type) return {0, kMostPort};
  const std::uint32_t type = *icmp.type << 8;
  if (!icmp.code) return {type, type | 255};
  return {type | *icmp.code, type | *icmp.code};
}

PortSpans spans_of(const std::vector<model::PortRange>& ports) {
  PortSpans spans;
  for (const auto& range : ports) spans.emplace_back(range.first, range.last);
  return spans;
}

void append_key(std::vector<std::uint32_t>& key, const std::optional<std::vector<model::PortRange>>& ports) {
  key.push_back(ports ? 1 + static_cast<std::uint32_t>(ports->size()) : 0);
  if (!ports) return;
  for (const auto& range : *ports) key.push_back(std::uint32_t{range.first} << 16 | range.last);
}

void append_key(std::vector<std::uint32_t>& key, const std::optional<model::Icmp>& icmp) {
  key.push_back(icmp ? 1 : 0);
  if (!icmp) return;
  key.push_back(icmp->type ? *icmp->type + 1U : 0);
  key.push_back(icmp->code ? *icmp->code + 1U : 0);
}

std::vector<std::uint32_t> key_of(const std::bitset<256>& protocols) {
  std::vector<std::uint32_t> key;
  for (unsigned word = 0; word < 8; ++word) {
    std::uint32_t bits = 0;
    for (unsigned i = 0; i < 32; ++i) bits |= static_cast<std::uint32_t>(protocols.test(word * 32 + i)) << i;
    key.push_back(bits);
  }
  return key;
}

}  // namespace

bool protocol_has_ports(unsigned protocol) { return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136; }
bool is_icmp_of(unsigned protocol, Family family) { return protocol == (family == Family::v4 ? 1 : 58); }

Sweep::Sweep(std::vector<Span> spans) {
  std::ranges::sort(spans, {}, [](const Span& span) { return std::pair(span.id, span.first); });
  constexpr auto kGreatest = ~Uint128{0};
  for (std::size_t i = 0; i < spans.size();) {
    auto whole = spans[i];
    for (++i; i < spans.size() && spans[i].id == whole.id && (whole.last == kGreatest || spans[i].first <= whole.last + 1); ++i)
      whole.last = std::max(whole.last, spans[i].last);
    events_.push_back({whole.first, true, whole.id});
    if (whole.last != kGreatest) events_.push_back({whole.last + 1, false, whole.id});
  }
  std::ranges::sort(events_, {}, [](const Event& event) { return std::pair(event.position, event.begins); });
}

std::vector<Uint128> Sweep::boundaries(Uint128 greatest) const {
  std::vector<Uint128> found;
  for (const auto& event : events_)
    if (event.position <= greatest && (found.empty() || found.back() != event.position)) found.push_back(event.position);
  return found;
}

const Numbers& Sweep::at(Uint128 position) {
  for (; next_ < events_.size() && events_[next_].position <= position; ++next_) {
    const auto& event = events_[next_];
    const auto place = std::ranges::lower_bound(active_, event.id);
    moved_ += static_cast<std::uint64_t>(active_.end() - place) + 1;
    if (event.begins) active_.insert(place, event.id);
    else active_.erase(place);
  }
  return active_;
}

std::uint32_t ChainRules::Sides::number(const SidePredicate& predicate) {
  const auto [known, is_new] = numbers_.try_emplace(predicate, static_cast<std::uint32_t>(predicates_.size()));
  if (!is_new) return known->second;
  predicates_.push_back(predicate);
  auto& list = predicate.in.empty() ? without_set_ : by_first_set_[predicate.in.front()];
  list.push_back(known->second);
  return known->second;
}

bool ChainRules::Sides::holds(const SidePredicate& predicate, Family family, const Numbers& in_sets) const {
  if (!(family == Family::v4 ? predicate.v4 : predicate.v6)) return false;
  const auto is_in = [&](resolve::SetIndex set) { return contains(in_sets, set); };
  return std::ranges::all_of(predicate.in, is_in) && std::ranges::none_of(predicate.not_in, is_in);
}

Numbers ChainRules::Sides::satisfied(Family family, const Numbers& in_sets) const {
  Numbers found;
  const auto take = [&](const Numbers& candidates) {
    for (const auto number : candidates)
      if (holds(predicates_[number], family, in_sets)) found.push_back(number);
  };
  take(without_set_);
  for (const auto set : in_sets)
    if (const auto list = by_first_set_.find(set); list != by_first_set_.end()) take(list->second);
  std::ranges::sort(found);
  return found;
}

ChainRules::ChainRules(const resolve::ChainPolicy& policy, ChainKind kind, const compile::Slots& slots) : kind_(kind), slots_(slots) {
  for (const auto& tier : policy.tiers) {
    const auto first = entries_.size();
    for (const auto& rule : tier.rules) add_rule(rule, NW_REASON_POLICY, true);
    if (tier.end == model::TierAction::Deny) add_end({NW_DENY, NW_REASON_TIER_DEFAULT, resolve::origin_of_end(tier)});
    for (auto i = first; i < entries_.size(); ++i) entries_[i].next = static_cast<std::uint32_t>(entries_.size());
  }
  switch (resolve::end_of(kind.chain)) {
    case resolve::ChainEnd::profiles:
      for (const auto& rule : policy.profile_rules) add_rule(rule, NW_REASON_PROFILE, false);
      add_end({NW_DENY, NW_REASON_NO_PROFILE, {}});
      break;
    case resolve::ChainEnd::open: add_end({NW_ALLOW, NW_REASON_FORWARDED, {}}); break;
    case resolve::ChainEnd::next: add_end({NW_NEXT, NW_REASON_NONE, {}}); break;
  }
  by_source_.resize(source_.size());
  by_destination_.resize(destination_.size());
  by_l4_.resize(l4_.size());
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    by_source_[entries_[i].source].push_back(i);
    by_destination_[entries_[i].destination].push_back(i);
    by_l4_[entries_[i].l4].push_back(i);
  }
}

// Log rules decide nothing, but whether the packet is logged.
void ChainRules::add_rule(const resolve::ResolvedRule& rule, std::uint32_t reason, bool may_pass) {
  const bool logs = rule.action == model::Action::Log;
  if (logs && !kind_.log()) return;
  if (may_pass && rule.action == model::Action::Pass) return add(rule, {.passes = true});
  if (logs) return add(rule, {.answer = {NW_LOG, NW_REASON_NONE, {}}});
  const std::uint32_t verdict = rule.action == model::Action::Allow ? NW_ALLOW : NW_DENY;
  add(rule, {.answer = {verdict, reason, rule.origin}});
}

// Matches everything.
void ChainRules::add_end(oracle::ChainVerdict answer) {
  resolve::ResolvedRule all;
  all.protocols.set();
  add(all, {.answer = std::move(answer)});
}

void ChainRules::add(const resolve::ResolvedRule& rule, RuleEntry entry) {
  // Of what is not logged the tables say no more.
  if (kind_.log() && !entry.passes && entry.answer.verdict != NW_LOG) entry.answer = {NW_NEXT, NW_REASON_NONE, {}};
  number(rule, entry);
  if (!entry.passes) entry.counter = counter_of(entry.answer);
  entries_.push_back(std::move(entry));
}

void ChainRules::number(const resolve::ResolvedRule& rule, RuleEntry& entry) {
  entry.source = source_.number({rule.source.in, rule.source.not_in, rule.v4, rule.v6});
  entry.destination = destination_.number({rule.destination.in, rule.destination.not_in, rule.v4, rule.v6});
  auto key = key_of(rule.protocols);
  append_key(key, rule.icmp);
  append_key(key, rule.not_icmp);
  append_key(key, rule.destination.ports);
  const auto [l4, new_l4] = l4_numbers_.try_emplace(std::move(key), static_cast<std::uint32_t>(l4_.size()));
  if (new_l4) l4_.push_back({rule.protocols, rule.icmp, rule.not_icmp, rule.destination.ports});
  entry.l4 = l4->second;
  std::vector<std::uint32_t> ports;
  append_key(ports, rule.source.ports);
  const auto [port, new_ports] =
      source_port_numbers_.try_emplace(std::move(ports), static_cast<std::uint32_t>(source_ports_.size()));
  if (new_ports) source_ports_.push_back(rule.source.ports);
  entry.source_port = port->second;
}

std::uint32_t ChainRules::counter_of(const oracle::ChainVerdict& answer) const {
  if (answer.verdict > NW_ALLOW || answer.reason == NW_REASON_FORWARDED) return NW_NO_COUNTER;
  const auto found = slots_.rules.find({.direction = resolve::direction_of(kind_.chain), .origin = answer.origin});
  return found == slots_.rules.end() ? NW_NO_COUNTER : found->second;
}

std::vector<Span> ChainRules::l4_spans(Family family) const {
  std::vector<Span> found;
  for (std::uint32_t id = 0; id < l4_.size(); ++id) {
    const auto& predicate = l4_[id];
    for (unsigned protocol = 0; protocol < 256; ++protocol) {
      if (!predicate.protocols.test(protocol)) continue;
      const bool icmp = is_icmp_of(protocol, family);
      if ((predicate.ports && !protocol_has_ports(protocol)) || (predicate.icmp && !icmp)) continue;
      PortSpans values{{0, kMostPort}};
      if (predicate.ports) values = spans_of(*predicate.ports);
      if (predicate.icmp) values = {icmp_values(*predicate.icmp)};
      if (predicate.not_icmp && icmp) {
        const auto [first, last] = icmp_values(*predicate.not_icmp);
        PortSpans left;
        for (const auto& [from, to] : values) {
          if (from < first) left.emplace_back(from, std::min(to, first - 1));
          if (to > last) left.emplace_back(std::max(from, last + 1), to);
        }
        values = std::move(left);
      }
      for (const auto& [from, to] : values) found.push_back({protocol << 16 | from, protocol << 16 | to, id});
    }
  }
  return found;
}

std::vector<Span> ChainRules::source_port_spans() const {
  std::vector<Span> found;
  for (std::uint32_t id = 0; id < source_ports_.size(); ++id) {
    for (unsigned protocol = 0; protocol < 256; ++protocol) {
      if (!source_ports_[id]) {
        found.push_back({protocol << 16, protocol << 16 | kMostPort, id});
        continue;
      }
      if (!protocol_has_ports(protocol)) continue;
      for (const auto& [from, to] : spans_of(*source_ports_[id])) found.push_back({protocol << 16 | from, protocol << 16 | to, id});
    }
  }
  return found;
}

}  // namespace nodewall::engine
