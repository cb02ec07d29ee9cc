// An engine under measurement: installed at the node's side of the wire, judges what comes in, and goes with the object.
//
//   empty-xdp, empty-tc      programs that drop everything, or pass everything, or every other packet: the ceiling of their hook
//   read-xdp                 reads a frame's EtherType and drops it: what whoever looks at packets at XDP pays
//   nodewall-xdp, -tcx       ours, with connection tracking and counters, as nodewalld attaches it
//   nft-list                 nftables, input hook, one rule a line; stateless
//   nft-set, nft-concat      nftables with a set, or a concatenated set of the rules; stateless
//   iptables, ipset          iptables (legacy or nft, whatever the program is), with an ipset for sets; stateless
//   bpfilter                 bfcli at XDP, if it is on the path
//   xdp-list                 the rules as an XDP program, one comparison after another, as bpfilter compiles them; stateless, IPv4
//   xdp-trie                 an XDP program with the set in the kernel's LPM trie, as bpfilter keeps it; stateless
//
// Peers keep no connection state here, which is to their advantage.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab.h"
#include "workload.h"

namespace nodewall::bench {

using ReasonCounts = std::vector<std::uint64_t>;  // packets, by NW_REASON_*

class Engine {
 public:
  virtual ~Engine() = default;  // takes itself off
  // What it was: programs, versions. For the report.
  [[nodiscard]] virtual std::string about() const = 0;
  // Why it passed and dropped what it did: counts that only grow. Empty: it does not say.
  [[nodiscard]] virtual Result<ReasonCounts> reasons() const { return ReasonCounts{}; }
  // What its daemon does every few seconds.
  [[nodiscard]] virtual Status sweep() const { return {}; }
  // Its program at the hook, for test runs; invalid where there is not one.
  [[nodiscard]] virtual Fd program() const { return {}; }
};

enum class Passes : std::uint8_t { none, half, all };  // of the packets

// What an engine needs to know beside the policy.
struct Setting {
  const Workload& workload;
  std::vector<resolve::PacketQuery> packets;  // that will come; their destinations are the node's own
  std::vector<resolve::PacketQuery> flows;    // those of them that belong to established flows
  std::size_t background_flows = 0;           // established flows of others in the table
  Passes passes = Passes::none;               // what the policy lets through
};

inline const std::vector<std::string> kEngines = {"empty-xdp", "read-xdp", "nodewall-xdp", "empty-tc", "nodewall-tcx", "nft-list", "nft-set",
                                                  "nft-concat", "iptables",     "ipset",    "bpfilter",     "xdp-list", "xdp-trie"};

// Why the engine is not asked about such a workload: it has no form for it (empty text: nobody expects one), or does not load it in
// reasonable time. Nothing: it is asked.
std::optional<std::string> refuses(const std::string& engine, const Workload& workload);
bool at_xdp(const std::string& engine);  // its hook
// The engine's hook is XDP, or tc, and not the input chain further up.
bool at_driver(const std::string& engine);
// Errc::not_found when the machine does not have what it needs.
Result<std::unique_ptr<Engine>> install(const std::string& engine, Lab& lab, const Setting& setting);

// The parts, by file.
Result<std::unique_ptr<Engine>> install_empty(const std::string& engine, Lab& lab, const Setting& setting);
Result<std::unique_ptr<Engine>> install_nodewall(const std::string& engine, Lab& lab, const Setting& setting);
Result<std::unique_ptr<Engine>> install_stateless(const std::string& engine, Lab& lab, const Setting& setting);
Result<Fd> attach_ingress(const Lab& lab, int program, bool xdp);  // the link; goes with it
Result<std::unique_ptr<Engine>> install_peer(const std::string& engine, Lab& lab, const Setting& setting);

}  // namespace nodewall::bench
