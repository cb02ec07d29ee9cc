// An engine under measurement: installed at the node's side of the wire, judges what comes in, and goes with the object.
//
//   empty-xdp, empty-tc      programs that drop everything, or pass everything: the ceiling of their hook
//   nodewall-xdp, -tcx       ours, with connection tracking and counters, as nodewalld attaches it
//   nft-list                 nftables, input hook, one rule a line; stateless
//   nft-set, nft-concat      nftables with a set, or a concatenated set of the rules; stateless
//   iptables, ipset          iptables (legacy or nft, whatever the program is), with an ipset for sets; stateless
//   bpfilter                 bfcli at XDP, if it is on the path
//
// Peers keep no connection state here, which is to their advantage.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lab.h"
#include "workload.h"

namespace nodewall::bench {

class Engine {
 public:
  virtual ~Engine() = default;  // takes itself off
  // What it was: programs, versions. For the report.
  [[nodiscard]] virtual std::string about() const = 0;
};

// What an engine needs to know beside the policy.
struct Setting {
  const Workload& workload;
  std::vector<resolve::PacketQuery> packets;  // that will come; their destinations are the node's own
  std::size_t background_flows = 0;           // established flows of others in the table
  bool established = false;                   // the packets belong to established flows
  bool allowed = false;                       // the policy allows them
};

inline const std::vector<std::string> kEngines = {"empty-xdp", "nodewall-xdp", "empty-tc", "nodewall-tcx", "nft-list", "nft-set",
                                                  "nft-concat", "iptables",     "ipset",    "bpfilter"};

// Whether the engine has a form for such a workload, and a size that it can be asked for in reasonable time.
bool takes(const std::string& engine, const Workload& workload);
// Errc::not_found when the machine does not have what it needs.
Result<std::unique_ptr<Engine>> install(const std::string& engine, Lab& lab, const Setting& setting);

// The parts, by file.
Result<std::unique_ptr<Engine>> install_empty(const std::string& engine, Lab& lab, const Setting& setting);
Result<std::unique_ptr<Engine>> install_nodewall(const std::string& engine, Lab& lab, const Setting& setting);
Result<std::unique_ptr<Engine>> install_peer(const std::string& engine, Lab& lab, const Setting& setting);

}  // namespace nodewall::bench
