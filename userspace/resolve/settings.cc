// resolve_settings(): FelixConfiguration `node.<name>` before `default`, field by field, then the built-in values; and
// NodewallConfiguration `default`. What is accepted without effect is said.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>

#include "model/pattern.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::resolve {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Severity = Condition::Severity;

// Built-in values; what `Auto` means is the kernel's built-in value for its own connection tracking, for resolving reads no sysctl.
constexpr model::Duration kSynSent = seconds(20), kSynSentAuto = seconds(120);
constexpr model::Duration kEstablished = hours(1), kEstablishedAuto = hours(120);
constexpr model::Duration kFinsSeen = seconds(30), kFinsSeenAuto = seconds(30);
constexpr model::Duration kResetSeen = seconds(40), kResetSeenAuto = seconds(10);
constexpr model::Duration kUdp = seconds(60), kUdpAuto = seconds(30);
constexpr model::Duration kIcmp = seconds(5), kIcmpAuto = seconds(30);
constexpr model::Duration kGeneric = minutes(10), kGenericAuto = minutes(10);
constexpr std::int64_t kMostConntrack = std::numeric_limits<std::int32_t>::max();

struct Layer {
  model::ResourceId id;
  const model::FelixConfiguration* spec = nullptr;
};
using Layers = std::vector<Layer>;  // the first that has a field decides

Layers layers_of(const model::ResourceSet& resources, const std::string& node) {
  Layers layers;
  for (const auto& name : {"node." + node, std::string("default")}) {
    const auto found = resources.find({model::Kind::FelixConfiguration, name});
    if (found != resources.end()) layers.push_back({found->first, &std::get<model::FelixConfiguration>(found->second.spec)});
  }
  return layers;
}

template <typename T>
T first_of(const Layers& layers, std::optional<T> model::FelixConfiguration::* field, T otherwise) {
  for (const auto& layer : layers)
    if (layer.spec->*field) return *(layer.spec->*field);
  return otherwise;
}

struct TimeoutRow {
  std::string_view name;
  std::optional<model::Timeout> model::ConntrackTimeouts::* field;
  model::Duration Settings::* target;
  model::Duration built_in;
  model::Duration automatic;
};
const std::array<TimeoutRow, 7> kTimeouts = {{
    {"tcpSynSent", &model::ConntrackTimeouts::tcp_syn_sent, &Settings::syn_sent, kSynSent, kSynSentAuto},
    {"tcpEstablished", &model::ConntrackTimeouts::tcp_established, &Settings::tcp_established, kEstablished, kEstablishedAuto},
    {"tcpFinsSeen", &model::ConntrackTimeouts::tcp_fins_seen, &Settings::fins_seen, kFinsSeen, kFinsSeenAuto},
    {"tcpResetSeen", &model::ConntrackTimeouts::tcp_reset_seen, &Settings::reset_seen, kResetSeen, kResetSeenAuto},
    {"udpTimeout", &model::ConntrackTimeouts::udp, &Settings::udp, kUdp, kUdpAuto},
    {"icmpTimeout", &model::ConntrackTimeouts::icmp, &Settings::icmp, kIcmp, kIcmpAuto},
    {"genericTimeout", &model::ConntrackTimeouts::generic, &Settings::generic, kGeneric, kGenericAuto},
}};

// bpfConntrackTimeouts is one field: the layer that has it decides all of it.
void resolve_timeouts(const Layers& layers, Settings& settings, std::vector<Condition>& conditions) {
  for (const auto& row : kTimeouts) settings.*row.target = row.built_in;
  for (const auto& layer : layers) {
    const auto& timeouts = layer.spec->bpf_conntrack_timeouts;
    if (!timeouts) continue;
    for (const auto& row : kTimeouts) {
      const auto& written = *timeouts.*row.field;
      if (!written) continue;
      settings.*row.target = written->value.value_or(row.automatic);
      if (written->value) continue;
      conditions.push_back({Severity::info, layer.id, "AutoTimeout",
                            fmt::format("bpfConntrackTimeouts.{}: Auto is {} seconds; the node's sysctl is not read", row.name,
                                        std::chrono::duration_cast<seconds>(row.automatic).count())});
    }
    return;
  }
}

void resolve_conntrack_size(const Layers& layers, Settings& settings, std::vector<Condition>& conditions) {
  for (const auto& layer : layers) {
    const auto& size = layer.spec->bpf_map_size_conntrack;
    if (!size) continue;
    if (*size >= 1 && *size <= kMostConntrack) {
      settings.conntrack_size = static_cast<std::uint32_t>(*size);
    } else {
      conditions.push_back({Severity::warning, layer.id, "NoEffect",
                            fmt::format("bpfMapSizeConntrack: {} is not 1 to {}; {} is used", *size, kMostConntrack,
                                        settings.conntrack_size)});
    }
    return;
  }
}

