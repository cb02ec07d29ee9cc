#include "engine/verify_chain.h"

#include <algorithm>
#include <array>
#include <set>

#include "oracle/oracle.h"

namespace nodewall::engine {
namespace {

using compile::ImageAnswer;
using compile::ImageReader;

constexpr std::size_t kMostKeptWords = std::size_t{32} << 20;  // of bits kept for the destinations
constexpr std::size_t kLongList = 32;
constexpr std::uint64_t kFewSamples = 1000;
constexpr std::size_t kMostAnswered = std::size_t{1} << 20;
using Bits = std::vector<std::uint64_t>;

bool contains(const Numbers& numbers, std::uint32_t number) { return std::ranges::binary_search(numbers, number); }

// Entries whose side predicate is one of `satisfied`.
void fill(Bits& bits, const Numbers& satisfied, const std::vector<Numbers>& entries_by_predicate) {
  std::ranges::fill(bits, 0);
  for (const auto predicate : satisfied)
    for (const auto entry : entries_by_predicate[predicate]) bits[entry >> 6] |= 1ULL << (entry & 63);
}

class Comparison {
 public:
  Comparison(const Expectation& expectation, const ImageReader& image, const VerifyLimits& limits, const Subject& subject,
             const ChainRules& rules, VerifyReport& report)
      : expectation_(expectation), image_(image), limits_(limits), subject_(subject), rules_(rules), report_(report),
        words_((rules.entries().size() + 63) / 64), source_bits_(words_), destination_bits_(words_) {
    packet_.interface = subject.interface;
    packet_.direction = subject.direction();
    packet_.forwarded = resolve::end_of(subject.kind.chain) == resolve::ChainEnd::open;
  }

  Status run(const HeaderAxes& axes) {
    blocks_ = &axes.blocks;
    std::uint64_t total = 0, pairs = 0;
    for (const auto& family : axes.families) {
      total += family.combinations();
      pairs += std::uint64_t{family.sources.size()} * family.destinations.size();
    }
    report_.possible += total;
    const bool whole = pairs <= limits_.rule_work / words_;
    const auto most = limits_.asked - std::min(limits_.asked, report_.asked);
    const auto samples = std::min({limits_.samples, std::max(limits_.rule_work / 8 / rules_.entries().size(), kFewSamples), most});
    // The oracle walks rules and networks one by one: asked about each combination, or about as many as fit, half of them first and half
    // spread over all.
    oracle_first_ = report_.asked + limits_.oracle_work / 2 / oracle_cost();
    oracle_stride_ = 1 + std::min(total, most) * oracle_cost() / (limits_.oracle_work / 2);
    for (const auto& family : axes.families) {
      answered_.clear();
      auto done = whole ? all_of(family) : sample(family, samples / axes.families.size());
      if (!done) return done;
    }
    return {};
  }

 private:
  // Networks and rules that the oracle looks at for one packet, at most.
  [[nodiscard]] std::uint64_t oracle_cost() const {
    std::uint64_t cost = 1;
    const auto add = [&](const resolve::ResolvedRule& rule) {
      ++cost;
      for (const auto* side : {&rule.source, &rule.destination})
        for (const auto* sets : {&side->in, &side->not_in})
          for (const auto set : *sets) cost += expectation_.resolved.sets[set].members.size();
    };
    for (const auto& tier : subject_.policy->tiers) std::ranges::for_each(tier.rules, add);
    std::ranges::for_each(subject_.policy->profile_rules, add);
    return cost;
  }

  Status all_of(const FamilyAxes& axes) {
    const bool keep = axes.destinations.size() * words_ <= kMostKeptWords;
    std::vector<Bits> kept;
    if (keep)
      for (const auto& destination : axes.destinations) {
        kept.emplace_back(words_);
        fill(kept.back(), destination.satisfied, rules_.by_destination());
      }
    for (const auto& source : axes.sources) {
      begin_source(axes, source);
      for (std::size_t i = 0; i < axes.destinations.size(); ++i) {
        begin_destination(axes, axes.destinations[i], keep ? &kept[i] : nullptr);
        if (auto done = compare_pair(axes, source, axes.destinations[i]); !done) return done;
      }
    }
    return {};
  }

