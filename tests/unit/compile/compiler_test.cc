// A compiler that goes on from the last policy answers as one that begins anew: random sequences of changes, each compared with a fresh
// compilation, the plain scan and the oracle. NODEWALL_SEED repeats a run, NODEWALL_SECONDS=n goes on for so long.
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstring>
#include <functional>

#include "compile/compiler.h"
#include "oracle/oracle.h"
#include "random_change.h"

namespace nodewall::compile::test {
namespace {

using Changes = std::optional<std::vector<LineRange>>;

// The two banks of the kernel: a new image is written over the one before last, of which two changes say what differs. Behind its end
// a bank has anything.
class Banks {
 public:
  void take(const TableImage& image, const Changes& changes) {
    auto& bank = banks_[turn_++ % 2];
    if (!changes || !last_) {
      bank = image.lines;
    } else {
      REQUIRE(bank.size() <= image.lines.size());
      nw_line anything;
      std::ranges::fill(anything.words, 0xa5a5a5a5U);
      bank.resize(image.lines.size(), anything);
      copy(image, *last_, bank);
      copy(image, *changes, bank);
    }
    last_ = changes;
    REQUIRE(bank.size() == image.lines.size());
    REQUIRE(std::memcmp(bank.data(), image.lines.data(), bank.size() * sizeof(nw_line)) == 0);
  }
  void forget() { last_.reset(); }

 private:
  static void copy(const TableImage& image, const std::vector<LineRange>& ranges, std::vector<nw_line>& bank) {
    std::uint64_t end = 0;
    for (const auto& range : ranges) {
      REQUIRE(range.first >= end);
      end = std::uint64_t{range.first} + range.count;
      REQUIRE(end <= image.lines.size());
      std::copy_n(image.lines.begin() + range.first, range.count, bank.begin() + range.first);
    }
  }

  std::array<std::vector<nw_line>, 2> banks_;
  Changes last_;
  std::size_t turn_ = 0;
};

struct Answers {
  const resolve::Resolved& policy;
  const TableImage& kept;
  const Slots& slots;

