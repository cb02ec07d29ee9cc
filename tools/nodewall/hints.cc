#include "hints.h"

#include <fmt/format.h>

#include <algorithm>

namespace nodewall::cli {
namespace {

using model::Kind;

template <typename T, typename Each>
void for_each(const model::ResourceSet& resources, Kind kind, Each each) {
  for (auto at = resources.lower_bound({kind, ""}); at != resources.end() && at->first.kind == kind; ++at)
    each(at->second, std::get<T>(at->second.spec));
}

model::Labels labels_of(const model::Resource& resource, const model::HostEndpoint& endpoint,
                        const model::ResourceSet& resources) {
  auto labels = resource.metadata.labels;  // the endpoint's own win
  for (const auto& name : endpoint.profiles) {
    const auto found = resources.find({Kind::Profile, name});
    if (found == resources.end()) continue;
    const auto& inherited = std::get<model::Profile>(found->second.spec).labels_to_apply;
    labels.insert(inherited.begin(), inherited.end());
  }
  return labels;
}

bool selects(const model::GlobalNetworkPolicy& policy, const model::Labels& labels) {
  if (policy.namespace_selector || policy.service_account_selector) return false;
  return !policy.selector || policy.selector->matches(labels);
}

// preDNAT and doNotTrack policies leave what they do not match to others: with them alone a host endpoint is closed.
bool is_about_own_traffic(const model::GlobalNetworkPolicy& policy) { return !policy.pre_dnat && !policy.do_not_track; }

bool has_profile(const model::HostEndpoint& endpoint, const model::ResourceSet& resources) {
  return std::ranges::any_of(endpoint.profiles, [&](const auto& name) {
    return resources.contains({Kind::Profile, name});
  });
}

bool is_known_node(const std::string& node, const model::ResourceSet& resources) {
  if (resources.contains({Kind::Node, node})) return true;
  const auto any = resources.lower_bound({Kind::Node, ""});
  return any == resources.end() || any->first.kind != Kind::Node;  // nothing is known of nodes
}

// doNotTrack policies that select a wildcard, where they do not apply; of those that `written` has the policy or the host endpoint of.
void hint_untracked_wildcards(const model::ResourceSet& resources, const std::set<model::ResourceId>& written,
                              std::vector<std::string>& sentences) {
  for_each<model::HostEndpoint>(resources, Kind::HostEndpoint, [&](const auto& resource, const auto& endpoint) {
    if (endpoint.interface_name != "*") return;
    const auto labels = labels_of(resource, endpoint, resources);
    for_each<model::GlobalNetworkPolicy>(resources, Kind::GlobalNetworkPolicy, [&](const auto& owner, const auto& policy) {
      if (!policy.do_not_track || !selects(policy, labels)) return;
      if (!written.contains(owner.id()) && !written.contains(resource.id())) return;
      sentences.push_back(fmt::format("{}: doNotTrack is not enforced on {}, for its interfaceName is *", to_string(owner.id()),
                                      to_string(resource.id())));
    });
  });
}

}  // namespace

std::set<std::string> bare_endpoints(const model::ResourceSet& resources) {
  std::set<std::string> bare;
  for_each<model::HostEndpoint>(resources, Kind::HostEndpoint, [&](const auto& resource, const auto& endpoint) {
    if (has_profile(endpoint, resources)) return;
    const auto labels = labels_of(resource, endpoint, resources);
    bool selected = false;
    for_each<model::GlobalNetworkPolicy>(resources, Kind::GlobalNetworkPolicy,
                                         [&](const auto&, const auto& policy) {
                                           selected = selected || (is_about_own_traffic(policy) && selects(policy, labels));
                                         });
    if (!selected) bare.insert(resource.metadata.name);
  });
  return bare;
}

std::vector<std::string> hints(const model::ResourceSet& before, const model::ResourceSet& after,
                               const std::set<model::ResourceId>& written) {
  std::vector<std::string> sentences;
  const auto bare_before = bare_endpoints(before);
  for (const auto& name : bare_endpoints(after)) {
    const model::ResourceId id{Kind::HostEndpoint, name};
    if (bare_before.contains(name) && !written.contains(id)) continue;
    sentences.push_back(fmt::format(
        "{}: no policy selects it and it has no profile: it closes everything except the failsafe ports",
        to_string(id)));
  }
  hint_untracked_wildcards(after, written, sentences);
  for (const auto& id : written) {
    const auto found = after.find(id);
    if (id.kind != Kind::HostEndpoint || found == after.end()) continue;
    const auto& node = std::get<model::HostEndpoint>(found->second.spec).node;
    if (is_known_node(node, after)) continue;
    sentences.push_back(fmt::format("{}: no node \"{}\" is known: it is enforced only on a node of exactly this name",
                                    to_string(id), node));
  }
  return sentences;
}

}  // namespace nodewall::cli