  // A pair whose part of the diagrams and whose rules were met before is answered as that one was.
  Status compare_pair(const FamilyAxes& axes, const SideClass& source, const SideClass& destination) {
    if (const auto rest = remainders(source, destination)) {
      Numbers key(rest->begin(), rest->end());
      key.insert(key.end(), candidates_.begin(), candidates_.end());
      if (const auto known = answered_.find(key); known != answered_.end()) {
        report_.combinations += axes.transports.size();
        report_.difference_count += known->second;
        return {};
      }
      const auto before = report_.difference_count;
      const auto asked = report_.asked;
      auto done = compare_transports(axes);
      if (done && report_.asked - asked == axes.transports.size() && answered_.size() < kMostAnswered)
        answered_.emplace(std::move(key), report_.difference_count - before);
      return done;
    }
    return compare_transports(axes);
  }

  Status compare_transports(const FamilyAxes& axes) {
    if (report_.asked + axes.transports.size() > limits_.asked) return {};  // not covered
    for (const auto& transport : axes.transports)
      if (auto done = compare(axes, transport); !done) return done;
    return {};
  }

  [[nodiscard]] std::optional<std::array<std::uint32_t, 3>> remainders(const SideClass& source, const SideClass& destination) const {
    if (source.image_class == compile::kFaultClass || destination.image_class == compile::kFaultClass) return std::nullopt;
    std::array<std::uint32_t, 3> rest{};
    for (std::size_t root = 0; root < rest.size(); ++root) {
      const auto left = blocks_->remainder(subject_.entry.roots[root], source.image_class, destination.image_class);
      if (!left) return std::nullopt;
      rest[root] = *left;
    }
    return rest;
  }

  // Spread over all combinations: a stride far from their number; none is counted twice.
  Status sample(const FamilyAxes& axes, std::uint64_t most) {
    const auto total = axes.combinations();
    constexpr Uint128 kStep = 0x9e3779b97f4a7c15ULL;
    std::set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < most && seen.size() < total; ++i) {
      const auto number = static_cast<std::uint64_t>(kStep * i % total);
      if (!seen.insert(number).second) continue;
      const auto pair = number / axes.transports.size();
      begin_source(axes, axes.sources[pair / axes.destinations.size()]);
      begin_destination(axes, axes.destinations[pair % axes.destinations.size()], nullptr);
      if (auto done = compare(axes, axes.transports[number % axes.transports.size()]); !done) return done;
    }
    return {};
  }

  void begin_source(const FamilyAxes& axes, const SideClass& source) {
    packet_.source = compile::address_at(axes.family, source.representative);
    fill(source_bits_, source.satisfied, rules_.by_source());
  }

  void begin_destination(const FamilyAxes& axes, const SideClass& destination, const Bits* known) {
    packet_.destination = compile::address_at(axes.family, destination.representative);
    if (known == nullptr) {
      fill(destination_bits_, destination.satisfied, rules_.by_destination());
      known = &destination_bits_;
    }
    in_destination_ = known;
    candidates_.clear();
    for (std::size_t word = 0; word < words_; ++word)
      for (auto bits = source_bits_[word] & (*known)[word]; bits != 0; bits &= bits - 1)
        candidates_.push_back(static_cast<std::uint32_t>(word * 64 + static_cast<unsigned>(__builtin_ctzll(bits))));
  }

  // Entries that may match at all: those of the addresses, or of the ports when these are far fewer.
  const Numbers& narrowed(const Numbers& l4) {
    std::size_t by_ports = 0;
    for (const auto predicate : l4) by_ports += rules_.by_l4()[predicate].size();
    if (candidates_.size() <= kLongList || by_ports > candidates_.size() / kLongList) return candidates_;
    few_.clear();
    for (const auto predicate : l4)
      for (const auto entry : rules_.by_l4()[predicate])
        if ((source_bits_[entry >> 6] & (*in_destination_)[entry >> 6]) >> (entry & 63) & 1) few_.push_back(entry);
    std::ranges::sort(few_);
    return few_;
  }

  // The entry that decides for the combination at hand.
  const RuleEntry& first_match(const Numbers& l4, const Numbers& source_ports) {
    const auto& entries = rules_.entries();
    std::uint32_t from = 0;
    for (const auto number : narrowed(l4)) {
      if (number < from) continue;
      const auto& entry = entries[number];
      if (!contains(l4, entry.l4) || !contains(source_ports, entry.source_port)) continue;
      if (!entry.passes) return entry;
      from = entry.next;
    }
    return entries.back();  // the end of all matches everything
  }

