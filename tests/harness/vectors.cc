#include "harness/vectors.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/packet_json.h"

namespace nodewall::test {
namespace {

using nlohmann::json;

// What the pasted JSON was before YAML read it: quoted scalars are texts, plain ones numbers or truth values.
json to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    json object = json::object();
    for (const auto& entry : node) object[entry.first.as<std::string>()] = to_json(entry.second);
    return object;
  }
  if (node.IsSequence()) {
    json list = json::array();
    for (const auto& item : node) list.push_back(to_json(item));
    return list;
  }
  const auto text = node.IsScalar() ? node.Scalar() : std::string();
  if (node.Tag() != "!") {
    auto value = json::parse(text, nullptr, false);
    if (!value.is_discarded()) return value;
  }
  return text;
}

std::size_t line_of(const YAML::Node& node) { return static_cast<std::size_t>(node.Mark().line + 1); }

std::uint32_t reason_by_name(const std::string& name) {
  for (std::uint32_t reason = 1; reason < NW_REASON_COUNT; ++reason) {
    if (resolve::reason_name(reason) == name) return reason;
  }
  return NW_REASON_NONE;
}

// "tier/policy/rule", "tier/-", "/profile/rule", "/profile/-".
Result<resolve::Origin> origin_of(const std::string& text) {
  const auto first = text.find('/');
  const auto second = first == text.npos ? first : text.find('/', first + 1);
  resolve::Origin origin;
  origin.tier = text.substr(0, first);
  if (first != text.npos && text.substr(first + 1) == "-") return origin;
  origin.policy = first == text.npos ? std::string() : text.substr(first + 1, second - first - 1);
  if (second != text.npos && text.substr(second + 1) == "-") return origin;
  const auto digits = second == text.npos ? std::string() : text.substr(second + 1);
  if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != digits.npos) {
    return fail(Errc::config, fmt::format("origin \"{}\" is neither tier/policy/rule nor tier/-", text));
  }
  origin.rule = std::stoi(digits);
  return origin;
}

std::string to_text(const resolve::Origin& origin) {
  if (origin.tier.empty() && origin.policy.empty()) return {};
  if (origin.rule < 0) return origin.policy.empty() ? origin.tier + "/-" : fmt::format("{}/{}/-", origin.tier, origin.policy);
  return fmt::format("{}/{}/{}", origin.tier, origin.policy, origin.rule);
}

Status check_keys(const YAML::Node& node, std::initializer_list<std::string_view> known) {
  if (!node.IsMap()) return fail(Errc::config, "not a mapping");
  for (const auto& entry : node) {
    const auto key = entry.first.as<std::string>();
    if (std::ranges::find(known, key) == known.end()) {
      return fail(Errc::config, fmt::format("\"{}\" is not known", key));
    }
  }
  return {};
}

Result<bool> verdict_of(const YAML::Node& node) {
  const auto verdict = node["verdict"].as<std::string>("");
  if (verdict != "allow" && verdict != "deny") return fail(Errc::config, "\"verdict\" is neither allow nor deny");
  return verdict == "allow";
}

Result<resolve::StagedJudgement> staged_of(const YAML::Node& node) {
  if (auto known = check_keys(node, {"verdict", "origin"}); !known) return fail(known.error().in("staged"));
  const auto allow = verdict_of(node);
  if (!allow) return fail(allow.error().in("staged"));
  resolve::StagedJudgement staged{.allow = *allow, .origin = {}};
  if (!node["origin"]) return staged;
  auto origin = origin_of(node["origin"].as<std::string>());
  if (!origin) return fail(origin.error().in("staged"));
  staged.origin = *origin;
  staged.origin.staged = true;
  return staged;
}

Result<Vector> vector_of(const YAML::Node& node) {
  if (auto known = check_keys(node, {"packet", "statement", "verdict", "reason", "origin", "logged", "staged"}); !known) {
    return fail(known.error());
  }
  Vector vector;
  vector.line = line_of(node);
  auto packet = engine::packet_from_json(to_json(node["packet"]));
  if (!packet) return fail(packet.error().in("packet"));
  vector.packet = *packet;
  const auto statement = node["statement"];
  if (statement.IsScalar()) {
    vector.statements = {statement.as<int>()};
  } else {
    for (const auto& one : statement) vector.statements.insert(one.as<int>());
  }
  if (vector.statements.empty()) return fail(Errc::config, "\"statement\" is missing");
  const auto allow = verdict_of(node);
  if (!allow) return fail(allow.error());
  vector.expected.allow = *allow;
  vector.expected.reason = reason_by_name(node["reason"].as<std::string>(""));
  if (vector.expected.reason == NW_REASON_NONE) return fail(Errc::config, "\"reason\" is no reason");
  if (node["origin"]) {
    auto origin = origin_of(node["origin"].as<std::string>());
    if (!origin) return fail(origin.error());
    vector.expected.origin = *origin;
  }
  vector.expected.logged = node["logged"].as<bool>(false);
  if (node["staged"]) {
    auto staged = staged_of(node["staged"]);
    if (!staged) return fail(staged.error());
    vector.expected.staged = *staged;
  }
  return vector;
}

