// The oracle: judges a packet by walking the resolved rules in order, the way docs/semantics.md tells it. Slow and plain: the
// compiled image and the real program are checked against it. A packet is judged as the first of its flow.
//
//   header checks -> failsafe -> untracked chain -> preDNAT chain -> the host's own or the forward chain (maps/policy.h)
#pragma once

#include <functional>

#include "resolve/endpoint_policy.h"
#include "resolve/packet.h"

namespace nodewall::oracle {

// What one chain says about a packet.
struct ChainVerdict {
  std::uint32_t verdict = NW_NEXT;  // NW_DENY, NW_ALLOW; NW_NEXT: the next stage decides; NW_LOG: of NW_VARIANT_LOG only
  std::uint32_t reason = NW_REASON_NONE;  // NONE with NW_NEXT and NW_LOG
  resolve::Origin origin;  // empty: the chain's end
  bool operator==(const ChainVerdict&) const = default;
};

// Asks a chain of resolved.endpoints[endpoint]: `variant` is NW_VARIANT_*, `chain` NW_CHAIN_*. ENFORCED and STAGED are asked only where
// the endpoint has such a chain; LOG of every chain that is asked, and answers NW_LOG if the packet is to be logged, else anything else.
using ChainJudge =
    std::function<ChainVerdict(std::uint32_t endpoint, std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& packet)>;

// The whole way of a packet, each chain asked by a walk over its rules.
resolve::Judgement judge(const resolve::Resolved& resolved, const resolve::PacketQuery& packet);
// The same way, with something else to answer for the chains: the `image` engine asks the compiled image.
resolve::Judgement judge(const resolve::Resolved& resolved, const resolve::PacketQuery& packet, const ChainJudge& ask);

// One chain by itself. `chain` says what comes after its last tier (resolve::end_of). Log rules count only with NW_VARIANT_LOG, where the
// first that matches answers NW_LOG.
ChainVerdict judge_chain(const resolve::Resolved& resolved, const resolve::ChainPolicy& policy, std::uint32_t variant, std::uint32_t chain,
                         const resolve::PacketQuery& packet);

// The Log rules of a chain that come before what decides about the packet, in order.
std::vector<resolve::Origin> log_rules(const resolve::Resolved& resolved, const resolve::ChainPolicy& policy,
                                       const resolve::PacketQuery& packet);

}  // namespace nodewall::oracle
