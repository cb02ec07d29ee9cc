// The packet that somebody would choose who knows the tables: the dearest of many candidates, found by measuring them all. None of them is
// allowed: what a new flow costs is a row of its own.
#pragma once

#include "engine.h"
#include "stream.h"

namespace nodewall::bench {

struct Candidate {
  Frame frame;
  std::string text;
};

// Denied packets; near misses of rules; and shapes that are long to read (VLAN tags, options, extension headers, quoted packets).
std::vector<Candidate> worst_candidates(const Workload& workload, const std::vector<resolve::PacketQuery>& local, std::uint64_t seed);

struct Worst {
  double of_median = 0;
  std::string text;  // which it is
};
Result<Worst> measure_worst(const Lab& lab, const Engine& engine, bool xdp, const std::vector<Candidate>& candidates);

}  // namespace nodewall::bench
