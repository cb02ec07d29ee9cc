#include "harness/scenario.h"

#include "config/decode.h"
#include "config/encode.h"

namespace nodewall::test {

resolve::NodeFacts default_facts() {
  const auto net = [](const char* text) { return *parse_cidr(text, BareAddress::refuse); };
  resolve::NodeFacts facts;
  facts.node = "node1";
  facts.interfaces = {
      {.name = "eth0", .ifindex = 2, .addresses = {net("10.0.0.2/24"), net("fd00::2/64"), net("fe80::2/64")}},
      {.name = "eth1", .ifindex = 3, .addresses = {net("10.1.0.2/24"), net("fd01::2/64")}},
      {.name = "lo", .ifindex = 1, .addresses = {net("127.0.0.1/8"), net("::1/128")}, .is_loopback = true},
  };
  return facts;
}

std::string to_manifests(const model::ResourceSet& resources) {
  std::string text;
  for (const auto& [id, resource] : resources) {
    if (!text.empty()) text += "---\n";
    text += config::to_yaml(config::encode(resource));
  }
  return text;
}

Result<model::ResourceSet> from_manifests(const std::string& text, const std::string& file) {
  auto decoded = config::decode(text, file);
  if (!decoded.ok()) {
    std::string all;
    for (const auto& diagnostic : decoded.diagnostics) all += "\n  " + config::to_string(diagnostic);
    return fail(Errc::config, "resources are faulty:" + all);
  }
  model::ResourceSet resources;
  for (auto& one : decoded.resources) {
    const auto id = one.resource.id();
    if (!resources.emplace(id, std::move(one.resource)).second) {
      return fail(Errc::config, model::to_string(id) + " is given twice");
    }
  }
  return resources;
}

}  // namespace nodewall::test