Result<VectorCase> case_of(const YAML::Node& node, const std::string& file) {
  if (auto known = check_keys(node, {"name", "node", "resources", "packets"}); !known) return fail(known.error());
  VectorCase out;
  out.file = file;
  out.line = line_of(node);
  out.name = node["name"].as<std::string>("");
  if (out.name.empty()) return fail(Errc::config, "\"name\" is missing");
  out.scenario.facts = default_facts();
  if (const auto facts = node["node"]) {
    auto read = engine::facts_from_json(to_json(facts), facts["name"].as<std::string>(""));
    if (!read) return fail(read.error());
    out.scenario.facts = std::move(*read);
  }
  auto resources = from_manifests(node["resources"].as<std::string>(""), file + ", " + out.name);
  if (!resources) return fail(resources.error());
  out.scenario.resources = std::move(*resources);
  for (const auto& packet : node["packets"]) {
    auto vector = vector_of(packet);
    if (!vector) return fail(vector.error().in(fmt::format("{}:{}", file, line_of(packet))));
    out.vectors.push_back(std::move(*vector));
  }
  if (out.vectors.empty()) return fail(Errc::config, "\"packets\" is missing");
  return out;
}

json to_json(const resolve::NodeFacts& facts) {
  json interfaces = json::array();
  for (const auto& interface : facts.interfaces) {
    json addresses = json::array();
    for (const auto& address : interface.addresses) addresses.push_back(to_string(address));
    interfaces.push_back({{"name", interface.name}, {"addresses", addresses}});
  }
  return {{"name", facts.node}, {"interfaces", interfaces}};
}

json to_json(const resolve::PacketQuery& packet) {
  json out = {{"interface", packet.interface},
              {"direction", packet.direction == NW_INGRESS ? "ingress" : "egress"},
              {"src", to_string(packet.source)},
              {"dst", to_string(packet.destination)},
              {"protocol", packet.protocol}};
  if (const auto name = model::to_string(model::Protocol{.number = packet.protocol}); model::protocol_by_name(name)) {
    out["protocol"] = name;
  }
  const bool v4 = packet.source.family == Family::v4;
  const auto has_ports = [](std::uint8_t protocol) {
    return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
  };
  if (has_ports(packet.protocol)) {
    out["sport"] = packet.source_port;
    out["dport"] = packet.destination_port;
  }
  if (packet.protocol == (v4 ? 1 : 58)) {
    out["type"] = packet.icmp_type;
    out["code"] = packet.icmp_code;
  }
  if (packet.protocol == 6 && packet.tcp_flags != 2) {
    std::string letters;
    for (int bit = 0; bit < 6; ++bit) {
      if (packet.tcp_flags >> bit & 1) letters += "FSRPAU"[bit];
    }
    out["flags"] = letters;
  }
  if (packet.forwarded) out["forwarded"] = true;
  return out;
}

std::string indented(const std::string& text, std::string_view indent) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) out += fmt::format("{}{}\n", indent, line);
  return out;
}

}  // namespace

std::string to_text(const resolve::PacketQuery& packet) { return to_json(packet).dump(); }

std::string to_text(const resolve::Judgement& judgement) {
  auto text = fmt::format("{} {}", judgement.allow ? "allow" : "deny", resolve::reason_name(judgement.reason));
  if (const auto origin = to_text(judgement.origin); !origin.empty()) text += " " + origin;
  if (judgement.logged) text += ", logged";
  if (judgement.staged) {
    text += judgement.staged->allow ? ", staged allow" : ", staged deny";
    if (const auto origin = to_text(judgement.staged->origin); !origin.empty()) text += " " + origin;
  }
  return text;
}

std::string to_text(const VectorCase& vector_case) {
  std::string text = fmt::format("- name: {}\n  node: {}\n  resources: |\n{}  packets:\n", json(vector_case.name).dump(),
                                 to_json(vector_case.scenario.facts).dump(),
                                 indented(to_manifests(vector_case.scenario.resources), "    "));
  for (const auto& vector : vector_case.vectors) {
    text += fmt::format("    - packet: {}\n      statement: [{}]\n      verdict: {}\n      reason: {}\n",
                        to_text(vector.packet), fmt::join(vector.statements, ", "),
                        vector.expected.allow ? "allow" : "deny", resolve::reason_name(vector.expected.reason));
    if (const auto origin = to_text(vector.expected.origin); !origin.empty()) text += "      origin: " + origin + "\n";
    if (vector.expected.logged) text += "      logged: true\n";
    if (const auto& staged = vector.expected.staged) {
      const auto origin = to_text(staged->origin);
      text += fmt::format("      staged: {{verdict: {}{}{}}}\n", staged->allow ? "allow" : "deny", origin.empty() ? "" : ", origin: ", origin);
    }
  }
  return text;
}

Result<std::vector<VectorCase>> parse_vectors(const std::string& text, const std::string& file) {
  std::vector<VectorCase> cases;
  try {
    for (const auto& node : YAML::Load(text)) {
      auto one = case_of(node, file);
      if (!one) return fail(one.error().in(fmt::format("{}:{}", file, line_of(node))));
      cases.push_back(std::move(*one));
    }
  } catch (const YAML::Exception& error) {
    return fail(Errc::config, fmt::format("{}: {}", file, error.what()));
  }
  return cases;
}

Result<std::vector<VectorCase>> load_vectors(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return fail(Errc::not_found, "cannot read " + file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return parse_vectors(text.str(), file.filename().string());
}

Result<std::vector<VectorCase>> load_all_vectors() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_DATA)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<VectorCase> all;
  for (const auto& file : files) {
    auto cases = load_vectors(file);
    if (!cases) return fail(cases.error());
    std::ranges::move(*cases, std::back_inserter(all));
  }
  if (all.empty()) return fail(Errc::not_found, std::string("no vectors in ") + TEST_DATA);
  return all;
}

}  // namespace nodewall::test
