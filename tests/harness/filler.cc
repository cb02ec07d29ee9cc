#include "harness/filler.h"

#include <fmt/format.h>

#include <algorithm>

namespace nodewall::test {
namespace {

constexpr std::size_t kRulesOfPolicy = 1000;
constexpr double kBeforeAll = -1e12;

// The shapes that users have: a host and a port, a network, both sides, both families.
model::Rule filler_rule(std::size_t number) {
  model::Rule rule;
  rule.action = number % 3 == 0 ? model::Action::Allow : model::Action::Deny;
  const bool v4 = number % 4 != 3;
  const auto host = v4 ? fmt::format("198.{}.{}.{}/32", 18 + number % 2, number / 250 % 256, number % 250)
                       : fmt::format("2001:2:0:{:x}::{:x}/128", number % 7, number);
  const auto net = *parse_cidr(host, BareAddress::refuse);
  (number % 5 < 3 ? rule.source : rule.destination).nets = {net};
  if (number % 2 == 0) {
    rule.protocol = model::Protocol{.number = static_cast<std::uint8_t>(number % 6 == 0 ? 17 : 6)};
    const auto port = static_cast<std::uint16_t>(1 + number * 7 % 65'000);
    rule.destination.ports = {model::PortRange{port, static_cast<std::uint16_t>(port + number % 9)}};
  }
  return rule;
}

}  // namespace

void add_filler(Scenario& scenario, std::size_t rules) {
  const auto put = [&](const std::string& name, model::Spec spec) {
    model::Resource resource;
    resource.metadata.name = name;
    resource.spec = std::move(spec);
    const auto id = resource.id();
    scenario.resources.insert_or_assign(id, std::move(resource));
  };
  put("aaa-filler", model::Tier{.order = kBeforeAll, .default_action = model::TierAction::Pass});
  for (std::size_t done = 0; done < rules; done += kRulesOfPolicy) {
    model::GlobalNetworkPolicy policy;
    policy.tier = "aaa-filler";
    policy.types = {model::PolicyType::Ingress, model::PolicyType::Egress};
    for (std::size_t i = done; i < std::min(rules, done + kRulesOfPolicy); ++i) policy.ingress.push_back(filler_rule(i));
    policy.egress = policy.ingress;
    put(fmt::format("filler-{}", done / kRulesOfPolicy), std::move(policy));
  }
}

bool is_filler_address(const resolve::PacketQuery& packet) {
  for (const auto* text : {"198.18.0.0/15", "2001:2::/48"}) {
    const auto net = *parse_cidr(text, BareAddress::refuse);
    if (net.contains(packet.source) || net.contains(packet.destination)) return true;
  }
  return false;
}

}  // namespace nodewall::test
