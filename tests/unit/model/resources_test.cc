#include "model/resources.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <vector>

using namespace nodewall;
using namespace nodewall::model;

TEST_CASE("kinds have calicoctl's and kubectl's aliases in any letter case") {
  const std::vector<std::pair<Kind, std::vector<std::string>>> cases = {
      {Kind::HostEndpoint, {"hostendpoint", "HostEndpoints", "hep", "HEPS"}},
      {Kind::GlobalNetworkPolicy, {"globalnetworkpolicy", "globalnetworkpolicies", "gnp", "gnps"}},
      {Kind::GlobalNetworkSet, {"globalnetworkset", "globalnetworksets", "gnetsets"}},
      {Kind::Profile, {"profile", "profiles", "pro", "pros"}},
      {Kind::Tier, {"tier", "tiers"}},
      {Kind::KubeControllersConfiguration,
       {"kubecontrollersconfiguration", "KubeControllersConfigurations", "kubecontrollersconfig", "kubecontrollersconfigs"}},
      {Kind::FelixConfiguration, {"felixconfiguration", "felixconfigurations", "felixconfig", "felixconfigs"}},
      {Kind::Node, {"node", "nodes"}},
      {Kind::NodewallConfiguration, {"nodewallconfiguration", "NodewallConfigurations"}},
      {Kind::StagedGlobalNetworkPolicy, {"stagedglobalnetworkpolicy", "StagedGlobalNetworkPolicies", "sgnp", "sgnps"}},
  };
  CHECK(cases.size() == std::size(kAllKinds));
  for (const auto& [kind, aliases] : cases)
    for (const auto& alias : aliases) {
      INFO(alias);
      CHECK(kind_by_alias(alias) == kind);
    }
  for (const std::string_view unknown : {"", "he", "hostendpointss", "pod", "hep "}) CHECK_FALSE(kind_by_alias(unknown).has_value());
}

TEST_CASE("a resource's kind is the index of its spec") {
  CHECK(Resource{.metadata = {}, .spec = HostEndpoint{}}.kind() == Kind::HostEndpoint);
  CHECK(Resource{.metadata = {}, .spec = Tier{}}.kind() == Kind::Tier);
  CHECK(Resource{.metadata = {}, .spec = NodewallConfiguration{}}.kind() == Kind::NodewallConfiguration);
  CHECK(name(Kind::KubeControllersConfiguration) == "KubeControllersConfiguration");
  CHECK(api_version(Kind::HostEndpoint) == "projectcalico.org/v3");
  CHECK(api_version(Kind::NodewallConfiguration) == "nodewall.io/v1");
  CHECK(to_string(ResourceId{.kind = Kind::HostEndpoint, .name = "eth0"}) == "HostEndpoint(eth0)");
}

TEST_CASE("T-P3: types of a policy follow from its rules unless they are given") {
  using T = PolicyType;
  GlobalNetworkPolicy policy;
  CHECK(effective_types(policy) == std::vector{T::Ingress});
  policy.ingress = {Rule{}};
  CHECK(effective_types(policy) == std::vector{T::Ingress});
  policy.egress = {Rule{}};
  CHECK(effective_types(policy) == std::vector{T::Ingress, T::Egress});
  policy.ingress.clear();
  CHECK(effective_types(policy) == std::vector{T::Egress});
  policy.types = {T::Ingress};
  CHECK(effective_types(policy) == std::vector{T::Ingress});
}

TEST_CASE("failsafe ports by default") {
  const auto text = [](const std::vector<FailsafePort>& ports) {
    std::string out;
    for (const auto& port : ports) out += to_string(port.protocol) + std::to_string(port.port) + (port.net ? "/net " : " ");
    return out;
  };
  CHECK(text(default_failsafe_inbound()) == "TCP22 UDP68 TCP179 TCP2379 TCP2380 TCP5473 TCP6443 TCP6666 TCP6667 ");
  CHECK(text(default_failsafe_outbound()) == "UDP53 UDP67 TCP179 TCP2379 TCP2380 TCP5473 TCP6443 TCP6666 TCP6667 ");
}

TEST_CASE("both allow-all profiles are built in and allow everything") {
  const auto resources = built_in_resources();
  REQUIRE(resources.size() == 2);
  for (const auto& resource : resources) {
    CHECK(is_built_in(resource.id()));
    const auto& profile = std::get<Profile>(resource.spec);
    CHECK(profile.ingress == std::vector{Rule{}});
    CHECK(profile.egress == std::vector{Rule{}});
    CHECK(profile.labels_to_apply.empty());
  }
  CHECK(resources[0].metadata.name == "projectcalico-default-allow");
  CHECK(resources[1].metadata.name == "projectcalico-allow-all");
  CHECK_FALSE(is_built_in({.kind = Kind::Tier, .name = "projectcalico-default-allow"}));
  CHECK_FALSE(is_built_in({.kind = Kind::Profile, .name = "mine"}));
}

TEST_CASE("the controllers' configuration that is written when there is none") {
  using namespace std::chrono_literals;
  const auto config = default_kube_controllers_configuration();
  REQUIRE(config.node.has_value());
  CHECK(config.node->host_endpoint->auto_create == false);
  CHECK(config.node->host_endpoint->create_default_host_endpoint == true);
  CHECK(config.node->reconciler_period == Duration(5min));
  CHECK(config.node->leak_grace_period == Duration(15min));
  CHECK(config.etcd_v3_compaction_period == Duration(10min));
  CHECK(config.prometheus_metrics_port == 9094);
  CHECK(config.log_severity_screen == "Info");
  CHECK(config.policy.has_value());
}

TEST_CASE("controllers' configurations compare their running configuration by value") {
  KubeControllersConfiguration a;
  KubeControllersConfiguration b;
  a.running_config = std::make_shared<KubeControllersConfiguration>(default_kube_controllers_configuration());
  CHECK_FALSE(a == b);
  b.running_config = std::make_shared<KubeControllersConfiguration>(default_kube_controllers_configuration());
  CHECK(a == b);
  b.running_config = std::make_shared<KubeControllersConfiguration>();
  CHECK_FALSE(a == b);
}

TEST_CASE("protocols have exact names and numbers") {
  CHECK(protocol_by_name("TCP")->number == 6);
  CHECK(protocol_by_name("ICMPv6")->number == 58);
  CHECK(protocol_by_name("UDPLite")->number == 136);
  CHECK_FALSE(protocol_by_name("tcp").has_value());
  CHECK(to_string(Protocol{.number = 132, .as_name = false}) == "SCTP");
  CHECK(to_string(Protocol{.number = 47, .as_name = true}) == "47");
}
