// Tables of rules, policies, profiles, sets, tiers and host endpoints.
#include <array>

#include "base/printable.h"
#include "config/reader.h"

namespace nodewall::config {

// config::Node, the tree, hides model::Node.
using namespace model;
namespace {


template <auto Member, std::int64_t least, std::int64_t most>
constexpr auto number_field(std::string_view name) {
  using T = decltype(class_of(Member));
  return Field<T>{name, [](Reader& reader, const Node& node, T& out) {
                    if (const auto value = read_integer(reader, node, least, most))
                      out.*Member = static_cast<std::uint16_t>(*value);
                  }};
}

template <auto Member, std::int64_t least, std::int64_t most>
constexpr auto octet_field(std::string_view name) {
  using T = decltype(class_of(Member));
  return Field<T>{name, [](Reader& reader, const Node& node, T& out) {
                    if (node.type == Node::Type::null) return;
                    if (const auto value = read_integer(reader, node, least, most))
                      out.*Member = static_cast<std::uint8_t>(*value);
                  }};
}

}  // namespace

void read(Reader& reader, const Node& node, Action& out) {
  static constexpr std::array<std::string_view, 4> kNames = {"Allow", "Deny", "Log", "Pass"};
  if (const auto choice = read_choice(reader, node, kNames)) out = static_cast<Action>(*choice);
}

void read(Reader& reader, const Node& node, PolicyType& out) {
  static constexpr std::array<std::string_view, 2> kNames = {"Ingress", "Egress"};
  if (const auto choice = read_choice(reader, node, kNames)) out = static_cast<PolicyType>(*choice);
}

void read(Reader& reader, const Node& node, TierAction& out) {
  static constexpr std::array<std::string_view, 2> kNames = {"Deny", "Pass"};
  if (const auto choice = read_choice(reader, node, kNames)) out = static_cast<TierAction>(*choice);
}

void read(Reader& reader, const Node& node, Icmp& out) {
  static constexpr Field<Icmp> kFields[] = {octet_field<&Icmp::type, 0, 254>("type"),
                                            octet_field<&Icmp::code, 0, 255>("code")};
  read_object<Icmp>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, ServiceRef& out) {
  static constexpr Field<ServiceRef> kFields[] = {field<&ServiceRef::name>("name"),
                                                  field<&ServiceRef::namespace_name>("namespace")};
  read_object<ServiceRef>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, ServiceAccounts& out) {
  static constexpr Field<ServiceAccounts> kFields[] = {field<&ServiceAccounts::names>("names"),
                                                       field<&ServiceAccounts::selector>("selector")};
  read_object<ServiceAccounts>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, EntityRule& out) {
  using E = EntityRule;
  static constexpr Field<E> kFields[] = {nets_field<&E::nets, BareAddress::refuse>("nets"),
                                         nets_field<&E::not_nets, BareAddress::refuse>("notNets"),
                                         field<&E::selector>("selector"),
                                         field<&E::not_selector>("notSelector"),
                                         field<&E::namespace_selector>("namespaceSelector"),
                                         field<&E::services>("services"),
                                         field<&E::service_accounts>("serviceAccounts"),
                                         field<&E::ports>("ports"),
                                         field<&E::not_ports>("notPorts")};
  read_object<E>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, HttpPath& out) {
  static constexpr Field<HttpPath> kFields[] = {field<&HttpPath::exact>("exact"),
                                                field<&HttpPath::prefix>("prefix")};
  read_object<HttpPath>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, HttpMatch& out) {
  static constexpr Field<HttpMatch> kFields[] = {field<&HttpMatch::methods>("methods"),
                                                 field<&HttpMatch::paths>("paths")};
  read_object<HttpMatch>(reader, node, out, kFields);
}

void read_ip_version(Reader& reader, const Node& node, Rule& out) {
  if (node.type == Node::Type::null) return;
  if (node.type == Node::Type::scalar && node.plain && node.text == "4")
    out.ip_version = Family::v4;
  else if (node.type == Node::Type::scalar && node.plain && node.text == "6")
    out.ip_version = Family::v6;
  else
    reader.fault(node, "wants 4 or 6, got " + shown(node));
}

void read_rule_metadata(Reader& reader, const Node& node, Rule& out) {
  static constexpr Field<Rule> kFields[] = {field<&Rule::annotations>("annotations")};
  read_object<Rule>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, Rule& out) {
  static constexpr Field<Rule> kFields[] = {{"metadata", read_rule_metadata},
                                            field<&Rule::action>("action"),
                                            {"ipVersion", read_ip_version},
                                            field<&Rule::protocol>("protocol"),
                                            field<&Rule::not_protocol>("notProtocol"),
                                            field<&Rule::icmp>("icmp"),
                                            field<&Rule::not_icmp>("notICMP"),
                                            field<&Rule::source>("source"),
                                            field<&Rule::destination>("destination"),
                                            field<&Rule::http>("http")};
  read_object<Rule>(reader, node, out, kFields);
  reader.require(node, "action");
}

void read(Reader& reader, const Node& node, EndpointPort& out) {
  static constexpr Field<EndpointPort> kFields[] = {field<&EndpointPort::name>("name"),
                                                    field<&EndpointPort::protocol>("protocol"),
                                                    number_field<&EndpointPort::port, 1, 65535>("port")};
  read_object<EndpointPort>(reader, node, out, kFields);
  for (const auto key : {"name", "protocol", "port"}) reader.require(node, key);
}

void read(Reader& reader, const Node& node, HostEndpoint& out) {
  static constexpr Field<HostEndpoint> kFields[] = {
      field<&HostEndpoint::node>("node"), field<&HostEndpoint::interface_name>("interfaceName"),
      field<&HostEndpoint::expected_ips>("expectedIPs"), field<&HostEndpoint::profiles>("profiles"),
      field<&HostEndpoint::ports>("ports")};
  read_object<HostEndpoint>(reader, node, out, kFields);
}

// An empty text is no tier.
void read_tier_name(Reader& reader, const Node& node, GlobalNetworkPolicy& out) {
  if (auto text = read_text(reader, node); text && !text->empty()) out.tier = std::move(text);
}

void read(Reader& reader, const Node& node, GlobalNetworkPolicy& out) {
  using P = GlobalNetworkPolicy;
  static constexpr Field<P> kFields[] = {{"tier", read_tier_name},
                                         field<&P::order>("order"),
                                         field<&P::selector>("selector"),
                                         field<&P::namespace_selector>("namespaceSelector"),
                                         field<&P::service_account_selector>("serviceAccountSelector"),
                                         field<&P::types>("types"),
                                         field<&P::ingress>("ingress"),
                                         field<&P::egress>("egress"),
                                         field<&P::do_not_track>("doNotTrack"),
                                         field<&P::pre_dnat>("preDNAT"),
                                         field<&P::apply_on_forward>("applyOnForward"),
                                         field<&P::performance_hints>("performanceHints")};
  read_object<P>(reader, node, out, kFields);
}

namespace {

using Staged = StagedGlobalNetworkPolicy;

template <auto Member>
constexpr Field<Staged> policy_field(std::string_view name) {
  return {name, [](Reader& reader, const Node& node, Staged& out) { read(reader, node, out.policy.*Member); }};
}

void read_staged_tier(Reader& reader, const Node& node, Staged& out) { read_tier_name(reader, node, out.policy); }

}  // namespace

void read(Reader& reader, const Node& node, StagedAction& out) {
  static constexpr std::array<std::string_view, 4> kNames = {"Set", "Delete", "Learn", "Ignore"};
  if (const auto choice = read_choice(reader, node, kNames)) out = static_cast<StagedAction>(*choice);
}

void read(Reader& reader, const Node& node, StagedGlobalNetworkPolicy& out) {
  using P = GlobalNetworkPolicy;
  static constexpr Field<Staged> kFields[] = {{"tier", read_staged_tier},
                                              policy_field<&P::order>("order"),
                                              policy_field<&P::selector>("selector"),
                                              policy_field<&P::namespace_selector>("namespaceSelector"),
                                              policy_field<&P::service_account_selector>("serviceAccountSelector"),
                                              policy_field<&P::types>("types"),
                                              policy_field<&P::ingress>("ingress"),
                                              policy_field<&P::egress>("egress"),
                                              policy_field<&P::do_not_track>("doNotTrack"),
                                              policy_field<&P::pre_dnat>("preDNAT"),
                                              policy_field<&P::apply_on_forward>("applyOnForward"),
                                              policy_field<&P::performance_hints>("performanceHints"),
                                              field<&Staged::action>("stagedAction")};
  read_object<Staged>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, GlobalNetworkSet& out) {
  static constexpr Field<GlobalNetworkSet> kFields[] = {
      nets_field<&GlobalNetworkSet::nets, BareAddress::is_host>("nets")};
  read_object<GlobalNetworkSet>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, Profile& out) {
  static constexpr Field<Profile> kFields[] = {field<&Profile::ingress>("ingress"),
                                               field<&Profile::egress>("egress"),
                                               field<&Profile::labels_to_apply>("labelsToApply")};
  read_object<Profile>(reader, node, out, kFields);
}

void read(Reader& reader, const Node& node, Tier& out) {
  static constexpr Field<Tier> kFields[] = {field<&Tier::order>("order"),
                                            field<&Tier::default_action>("defaultAction")};
  read_object<Tier>(reader, node, out, kFields);
}

}  // namespace nodewall::config
