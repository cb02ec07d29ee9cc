// The oracle: judges a packet by walking the resolved rules in order, the way docs/semantics.md tells it. Slow and plain: the
// compiled image and the real program are checked against it. A packet is judged as the first of its flow.
#pragma once

#include "resolve/endpoint_policy.h"
#include "resolve/packet.h"

namespace nodewall::oracle {

// header checks -> endpoint -> local or forwarded -> failsafe -> tiers -> profiles, in the order of the program.
resolve::Judgement judge(const resolve::Resolved& resolved, const resolve::PacketQuery& packet);

// Parts shared with the `image` engine, which replaces only the policy part. Nothing: not decided, ask the policy.
std::optional<resolve::Judgement> judge_before_policy(const resolve::Resolved& resolved, const resolve::PacketQuery& packet);
// The policy part alone, for a packet that nothing before it decided.
resolve::Judgement judge_policy(const resolve::Resolved& resolved, const resolve::ChainPolicy& policy,
                                const resolve::PacketQuery& packet);

}  // namespace nodewall::oracle
