#include "controller/auto_host_endpoints.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/printable.h"
#include "controller/running_config.h"
#include "model/pattern.h"
#include "model/validate.h"

namespace nodewall::controller {
namespace {

using model::HostEndpoint;
using model::Resource;
using Kcc = model::KubeControllersConfiguration;
using Wanted = std::map<std::string, Resource>;  // host endpoints by name

constexpr std::string_view kSuffix = "-auto-hep";

std::optional<Address> address_of(const std::string& text) {
  const auto cidr = parse_cidr(text, BareAddress::is_host);
  if (!cidr) return std::nullopt;
  return cidr->address;
}

void add_once(std::vector<Address>& addresses, const Address& address) {
  if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
}

// SHA-256 in base64url, lower case, of its 64 characters only letters and digits.
std::string digest_of(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  std::string name;
  for (int i = 0; i < length; ++i) {
    const char c = static_cast<char>(encoded[static_cast<std::size_t>(i)]);
    if (c >= 'A' && c <= 'Z') name += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) name += c;
  }
  return name;
}

// What is too long for a name, or (an interface's name may have capitals and underscores) no name at all, becomes a digest.
std::string automatic_name(const std::string& stem) {
  auto name = stem + std::string(kSuffix);
  return model::is_dns_subdomain(name) ? name : digest_of(name) + std::string(kSuffix);
}

// expectedIPs is a set with an order: an address that two fields of a node hold is in it once.
Resource endpoint(const Resource& node, std::string name, std::string interface, const std::vector<Address>& all) {
  std::vector<Address> addresses;
  for (const auto& address : all) add_once(addresses, address);
  Resource resource;
  resource.metadata.name = std::move(name);
  resource.metadata.labels = node.metadata.labels;
  resource.spec = HostEndpoint{.node = node.metadata.name,
                               .interface_name = std::move(interface),
                               .expected_ips = std::move(addresses),
                               .profiles = {std::string(model::kDefaultAllowProfile)},
                               .ports = {}};
  return resource;
}

// The label by which the controller knows what is its own comes last: nothing overrides it.
void own(Resource& resource) {
  resource.metadata.labels[std::string(model::kCreatedByLabel)] = std::string(model::kCreatedByValue);
}

class Reconciler {
 public:
  explicit Reconciler(const model::ResourceSet& resources) : resources_(resources) {}

  Changes run(const Environment& environment) {
    const auto running = configuration(environment);
    Wanted wanted;
    if (running.node && running.node->host_endpoint && running.node->host_endpoint->auto_create.value_or(false))
      wanted = wanted_endpoints(*running.node->host_endpoint);
    bring_about(wanted);
    return std::move(changes_);
  }

 private:
  // The running configuration; its report and a missing object are among the changes.
  Kcc configuration(const Environment& environment) {
    const auto found = resources_.find({model::Kind::KubeControllersConfiguration, "default"});
    Resource object;
    object.metadata.name = "default";
    object.spec = model::default_kube_controllers_configuration();
    const bool exists = found != resources_.end();
    if (exists) object = found->second;
    auto& config = std::get<Kcc>(object.spec);
    auto running = running_config(config, environment, changes_.conditions);
    auto variables = status_environment(environment);
    const bool reported =
        config.running_config && *config.running_config == running && config.status_environment == variables;
    if (!exists || !reported) {
      config.status_environment = std::move(variables);
      config.running_config = std::make_shared<const Kcc>(running);
      object.metadata.resource_version.clear();
      changes_.write.push_back(std::move(object));
    }
    return running;
  }

  Wanted wanted_endpoints(const model::AutoHostEndpointConfig& config) {
    Wanted wanted;
    for (const auto& [id, node] : resources_) {
      if (id.kind != model::Kind::Node) continue;
      const auto addresses = expected_ips(std::get<model::Node>(node.spec));
      if (config.create_default_host_endpoint.value_or(true)) {
        auto resource = endpoint(node, automatic_name(id.name), "*", addresses);
        own(resource);
        add(wanted, std::move(resource));
      }
      for (const auto& part : config.templates) from_template(part, node, addresses, wanted);
    }
    return wanted;
  }

