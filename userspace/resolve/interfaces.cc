#include "resolve/interfaces.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "model/pattern.h"

namespace nodewall::resolve {
namespace {

using Severity = Conditions::Severity;

bool is_wildcard(const model::HostEndpoint& endpoint) { return endpoint.interface_name == "*"; }

bool is_loopback(const InterfaceFacts& interface) { return interface.is_loopback || interface.name == "lo"; }

class Assigner {
 public:
  Assigner(const std::vector<KnownEndpoint>& endpoints, const NodeFacts& facts, const Settings& settings,
           Conditions& conditions)
      : endpoints_(endpoints), facts_(facts), settings_(settings), excluded_(settings.interface_exclude), conditions_(conditions),
        beaten_by_(endpoints.size()), governs_(endpoints.size()) {
    for (const auto& interface : facts.interfaces) {
      auto& own = addresses_.emplace_back();
      for (const auto& address : interface.addresses) own.insert(address.address);
    }
  }

  std::vector<Assignment> run() {
    std::vector<Assignment> result;
    for (std::size_t i = 0; i < facts_.interfaces.size(); ++i) {
      const auto& interface = facts_.interfaces[i];
      const auto winner = governor_of(i);
      if (!winner) continue;
      governs_[*winner] = true;
      if (!interface.sees_ingress && !is_wildcard(*endpoints_[*winner].spec)) report_blind(*winner, interface.name);
      result.push_back({interface.name, interface.ifindex, static_cast<std::uint32_t>(*winner)});
    }
    std::ranges::sort(result, {}, [](const Assignment& it) { return std::tie(it.interface, it.ifindex); });
    for (std::size_t i = 0; i < endpoints_.size(); ++i) report(i);
    return result;
  }

 private:
  [[nodiscard]] bool left_alone(const InterfaceFacts& interface) const {
    return is_workload_interface(settings_, interface.name) || excluded_.contains(interface.name);
  }

  [[nodiscard]] bool matches_specifically(const model::HostEndpoint& endpoint, std::size_t index) const {
    const auto& interface = facts_.interfaces[index];
    if (!endpoint.interface_name.empty()) return endpoint.interface_name == interface.name;
    if (is_loopback(interface)) return false;
    return std::ranges::any_of(endpoint.expected_ips,
                               [&](const Address& address) { return addresses_[index].contains(address); });
  }

  // The least name of those that name the interface or own an address of it, else the least wildcard.
  std::optional<std::size_t> governor_of(std::size_t index) {
    const auto& interface = facts_.interfaces[index];
    if (left_alone(interface)) return std::nullopt;
    std::optional<std::size_t> specific, wildcard;
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      const auto& endpoint = *endpoints_[i].spec;
      if (is_wildcard(endpoint)) {
        if (is_loopback(interface)) continue;
        if (!wildcard) wildcard = i;
        else beaten_by_[i].insert(fmt::format("wildcard {}", endpoints_[*wildcard].name));
      } else if (matches_specifically(endpoint, index)) {
        if (!specific) specific = i;
        else beaten_by_[i].insert(fmt::format("{} on {}", endpoints_[*specific].name, interface.name));
      }
    }
    return specific ? specific : wildcard;
  }

  // A wildcard is on the interface below too.
  void report_blind(std::size_t i, const std::string& interface) {
    conditions_.add(Severity::error, {model::Kind::HostEndpoint, endpoints_[i].name}, "NotEnforced",
                    fmt::format("the kernel shows nothing that comes in by {} there (a VRF, or an ipvlan in l3s mode), but only at the interface that it"
                                " comes by: a host endpoint of that one judges it", interface));
  }

  void report(std::size_t i) {
    const auto& endpoint = endpoints_[i];
    const model::ResourceId id{model::Kind::HostEndpoint, endpoint.name};
    if (!beaten_by_[i].empty()) {
      conditions_.add(Severity::warning, id, "Shadowed",
                      fmt::format("a host endpoint with a lesser name governs in its place: {}", fmt::join(beaten_by_[i], ", ")));
    }
    if (!governs_[i]) {
      // A wildcard waits for interfaces; a named one that finds none is probably mistyped.
      const auto severity = is_wildcard(*endpoint.spec) ? Severity::info : Severity::error;
      conditions_.add(severity, id, "NoInterfaceMatched", "it governs no interface: " + why_nothing(*endpoint.spec, i));
    }
  }

  [[nodiscard]] std::string why_nothing(const model::HostEndpoint& endpoint, std::size_t i) const {
    if (!beaten_by_[i].empty()) return "others come first";
    if (is_wildcard(endpoint)) return "there is none that no other host endpoint governs";
    if (endpoint.interface_name.empty()) return "none that can be governed owns one of its expectedIPs";
    const auto& name = endpoint.interface_name;
    const bool exists = std::ranges::any_of(facts_.interfaces, [&](const auto& it) { return it.name == name; });
    if (!exists) return fmt::format("the node has no interface {}", name);
    return fmt::format("{} is {}", name,
                       is_workload_interface(settings_, name) ? "a workload interface (interfacePrefix)" : "excluded (interfaceExclude)");
  }

  const std::vector<KnownEndpoint>& endpoints_;
  const NodeFacts& facts_;
  const Settings& settings_;
  const model::NameList excluded_;
  Conditions& conditions_;
  std::vector<std::set<Address>> addresses_;         // by interface
  std::vector<std::set<std::string>> beaten_by_;     // by endpoint
  std::vector<bool> governs_;
};

std::vector<Address> sorted_unique(std::vector<Address> addresses) {
  std::ranges::sort(addresses);
  const auto doubles = std::ranges::unique(addresses);
  addresses.erase(doubles.begin(), doubles.end());
  return addresses;
}

}  // namespace

bool is_workload_interface(const Settings& settings, std::string_view interface) {
  return std::ranges::any_of(settings.interface_prefix, [&](const std::string& prefix) {
    return !prefix.empty() && interface.starts_with(prefix);
  });
}

bool is_excluded_interface(const Settings& settings, std::string_view interface) {
  // A pattern that cannot be used excludes nothing: the interface stays governed.
  return model::NameList(settings.interface_exclude).contains(interface);
}

std::vector<Assignment> assign_interfaces(const std::vector<KnownEndpoint>& endpoints, const NodeFacts& facts,
                                          const Settings& settings, Conditions& conditions) {
  return Assigner(endpoints, facts, settings, conditions).run();
}

std::vector<Address> local_addresses(const NodeFacts& facts) {
  std::vector<Address> result;
  for (const auto& interface : facts.interfaces)
    for (const auto& cidr : interface.addresses) result.push_back(cidr.address);
  return sorted_unique(std::move(result));
}

std::vector<Address> broadcast_addresses(const NodeFacts& facts) {
  std::vector<Address> result;
  for (const auto& interface : facts.interfaces) {
    for (const auto& cidr : interface.addresses) {
      // /31 and /32 have no broadcast address (RFC 3021).
      if (cidr.address.family != Family::v4 || cidr.prefix >= 31) continue;
      result.push_back(Address::v4(cidr.address.v4_host_order() | 0xffffffffU >> cidr.prefix));
    }
  }
  return sorted_unique(std::move(result));
}

}  // namespace nodewall::resolve