  void compare(std::size_t endpoint, const resolve::PacketQuery& packet, const TableImage* fresh) const {
    const auto slot = slots.endpoints.at(policy.endpoints[endpoint].host_endpoint);
    for (const std::uint32_t variant : {NW_VARIANT_ENFORCED, NW_VARIANT_LOG, NW_VARIANT_STAGED})
      for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
        const auto answer = test::ask(kept, slot, variant, chain, packet);
        CAPTURE(to_string(packet.source), to_string(packet.destination), packet.protocol, packet.source_port, packet.destination_port,
                endpoint, variant, chain);
        REQUIRE(answer == scan(policy, endpoint, variant, chain, packet));
        if (fresh != nullptr) {
          REQUIRE(answer == test::ask(*fresh, slot, variant, chain, packet));
          REQUIRE(ImageReader(kept.lines).ask(slot, variant, chain, packet).counter ==
                  ImageReader(fresh->lines).ask(slot, variant, chain, packet).counter);
        }
        const auto& it = policy.endpoints[endpoint];
        if (variant != NW_VARIANT_ENFORCED || !it.has(chain)) continue;
        REQUIRE(oracle::judge_chain(policy, it.chains[chain], variant, chain, packet) ==
                oracle::ChainVerdict{answer.verdict, answer.reason, answer.origin});
      }
  }
};

struct Counts {
  std::size_t changes = 0, kept = 0, refused = 0, longest = 0;  // the longest row of changes that were taken over
};

// One policy after the other. What fresh compilations refuse, a compiler may still know how to do; nothing else is refused.
void tell(Random& random, const CompileLimits& limits, int steps, Counts& counts) {
  Compiler compiler(limits);
  Story story(random);
  Slots slots;
  Banks banks;
  std::size_t row = 0;
  for (int step = 0; step < steps; ++step) {
    CAPTURE(step);
    const auto& policy = story.policy();
    slots = assign_slots(slots, policy);
    const auto next = std::make_shared<const resolve::Resolved>(policy);
    const auto done = compiler.update(next, std::make_shared<const Slots>(slots));
    const auto fresh = compile(*next, slots, limits);
    ++counts.changes;
    if (done) {
      row = compiler.changes() ? row + 1 : 0;
      counts.kept += compiler.changes() ? 1 : 0;
      counts.longest = std::max(counts.longest, row);
      banks.take(compiler.image(), compiler.changes());
      const Answers answers{*next, compiler.image(), slots};
      for (int i = 0; i < 16; ++i)
        answers.compare(below(random, policy.endpoints.size()), random_packet(random, chance(random, 50) ? policy : story.asked()),
                        fresh ? &*fresh : nullptr);
    } else {
      ++counts.refused;
      REQUIRE(!fresh);
      REQUIRE(compiler.image().lines.empty());
      banks.forget();
    }
    story.go_on();
  }
}

template <class Tell>
void tell_many(std::uint64_t rounds, Tell tell_one) {
  const auto* given = std::getenv("NODEWALL_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(given != nullptr ? std::atoi(given) : 0);
  const auto first = seed();
  for (std::uint64_t round = 0; round < rounds || std::chrono::steady_clock::now() < end; ++round) {
    CAPTURE(first + round);
    Random random(first + round);
    tell_one(random);
  }
}

}  // namespace

TEST_CASE("after any sequence of changes a compiler's image answers as a fresh one, and the changed lines are all that changed") {
  Counts counts;
  tell_many(30, [&](Random& random) {
    // Half of the time what nobody needs any more goes soon, and its place is another's.
    CompileLimits limits;
    if (chance(random, 50)) limits.spare_nodes = below(random, 200);
    tell(random, limits, 60, counts);
  });
  CHECK(counts.kept * 3 > counts.changes);  // or nothing was tried
  CHECK(counts.refused == 0);
  std::cout << counts.kept << " of " << counts.changes << " changes were taken over, up to " << counts.longest << " in a row\n";
}

TEST_CASE("a policy that is too large in the middle of a sequence leaves nothing behind") {
  Counts counts;
  tell_many(20, [&](Random& random) {
    const CompileLimits limits{.diagram_nodes = 8 + below(random, 120), .diagram_steps = 50 + below(random, 1000)};
    tell(random, limits, 60, counts);
  });
  CHECK(counts.kept * 10 > counts.changes);
  CHECK(counts.refused * 20 > counts.changes);
  std::cout << counts.refused << " of " << counts.changes << " policies were refused, " << counts.kept << " changes taken over\n";
}

// A chain that logs, of a policy with an end in the middle.
resolve::Resolved logging_policy() {
  resolve::Resolved policy;
  for (const auto* net : {"10.1.0.0/16", "2001:db8:1::/64", "2001:db8:2::/64"}) policy.sets.push_back({{cidr(net)}});
  auto& endpoint = policy.endpoints.emplace_back();
  endpoint.host_endpoint = "hep";
  auto& tier = endpoint.chains[NW_CHAIN_INGRESS].tiers.emplace_back();
  tier.name = "default";
  for (std::int32_t index = 0; index < 5; ++index) tier.rules.push_back(rule(model::Action::Allow, "p", index));
  tier.rules[0].action = model::Action::Log;
  tier.rules[0].source.in = {0};
  for (const resolve::SetIndex set : {0, 1, 2}) tier.rules[set == 2 ? 4 : set + 1].source.in = {set};
  for (const auto index : {0, 1, 2, 4}) tier.rules[static_cast<std::size_t>(index)].protocols.reset().set(6);
  return policy;
}

TEST_CASE("a change is taken over: of a rule behind the last Log rule, of one that no packet comes to, of networks of IPv6 of any length") {
  auto policy = logging_policy();
  auto& rules = policy.endpoints[0].chains[NW_CHAIN_INGRESS].tiers[0].rules;
  const auto slots = assign_slots({}, policy);
  Compiler compiler;
  REQUIRE(compiler.update(std::make_shared<const resolve::Resolved>(policy), std::make_shared<const Slots>(slots)));
  const auto port = [](std::uint16_t number) { return std::vector{model::PortRange{number, number}}; };
  const std::vector<std::function<void()>> changes = {
      [&] { rules[1].destination.ports = port(80); },
      [&] { rules[4].destination.ports = port(80); },
      [&] { policy.sets[1].members = policy.sets[1].members.with(cidr("2001:db8:1:1::/64")); },
      [&] { policy.sets[1].members = policy.sets[1].members.with(cidr("2002::/16")); },
      [&] { rules[0].destination.ports = port(80); },
      [&] { policy.sets[1].members = {cidr("2001:db8::/32")}; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(i);
    changes[i]();
    REQUIRE(compiler.update(std::make_shared<const resolve::Resolved>(policy), std::make_shared<const Slots>(slots)));
    CHECK(compiler.changes());
    const Answers answers{policy, compiler.image(), slots};
    for (const auto* source : {"2001:db8:1::1", "2001:db8:1:1::1", "2001:db8:2::1", "2002::1", "2003::1"})
      for (const std::uint16_t number : {80, 81}) answers.compare(0, packet(source, "2001:db8:f::1", 6, number), nullptr);
    for (const std::uint16_t number : {80, 81}) answers.compare(0, packet("10.1.0.1", "10.0.0.1", 6, number), nullptr);
  }
}

// What a set was is not what it is: in the same change a set may become what another one was.
TEST_CASE("a set that takes over the members that another one had has these, and the other one its new ones") {
  resolve::Resolved policy;
  for (const auto* net : {"10.1.0.0/16", "10.2.0.0/16", "10.2.0.0/16"}) policy.sets.push_back({{cidr(net)}});
  auto& endpoint = policy.endpoints.emplace_back();
  endpoint.host_endpoint = "hep";
  auto& tier = endpoint.chains[NW_CHAIN_INGRESS].tiers.emplace_back();
  tier.name = "default";
  for (resolve::SetIndex set = 0; set < 3; ++set) {
    tier.rules.push_back(rule(model::Action::Allow, "p", static_cast<std::int32_t>(set)));
    tier.rules.back().source.in = {set};
    tier.rules.back().destination.ports = {{model::PortRange{static_cast<std::uint16_t>(80 + set), static_cast<std::uint16_t>(80 + set)}}};
  }
  Compiler compiler;
  const auto slots = assign_slots({}, policy);
  REQUIRE(compiler.update(std::make_shared<const resolve::Resolved>(policy), std::make_shared<const Slots>(slots)));
  policy.sets[0].members = {cidr("10.3.0.0/16")};
  policy.sets[1].members = {cidr("10.1.0.0/16")};
  REQUIRE(compiler.update(std::make_shared<const resolve::Resolved>(policy), std::make_shared<const Slots>(slots)));
  CHECK(compiler.changes());
  const Answers answers{policy, compiler.image(), slots};
  for (const auto* source : {"10.1.0.1", "10.2.0.1", "10.3.0.1"})
    for (const std::uint16_t port : {80, 81, 82}) answers.compare(0, packet(source, "10.0.0.1", 6, port), nullptr);
}

}  // namespace nodewall::compile::test