  void from_template(const model::AutoHostEndpointTemplate& part, const Resource& node, const std::vector<Address>& all,
                     Wanted& wanted) {
    if (part.node_selector && !part.node_selector->matches(node.metadata.labels)) return;
    std::vector<Address> inside;
    for (const auto& address : all) {
      const auto holds = [&](const Cidr& cidr) { return cidr.masked().contains(address); };
      if (std::ranges::any_of(part.interface_cidrs, holds)) inside.push_back(address);
    }
    const auto stem = node.metadata.name + "-" + part.generate_name;
    const auto finish = [&](std::string name, std::string interface, const std::vector<Address>& addresses) {
      auto resource = endpoint(node, std::move(name), std::move(interface), addresses);
      for (const auto& [key, value] : part.labels) resource.metadata.labels[key] = value;
      resource.metadata.annotations = part.annotations;
      own(resource);
      add(wanted, std::move(resource));
    };
    if (!part.interface_pattern) {
      if (!inside.empty()) finish(automatic_name(stem), "", inside);
      return;
    }
    const auto pattern = model::Pattern::make(*part.interface_pattern);
    if (!pattern) return pattern_invalid(part, pattern.error());
    for (const auto& interface : std::get<model::Node>(node.spec).interfaces) {
      if (!pattern->matches(interface.name)) continue;
      auto addresses = inside;
      for (const auto& address : interface.addresses) add_once(addresses, address);
      finish(automatic_name(stem + "-" + interface.name), interface.name, addresses);
    }
  }

  void pattern_invalid(const model::AutoHostEndpointTemplate& part, const Error& error) {
    resolve::Condition condition{.severity = resolve::Condition::Severity::error,
                                 .object = {model::Kind::KubeControllersConfiguration, "default"},
                                 .type = "TemplateInvalid",
                                 .message = "the interfacePattern of the template " + printable(part.generate_name) +
                                            " is not used: " + error.message() + "."};
    if (std::ranges::find(changes_.conditions, condition) == changes_.conditions.end())
      changes_.conditions.push_back(std::move(condition));
  }

  // Of two that get one name the first stays: "a-b" and "c" read like "a" and "b-c".
  void add(Wanted& wanted, Resource resource) {
    const auto id = resource.id();
    if (wanted.try_emplace(id.name, std::move(resource)).second) return;
    changes_.conditions.push_back({.severity = resolve::Condition::Severity::error,
                                   .object = id,
                                   .type = "AutomaticNameTaken",
                                   .message = "two automatic host endpoints would be called " + id.name +
                                              ": only the first is there."});
  }

  static bool is_ours(const Resource& resource) {
    const auto label = resource.metadata.labels.find(model::kCreatedByLabel);
    return label != resource.metadata.labels.end() && label->second == model::kCreatedByValue;
  }

  // Profiles, ports and node are not compared: edits of them are not noticed (docs/semantics.md 38).
  static bool is_as_wanted(const Resource& has, const Resource& wants) {
    const auto& now = std::get<HostEndpoint>(has.spec);
    const auto& then = std::get<HostEndpoint>(wants.spec);
    return has.metadata.labels == wants.metadata.labels && has.metadata.annotations == wants.metadata.annotations &&
           now.expected_ips == then.expected_ips && now.interface_name == then.interface_name;
  }

  void bring_about(Wanted& wanted) {
    for (const auto& [id, has] : resources_) {
      if (id.kind != model::Kind::HostEndpoint) continue;
      const auto found = wanted.find(id.name);
      if (found == wanted.end()) {
        if (is_ours(has)) changes_.remove.push_back(id);
        continue;
      }
      if (!is_ours(has)) {
        name_taken(id);
      } else if (!is_as_wanted(has, found->second)) {
        found->second.metadata.uid = has.metadata.uid;
        found->second.metadata.creation_timestamp = has.metadata.creation_timestamp;
        changes_.write.push_back(std::move(found->second));
      }
      wanted.erase(found);
    }
    for (auto& [name, resource] : wanted) changes_.write.push_back(std::move(resource));
  }

  void name_taken(const model::ResourceId& id) {
    changes_.conditions.push_back({.severity = resolve::Condition::Severity::error,
                                   .object = id,
                                   .type = "AutomaticNameTaken",
                                   .message = "resource already exists: a host endpoint without the label " +
                                              std::string(model::kCreatedByLabel) +
                                              " has the name of an automatic one and is left alone."});
  }

  const model::ResourceSet& resources_;
  Changes changes_;
};

}  // namespace

std::vector<Address> expected_ips(const model::Node& node) {
  std::vector<Address> addresses;
  // These seven are not compared with each other.
  for (const auto* text : {&node.bgp_ipv4, &node.bgp_ipv6, &node.ipip_tunnel, &node.vxlan_tunnel_v4, &node.vxlan_tunnel_v6,
                           &node.wireguard_v4, &node.wireguard_v6}) {
    if (const auto address = address_of(*text)) addresses.push_back(*address);
  }
  for (const auto& [text, type] : node.addresses) {
    if (type != "InternalIP") continue;
    if (const auto address = parse_address(text)) add_once(addresses, *address);
  }
  for (const auto& interface : node.interfaces)
    for (const auto& address : interface.addresses) add_once(addresses, address);
  return addresses;
}

Changes reconcile(const model::ResourceSet& resources, const std::map<std::string, std::string>& environment) {
  return Reconciler(resources).run(environment);
}

}  // namespace nodewall::controller
