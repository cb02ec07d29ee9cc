#include "engine/verify.h"

namespace nodewall::engine {

void VerifyReport::differ(Difference difference) {
  ++difference_count;
  if (differences.size() < kMostDifferences) differences.push_back(std::move(difference));
}

std::string verdict_text(const oracle::ChainVerdict& verdict) {
  if (verdict.verdict == NW_NEXT) return "no rule decides";
  if (verdict.verdict == NW_LOG) return "logged";
  std::string text = verdict.verdict == NW_ALLOW ? "allow: " : "deny: ";
  text += resolve::reason_name(verdict.reason);
  const auto& origin = verdict.origin;
  if (origin == resolve::Origin{}) return text;
  if (origin.staged) text += " staged";
  text += origin.tier.empty() ? " profile" : " " + origin.tier;
  if (!origin.policy.empty()) text += (origin.tier.empty() ? " " : "/") + origin.policy;
  if (origin.rule >= 0) text += "/" + std::to_string(origin.rule);
  return text;
}

Result<VerifyReport> verify(const Expectation& expectation, const Tables& tables, const VerifyLimits& limits) {
  VerifyReport report;
  if (auto done = verify_policy(expectation, tables.image, limits, report); !done) return fail(done.error());
  verify_small_maps(expectation, tables, report);
  return report;
}

}  // namespace nodewall::engine
