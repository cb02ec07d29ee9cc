// Random policies and packets: the image must answer as the plain scan does. NODEWALL_SEED repeats a run.
#include <catch2/catch_test_macros.hpp>

#include "oracle/oracle.h"
#include "random_policy.h"

namespace nodewall::compile::test {
namespace {

std::string text(const ChainAnswer& it) {
  return "verdict " + std::to_string(it.verdict) + " reason " + std::to_string(it.reason) + " " + it.origin.tier + "/" +
         it.origin.policy + "/" + std::to_string(it.origin.rule) + (it.origin.staged ? " of a staged policy" : "") +
         (it.staged ? " staged" : "");
}

struct Counts {
  std::size_t asked = 0;
  std::array<std::size_t, 4> verdicts{};  // NW_DENY, NW_ALLOW, NW_NEXT, NW_LOG
  std::size_t staged = 0;
};

// The oracle walks one chain; of a packet that is not logged it says what decides.
bool oracle_agrees(const resolve::Resolved& resolved, std::size_t endpoint, std::uint32_t variant, std::uint32_t chain,
                   const resolve::PacketQuery& packet, const ChainAnswer& expected) {
  const auto& it = resolved.endpoints[endpoint];
  if (variant == NW_VARIANT_STAGED ? !it.staged[chain] : !it.has(chain)) return true;
  const auto& policy = variant == NW_VARIANT_STAGED ? *it.staged[chain] : it.chains[chain];
  const auto walked = oracle::judge_chain(resolved, policy, variant, chain, packet);
  if (variant == NW_VARIANT_LOG) return (walked.verdict == NW_LOG) == (expected.verdict == NW_LOG);
  return walked == oracle::ChainVerdict{expected.verdict, expected.reason, expected.origin};
}

// Every variant of every chain of one endpoint.
void ask_all(const resolve::Resolved& resolved, const TableImage& image, std::uint32_t slot, std::size_t endpoint,
             const resolve::PacketQuery& packet, std::array<Counts, NW_VARIANTS>& counts) {
  for (const std::uint32_t variant : {NW_VARIANT_ENFORCED, NW_VARIANT_LOG, NW_VARIANT_STAGED})
    for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
      const auto expected = scan(resolved, endpoint, variant, chain, packet);
      const auto answer = test::ask(image, slot, variant, chain, packet);
      auto& count = counts[variant];
      ++count.asked;
      ++count.verdicts[expected.verdict];
      count.staged += expected.staged;
      CHECK(oracle_agrees(resolved, endpoint, variant, chain, packet, expected));
      if (answer == expected) continue;
      CAPTURE(to_string(packet.source), to_string(packet.destination), packet.protocol, packet.source_port, packet.destination_port,
              endpoint, variant, chain);
      REQUIRE(text(answer) == text(expected));
    }
}

}  // namespace

TEST_CASE("every variant of every chain of the image answers random packets as a scan over the rules does") {
  const auto first = seed();
  std::array<Counts, NW_VARIANTS> counts{};
  for (std::uint64_t round = 0; round < 2000; ++round) {
    CAPTURE(first + round);
    Random random(first + round);
    const auto resolved = random_policy(random);
    const auto slots = assign_slots({}, resolved);
    const auto image = compile(resolved, slots);
    REQUIRE(image);
    for (int i = 0; i < 20; ++i) {
      const auto packet = random_packet(random, resolved);
      const auto endpoint = below(random, resolved.endpoints.size());
      ask_all(resolved, *image, slots.endpoints.at(resolved.endpoints[endpoint].host_endpoint), endpoint, packet, counts);
    }
  }
  const auto share = [](std::size_t part, const Counts& whole) { return static_cast<double>(part) / static_cast<double>(whole.asked); };
  const auto& enforced = counts[NW_VARIANT_ENFORCED];
  for (const auto verdict : {NW_DENY, NW_ALLOW, NW_NEXT}) CHECK(share(enforced.verdicts[static_cast<std::size_t>(verdict)], enforced) > 0.05);
  CHECK(enforced.staged == 0);
  CHECK(share(counts[NW_VARIANT_LOG].verdicts[NW_LOG], counts[NW_VARIANT_LOG]) > 0.01);
  CHECK(share(counts[NW_VARIANT_STAGED].staged, counts[NW_VARIANT_STAGED]) > 0.01);
}

}  // namespace nodewall::compile::test
