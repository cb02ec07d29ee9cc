// What the tests of validation share: objects to break, and the fault that is expected.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/validate.h"

namespace nodewall::model {

inline Resource object(std::string name, Spec spec) {
  Resource resource;
  resource.metadata.name = std::move(name);
  resource.spec = std::move(spec);
  return resource;
}

inline HostEndpoint endpoint() {
  HostEndpoint out;
  out.node = "n1";
  out.interface_name = "eth0";
  return out;
}

inline std::string described(const std::vector<Fault>& faults) {
  std::string text;
  for (const auto& fault : faults) text += fault.field + " = '" + fault.value + "' (" + fault.reason + ")\n";
  return text;
}

// The object has exactly one fault: of this field, and with these words in its reason.
inline void has_one_fault(const Resource& resource, std::string_view field, std::string_view words) {
  const auto faults = validate(resource);
  INFO(described(faults));
  REQUIRE(faults.size() == 1);
  CHECK(faults.front().field == field);
  CHECK(faults.front().reason.find(words) != std::string::npos);
}

inline void is_valid(const Resource& resource) {
  const auto faults = validate(resource);
  INFO(described(faults));
  CHECK(faults.empty());
}

inline Resource policy_with(const std::function<void(GlobalNetworkPolicy&)>& change) {
  GlobalNetworkPolicy policy;
  change(policy);
  return object("p", std::move(policy));
}

inline Rule rule(std::string_view protocol = {}) {
  Rule out;
  if (!protocol.empty()) out.protocol = protocol_by_name(protocol);
  return out;
}

inline Resource ingress_rule(const std::function<void(Rule&)>& change, std::string_view protocol = {}) {
  return policy_with([&](GlobalNetworkPolicy& policy) {
    policy.ingress.push_back(rule(protocol));
    change(policy.ingress.back());
  });
}

inline Resource egress_rule(const std::function<void(Rule&)>& change) {
  return policy_with([&](GlobalNetworkPolicy& policy) {
    policy.egress.push_back(rule());
    change(policy.egress.back());
  });
}

inline Cidr net(std::string_view text) {
  return parse_cidr(text, BareAddress::is_host).value();
}
inline Selector selector(std::string_view text) {
  return Selector::parse(text).value();
}


}  // namespace nodewall::model