  Status compare(const FamilyAxes& axes, const TransportClass& transport) {
    packet_.protocol = transport.protocol;
    packet_.source_port = packet_.destination_port = 0;
    packet_.icmp_type = packet_.icmp_code = 0;
    if (protocol_has_ports(transport.protocol)) {
      packet_.source_port = transport.source;
      packet_.destination_port = transport.destination;
    } else {
      packet_.icmp_type = static_cast<std::uint8_t>(transport.destination >> 8);
      packet_.icmp_code = static_cast<std::uint8_t>(transport.destination & 255);
    }
    const auto& entry = first_match(axes.l4[transport.l4], axes.source_ports[transport.source_port]);
    ++report_.combinations;
    const auto number = report_.asked++;
    if (number < oracle_first_ || number % oracle_stride_ == 0) {
      ++report_.oracle_checks;
      if (!oracle_agrees(entry.answer))
        return fail(Errc::internal, "two readings of the rules of '" + subject_.endpoint->host_endpoint + "' differ");
    }
    const auto answer = image_.ask(subject_.slot, subject_.kind.variant, subject_.kind.chain, packet_);
    const bool same = answer.verdict == entry.answer.verdict && answer.reason == entry.answer.reason && answer.counter == entry.counter &&
                      answer.staged == entry.answer.origin.staged;
    if (!same) differ(entry, answer);
    return {};
  }

  // Of a packet that is not logged the oracle says what decides, the rules here do not.
  [[nodiscard]] bool oracle_agrees(const oracle::ChainVerdict& verdict) const {
    const auto walked =
        oracle::judge_chain(expectation_.resolved, *subject_.policy, subject_.kind.variant, subject_.kind.chain, packet_);
    return subject_.kind.log() ? (walked.verdict == NW_LOG) == (verdict.verdict == NW_LOG) : walked == verdict;
  }

  void differ(const RuleEntry& entry, const ImageAnswer& answer) {
    if (report_.differences.size() >= kMostDifferences) {
      ++report_.difference_count;
      return;
    }
    oracle::ChainVerdict found{.verdict = answer.verdict, .reason = answer.reason, .origin = {}};
    auto text = verdict_text(found);
    for (const auto& [key, slot] : expectation_.slots.rules) {
      if (slot != answer.counter) continue;
      found.origin = key.origin;
      text = verdict_text(found);
      if (key.direction != subject_.direction()) text += " of the other direction";
    }
    if (answer.staged != entry.answer.origin.staged) text += answer.staged ? ", marked as staged" : ", not marked as staged";
    report_.differ({.table = "policy",
                    .interface = subject_.interface,
                    .host_endpoint = subject_.endpoint->host_endpoint,
                    .direction = subject_.direction(),
                    .chain = chain_text(subject_.kind),
                    .packet = packet_,
                    .expected = verdict_text(entry.answer),
                    .found = std::move(text)});
  }

  const Expectation& expectation_;
  const ImageReader& image_;
  const VerifyLimits& limits_;
  const Subject& subject_;
  const ChainRules& rules_;
  VerifyReport& report_;
  std::size_t words_;
  Bits source_bits_, destination_bits_;
  const Bits* in_destination_ = nullptr;
  Numbers candidates_, few_;
  resolve::PacketQuery packet_;
  std::uint64_t oracle_first_ = 0, oracle_stride_ = 1;
  const compile::ClassBlocks* blocks_ = nullptr;
  std::map<Numbers, std::uint64_t> answered_;  // differences by remainders and candidates, of one family
};

}  // namespace

std::string chain_text(ChainKind kind) {
  const std::string name(resolve::chain_name(kind.chain));
  if (kind.variant == NW_VARIANT_ENFORCED) return name;
  return (kind.log() ? "log of " : kind.variant == NW_VARIANT_STAGED ? "staged " : "no variant of ") + name;
}

Status compare_chain(const Expectation& expectation, const compile::ImageReader& image, const AddressClasses& addresses,
                     const VerifyLimits& limits, const Subject& subject, VerifyReport& report) {
  const ChainRules rules(*subject.policy, subject.kind, expectation.slots);
  const auto axes = header_axes(addresses, image, rules, subject.entry.roots, limits.block_steps);
  return Comparison(expectation, image, limits, subject, rules, report).run(axes);
}

}  // namespace nodewall::engine
