#include "harness/shrink.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "harness/vectors.h"
#include "model/validate.h"

namespace nodewall::test {
namespace {

// Leaves out the `wanted`th thing that can be left out. Walks the things in a fixed order, so that counting from 0 tries each.
class Remover {
 public:
  explicit Remover(std::size_t wanted) : left_(wanted) {}
  [[nodiscard]] bool done() const { return done_; }

  template <typename List>
  void list(List& items) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!turn()) continue;
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }
  template <typename T>
  void option(std::optional<T>& value) {
    if (value && turn()) value.reset();
  }
  void flag(bool& value) {
    if (value && turn()) value = false;
  }
  void labels(model::Labels& labels) {
    for (auto it = labels.begin(); it != labels.end(); ++it) {
      if (!turn()) continue;
      labels.erase(it);
      return;
    }
  }
  void objects(model::ResourceSet& resources) {
    for (auto it = resources.begin(); it != resources.end(); ++it) {
      if (!turn()) continue;
      resources.erase(it);
      return;
    }
  }

  void rules(SharedList<model::Rule>& rules) {
    list(rules);
    for (auto& rule : rules) {
      option(rule.ip_version);
      option(rule.protocol);
      option(rule.not_protocol);
      option(rule.icmp);
      option(rule.not_icmp);
      if (rule.icmp) option(rule.icmp->code);
      if (rule.not_icmp) option(rule.not_icmp->code);
      entity(rule.source);
      entity(rule.destination);
    }
  }

  void entity(model::EntityRule& entity) {
    list(entity.nets);
    list(entity.not_nets);
    list(entity.ports);
    list(entity.not_ports);
    option(entity.selector);
    option(entity.not_selector);
    option(entity.namespace_selector);
    option(entity.services);
  }

  void spec(model::Spec& spec) {
    if (auto* endpoint = std::get_if<model::HostEndpoint>(&spec)) {
      list(endpoint->expected_ips);
      list(endpoint->profiles);
      list(endpoint->ports);
    } else if (auto* policy = std::get_if<model::GlobalNetworkPolicy>(&spec)) {
      policy_parts(*policy);
    } else if (auto* staged = std::get_if<model::StagedGlobalNetworkPolicy>(&spec)) {
      policy_parts(staged->policy);
      option(staged->action);
    } else if (auto* set = std::get_if<model::GlobalNetworkSet>(&spec)) {
      list(set->nets);
    } else if (auto* profile = std::get_if<model::Profile>(&spec)) {
      rules(profile->ingress);
      rules(profile->egress);
      labels(profile->labels_to_apply);
    } else if (auto* tier = std::get_if<model::Tier>(&spec)) {
      option(tier->order);
      option(tier->default_action);
    } else if (auto* felix = std::get_if<model::FelixConfiguration>(&spec)) {
      for (auto* ports : {&felix->failsafe_inbound, &felix->failsafe_outbound}) {
        if (*ports) list(**ports);
        option(*ports);
      }
      option(felix->interface_exclude);
      option(felix->kube_node_port_ranges);
    } else if (auto* nodewall = std::get_if<model::NodewallConfiguration>(&spec)) {
      list(nodewall->service_addresses);
    }
  }

  void policy_parts(model::GlobalNetworkPolicy& policy) {
    rules(policy.ingress);
    rules(policy.egress);
    option(policy.tier);
    option(policy.order);
    option(policy.selector);
    option(policy.namespace_selector);
    list(policy.types);
    flag(policy.do_not_track);
    flag(policy.pre_dnat);
    flag(policy.apply_on_forward);
  }

 private:
  bool turn() {
    if (done_ || left_-- > 0) return false;
    done_ = true;
    return true;
  }

  std::size_t left_;
  bool done_ = false;
};

// The scenario without its nth part; nothing when it has no such part.
std::optional<Scenario> without(Scenario scenario, std::size_t part, const std::string& interface) {
  Remover remover(part);
  remover.objects(scenario.resources);
  for (auto& [id, resource] : scenario.resources) {
    remover.spec(resource.spec);
    remover.labels(resource.metadata.labels);
  }
  for (auto& facts : scenario.facts.interfaces) remover.list(facts.addresses);
  remover.list(scenario.facts.interfaces);
  if (!remover.done()) return std::nullopt;
  const auto has_interface = [&](const auto& facts) { return facts.name == interface; };
  if (std::ranges::none_of(scenario.facts.interfaces, has_interface)) scenario.resources.clear();
  return scenario;
}

bool is_valid(const Scenario& scenario) {
  for (const auto& [id, resource] : scenario.resources) {
    if (!model::validate(resource).empty()) return false;
  }
  return !scenario.resources.empty();
}

}  // namespace

Scenario shrink(Scenario scenario, const resolve::PacketQuery& packet, const Differs& differs) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    // After a success the same number names the next part, so nothing is tried twice in a round.
    for (std::size_t part = 0;;) {
      auto candidate = without(scenario, part, packet.interface);
      if (!candidate) break;
      if (is_valid(*candidate) && differs(*candidate, packet)) {
        scenario = std::move(*candidate);
        smaller = true;
      } else {
        ++part;
      }
    }
  }
  return scenario;
}

Result<std::filesystem::path> write_vector(const Scenario& scenario, const resolve::PacketQuery& packet,
                                           const resolve::Judgement& expected, const std::string& name) {
  VectorCase found;
  found.name = name;
  found.scenario = scenario;
  found.vectors = {{.line = 0, .packet = packet, .statements = {18}, .expected = expected}};
  const auto path = std::filesystem::temp_directory_path() / ("nodewall-difference-" + std::to_string(getpid()) + ".yaml");
  std::ofstream out(path);
  out << to_text(found);
  if (!out.flush()) return fail(Errc::internal, "cannot write " + path.string());
  return path;
}

}  // namespace nodewall::test
