#include "columns.h"

#include <algorithm>

#include "go_text.h"

namespace nodewall::cli {
namespace {

using model::Kind;
using model::Resource;

constexpr std::size_t kMostNetsCharacters = 80;
constexpr std::string_view kCut = "...";

template <typename T>
const T& spec_of(const Resource& resource) {
  return std::get<T>(resource.spec);
}

template <typename List, typename ToText>
std::string joined(const List& list, ToText to_text) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ",") + to_text(item);
  return text;
}

std::string order_text(const std::optional<double>& order) { return order ? go_float(*order) : "<nil>"; }

std::string name_of(const Resource& resource) { return resource.metadata.name; }

std::string endpoint_node(const Resource& resource) {
  return spec_of<model::HostEndpoint>(resource).node;
}
std::string endpoint_interface(const Resource& resource) {
  return spec_of<model::HostEndpoint>(resource).interface_name;
}
std::string endpoint_ips(const Resource& resource) {
  return joined(spec_of<model::HostEndpoint>(resource).expected_ips,
                [](const Address& address) { return to_string(address); });
}
std::string endpoint_profiles(const Resource& resource) {
  return joined(spec_of<model::HostEndpoint>(resource).profiles, [](const std::string& name) { return name; });
}

const model::GlobalNetworkPolicy& policy_of(const Resource& resource) {
  if (const auto* staged = std::get_if<model::StagedGlobalNetworkPolicy>(&resource.spec)) return staged->policy;
  return spec_of<model::GlobalNetworkPolicy>(resource);
}
std::string policy_tier(const Resource& resource) {
  return policy_of(resource).tier.value_or(std::string(model::kDefaultTier));
}
std::string policy_order(const Resource& resource) { return order_text(policy_of(resource).order); }
std::string policy_selector(const Resource& resource) {
  const auto& selector = policy_of(resource).selector;
  return selector ? selector->text() : std::string();
}

std::string profile_labels(const Resource& resource) {
  return joined(spec_of<model::Profile>(resource).labels_to_apply,
                [](const auto& label) { return label.first + "=" + label.second; });
}

std::string set_nets(const Resource& resource) {
  auto text = joined(spec_of<model::GlobalNetworkSet>(resource).nets,
                     [](const Cidr& net) { return to_string(net); });
  if (text.size() > kMostNetsCharacters) {
    text.resize(kMostNetsCharacters - kCut.size());
    text += kCut;
  }
  return text;
}

std::string tier_order(const Resource& resource) { return order_text(spec_of<model::Tier>(resource).order); }

std::string node_asn(const Resource& resource) { return spec_of<model::Node>(resource).bgp_as_number; }
std::string node_ipv4(const Resource& resource) { return spec_of<model::Node>(resource).bgp_ipv4; }
std::string node_ipv6(const Resource& resource) { return spec_of<model::Node>(resource).bgp_ipv6; }

struct Column {
  Kind kind;
  std::string_view heading;
  bool by_default;  // else only with -o wide
  std::string (*text)(const Resource&);
};

// In order. Every kind has NAME before these.
constexpr Column kColumns[] = {
    {Kind::HostEndpoint, "NODE", true, endpoint_node},
    {Kind::HostEndpoint, "INTERFACE", false, endpoint_interface},
    {Kind::HostEndpoint, "IPS", false, endpoint_ips},
    {Kind::HostEndpoint, "PROFILES", false, endpoint_profiles},
    {Kind::GlobalNetworkPolicy, "TIER", true, policy_tier},
    {Kind::GlobalNetworkPolicy, "ORDER", false, policy_order},
    {Kind::GlobalNetworkPolicy, "SELECTOR", false, policy_selector},
    {Kind::StagedGlobalNetworkPolicy, "TIER", true, policy_tier},
    {Kind::StagedGlobalNetworkPolicy, "ORDER", false, policy_order},
    {Kind::StagedGlobalNetworkPolicy, "SELECTOR", false, policy_selector},
    {Kind::Profile, "LABELS", false, profile_labels},
    {Kind::GlobalNetworkSet, "NETS", false, set_nets},
    {Kind::Tier, "ORDER", true, tier_order},
    {Kind::Node, "ASN", false, node_asn},
    {Kind::Node, "IPV4", false, node_ipv4},
    {Kind::Node, "IPV6", false, node_ipv6},
};
constexpr std::string_view kName = "NAME";

}  // namespace

std::vector<std::string> default_columns(Kind kind, bool wide) {
  std::vector<std::string> columns = {std::string(kName)};
  for (const auto& column : kColumns)
    if (column.kind == kind && (wide || column.by_default)) columns.emplace_back(column.heading);
  return columns;
}

std::vector<std::string> known_columns(Kind kind) { return default_columns(kind, true); }

std::string cell(const Resource& resource, std::string_view heading) {
  if (heading == kName) return name_of(resource);
  for (const auto& column : kColumns)
    if (column.kind == resource.kind() && column.heading == heading) return column.text(resource);
  return {};
}

}  // namespace nodewall::cli
