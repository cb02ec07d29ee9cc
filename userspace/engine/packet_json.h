// Packets and verdicts as JSON, the form of `trace --batch`:
//
//   {"interface":"eth0","direction":"ingress","src":"10.0.0.1","dst":"10.0.0.2","protocol":"TCP","sport":31245,"dport":80,"flags":"S"}
//   {"verdict":"allow","reason":"policy","tier":"default","policy":"allow-all","rule":0}
//
// ICMP has "type" and "code" instead of ports. A field that is not known is an error, as is a port of a protocol without ports.
// tier, policy and rule are there only when the verdict has them; a profile's rule has its name as policy, and no tier.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "resolve/facts.h"
#include "resolve/packet.h"

namespace nodewall::engine {

Result<resolve::PacketQuery> packet_from_json(const nlohmann::json& json);
nlohmann::json to_json(const resolve::Judgement& judgement);

// {"interfaces":[{"name":"eth0","addresses":["10.0.0.2/24"]}]}; a bare address is a host's. "node" may name the node.
Result<resolve::NodeFacts> facts_from_json(const nlohmann::json& json, const std::string& node);

}  // namespace nodewall::engine
