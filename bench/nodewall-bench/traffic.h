// What comes in while an engine is measured: packets of one kind, with the verdict and the reason that they must have.
//
//   denied, denied-tcp, denied-udp   first packets that the policy denies; denied-ack: of TCP, that no flow knows
//   first, last, new                 first packets that the first, the last, any rule allows; each of a new flow
//   established                      of flows that are in the table
//   mixed                            denied and established in turn
//   failsafe                         to a failsafe port, each of a new flow
//   not-ip, malformed, martian       end before the policy is asked; in test runs only
#pragma once

#include <string>
#include <vector>

#include "engine.h"
#include "stream.h"
#include "workload.h"

namespace nodewall::bench {

struct Traffic {
  std::string name;
  std::vector<resolve::PacketQuery> packets;
  std::vector<resolve::PacketQuery> flows;  // those of them that belong to established flows
  Stream stream;
  Passes passes = Passes::none;
  std::vector<std::uint32_t> reasons;  // NW_REASON_*: what our programs may count them under
};

inline const std::vector<std::string> kWireTraffic = {"denied", "denied-tcp", "denied-ack", "denied-udp", "first", "last", "new", "established", "mixed"};
inline const std::vector<std::string> kStages = {"not-ip", "malformed", "martian", "failsafe", "established", "denied-tcp", "denied-ack", "denied-udp", "new"};
inline const std::vector<std::string> kTraffic = {"denied", "denied-tcp", "denied-ack", "denied-udp", "first",     "last",   "new",
                                                  "established", "mixed", "failsafe",   "not-ip", "malformed", "martian"};

// `flows` frames, a power of two. Errc::not_found when the workload has no such packets.
Result<Traffic> make_traffic(const std::string& what, const Workload& workload, std::size_t flows, std::uint32_t frame_bytes, std::uint64_t seed);

// Of what was counted between `before` and `after` at least that share was counted under the reasons of the traffic.
Status check_reasons(const std::string& engine, const Traffic& traffic, const ReasonCounts& before, const ReasonCounts& after, double least_share);

}  // namespace nodewall::bench
