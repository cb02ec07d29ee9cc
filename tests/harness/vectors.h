// Vectors: packets with the answer that docs/semantics.md gives, in tests/data/*.yaml, one file a topic. A file is a list of cases:
//
//   - name: notNets excludes only its own family
//     node: {name: node1, interfaces: [{name: eth0, addresses: [10.0.0.2/24]}]}    (absent: node1 with eth0, eth1, lo)
//     resources: |
//       apiVersion: projectcalico.org/v3 ...                                        (manifests, as a person applies them)
//     packets:
//       - packet: {"interface":"eth0","direction":"ingress","src":"10.0.0.1", ...}   (a line of `trace --batch`)
//         statement: 19                                                             (of docs/semantics.md; or a list)
//         verdict: allow
//         reason: policy
//         origin: default/allow-web/0                       (tier/policy/rule; tier/- for a tier's end; /profile/rule for a profile;
//                                                            /profile/- for one that does not exist)
//         logged: true                                      (a Log rule comes before what decides; absent: none does)
//         staged: {verdict: deny, origin: default/trial/0}  (what the staged policies would do; origin: a staged rule or the end of a tier
//                                                            that is only staged; absent: no chain that was asked has staged policies)
//
// Every fault of a file is an Error that names file and line.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "harness/scenario.h"
#include "resolve/packet.h"

namespace nodewall::test {

struct Vector {
  std::size_t line = 0;
  resolve::PacketQuery packet;
  std::set<int> statements;
  resolve::Judgement expected;
};

struct VectorCase {
  std::string file;  // name without folder
  std::size_t line = 0;
  std::string name;
  Scenario scenario;
  std::vector<Vector> vectors;
};

Result<std::vector<VectorCase>> parse_vectors(const std::string& text, const std::string& file);
Result<std::vector<VectorCase>> load_vectors(const std::filesystem::path& file);
// All of tests/data, sorted by file name.
Result<std::vector<VectorCase>> load_all_vectors();

// The text of a file with this case; parse_vectors reads it back.
std::string to_text(const VectorCase& vector_case);

std::string to_text(const resolve::PacketQuery& packet);  // as in `packet:`
std::string to_text(const resolve::Judgement& judgement);  // "allow policy default/allow-web/0"

}  // namespace nodewall::test