// Sorted, and those that touch joined.
std::vector<model::PortRange> joined_ranges(std::vector<model::PortRange> ranges) {
  std::ranges::sort(ranges);
  std::vector<model::PortRange> joined;
  for (const auto& range : ranges) {
    if (!joined.empty() && range.first <= std::uint32_t{joined.back().last} + 1)
      joined.back().last = std::max(joined.back().last, range.last);
    else
      joined.push_back(range);
  }
  return joined;
}

void resolve_log(const Layers& layers, Settings& settings) {
  using Felix = model::FelixConfiguration;
  if (const auto limit = first_of(layers, &Felix::log_action_rate_limit, {}); !limit.empty()) settings.log_interval = model::rate_interval(limit);
  settings.log_burst = static_cast<std::uint32_t>(first_of(layers, &Felix::log_action_rate_limit_burst, std::int64_t{settings.log_burst}));
}

void say_no_effect(const Layer& layer, std::vector<Condition>& conditions) {
  std::vector<std::string> fields;
  for (const auto& [name, value] : layer.spec->untyped) fields.push_back(name);
  if (layer.spec->bpf_conntrack_timeouts && layer.spec->bpf_conntrack_timeouts->creation_grace_period)
    fields.emplace_back("bpfConntrackTimeouts.creationGracePeriod");
  if (!fields.empty()) {
    conditions.push_back({Severity::info, layer.id, "NoEffect",
                          fmt::format("accepted, without effect here: {}", fmt::join(fields, ", "))});
  }
  if (layer.spec->ipv6_support == false) {
    conditions.push_back({Severity::warning, layer.id, "NoEffect", "ipv6Support: false has no effect: IPv6 is policed as IPv4 is"});
  }
}

void check_patterns(const Layers& layers, std::vector<Condition>& conditions) {
  for (const auto& layer : layers) {
    if (!layer.spec->interface_exclude) continue;
    for (const auto& entry : *layer.spec->interface_exclude) {
      const auto text = model::pattern_text(entry);
      if (!text) continue;
      if (const auto pattern = model::Pattern::make(*text); !pattern)
        conditions.push_back({Severity::error, layer.id, "InvalidPattern",
                              fmt::format("interfaceExclude: {} is no regular expression and excludes nothing: {}", entry,
                                          pattern.error().message())});
    }
  }
}

// Objects that no layer is, and overrides by annotation.
void say_unused(const model::ResourceSet& resources, std::vector<Condition>& conditions) {
  constexpr std::string_view kOverride = "config.projectcalico.org/";
  for (const auto& [id, resource] : resources) {
    if (id.kind == model::Kind::NodewallConfiguration && id.name != "default")
      conditions.push_back({Severity::warning, id, "NoEffect", "only the object named default counts"});
    if (id.kind != model::Kind::FelixConfiguration) continue;
    if (id.name != "default" && !id.name.starts_with("node."))
      conditions.push_back({Severity::warning, id, "NoEffect", "only the objects named default and node.<node name> count"});
    for (const auto& [key, value] : resource.metadata.annotations)
      if (key.starts_with(kOverride))
        conditions.push_back({Severity::warning, id, "NoEffect", fmt::format("the annotation {} overrides nothing here", key)});
  }
}

}  // namespace

Settings resolve_settings(const model::ResourceSet& resources, const std::string& node, std::vector<Condition>& conditions) {
  using Felix = model::FelixConfiguration;
  const auto layers = layers_of(resources, node);
  Settings settings;
  settings.failsafe_inbound = first_of(layers, &Felix::failsafe_inbound, model::default_failsafe_inbound());
  settings.failsafe_outbound = first_of(layers, &Felix::failsafe_outbound, model::default_failsafe_outbound());
  settings.interface_prefix = first_of(layers, &Felix::interface_prefix, {"cali"});
  settings.interface_exclude = first_of(layers, &Felix::interface_exclude, {"kube-ipvs0"});
  settings.interface_refresh = first_of(layers, &Felix::interface_refresh_interval, settings.interface_refresh);
  settings.service_ports = joined_ranges(first_of(layers, &Felix::kube_node_port_ranges, {}));
  resolve_log(layers, settings);
  resolve_timeouts(layers, settings, conditions);
  resolve_conntrack_size(layers, settings, conditions);
  check_patterns(layers, conditions);
  for (const auto& layer : layers) say_no_effect(layer, conditions);
  say_unused(resources, conditions);
  const auto own = resources.find({model::Kind::NodewallConfiguration, "default"});
  if (own != resources.end()) {
    const auto& spec = std::get<model::NodewallConfiguration>(own->second.spec);
    settings.established_flows = spec.established_flows.value_or(model::EstablishedFlows::Reevaluate);
    settings.ingress_hooks = spec.ingress_hooks;
    settings.service_addresses = spec.service_addresses;
  }
  return settings;
}

}  // namespace nodewall::resolve
