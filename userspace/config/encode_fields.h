// What encode.cc is made of: for each type of the model a function that says how its value looks, and `put`, which gives an object a field.
//
// Absent and empty fields are left out, as Go's omitempty does; put_list tells an empty list from an absent one.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/resources.h"

namespace nodewall::config::encoding {

using Json = nlohmann::json;
namespace m = nodewall::model;

// Values of one word, and what all kinds have (encode.cc).
Json of(double value);
Json of(std::int64_t value);
Json of(const std::string& text);
Json of(m::Duration duration);
Json of(const m::Timeout& timeout);
Json of(const m::Selector& selector);
Json of(const Address& address);
Json of(const Cidr& cidr);
Json of(const m::Labels& labels);
Json of(const m::Protocol& protocol);
Json of(const m::PortRange& range);
Json of(const m::Port& port);
Json of(m::PolicyType type);
Json of(m::TierAction action);
Json of(const m::Metadata& metadata);

// Parts of policies, and their kinds (encode_policy.cc).
Json of(const m::Icmp& icmp);
Json of(const m::ServiceRef& service);
Json of(const m::ServiceAccounts& accounts);
Json of(const m::EntityRule& entity);
Json of(const m::HttpPath& path);
Json of(const m::HttpMatch& http);
Json of(const m::Rule& rule);
Json of(const m::EndpointPort& port);
Json of(const m::HostEndpoint& endpoint);
Json of(const m::GlobalNetworkPolicy& policy);
Json of(const m::StagedGlobalNetworkPolicy& staged);
Json of(const m::GlobalNetworkSet& set);
Json of(const m::Profile& profile);
Json of(const m::Tier& tier);

// Parts of configurations and nodes, and their kinds (encode_configuration.cc).
Json of(const m::AutoHostEndpointTemplate& part);
Json of(const m::AutoHostEndpointConfig& config);
Json of(const m::SimpleController& controller);
Json of(const m::NodeController& controller);
Json of(const m::KubeControllersConfiguration& config);
Json status_of(const m::KubeControllersConfiguration& config);
Json of(const m::FailsafePort& port);
Json of(const m::ConntrackTimeouts& timeouts);
Json of(const m::FelixConfiguration& config);
Json of(const m::NodeAddress& address);
Json of(const m::NodeInterface& interface);
Json of(const m::Node& node);
Json of(const m::HookRule& rule);
Json of(const m::NodewallConfiguration& config);

void put(Json& out, const char* key, const std::string& text);
void put(Json& out, const char* key, const m::Labels& labels);
void put_switch(Json& out, const char* key, const std::optional<bool>& value);
void put_true(Json& out, const char* key, bool value);
void put_object(Json& out, const char* key, Json value);

template <typename T>
void put(Json& out, const char* key, const std::optional<T>& value) {
  if (value) out[key] = of(*value);
}

template <typename List>
void put_all(Json& out, const char* key, const List& values) {
  if (values.empty()) return;
  auto& list = out[key] = Json::array();
  for (const auto& value : values) list.push_back(of(value));
}
template <typename T>
void put(Json& out, const char* key, const std::vector<T>& values) {
  put_all(out, key, values);
}
template <typename T>
void put(Json& out, const char* key, const SharedList<T>& values) {
  put_all(out, key, values);
}

template <typename T>
void put_list(Json& out, const char* key, const std::optional<std::vector<T>>& items) {
  if (!items) return;
  out[key] = Json::array();
  for (const auto& item : *items) out[key].push_back(of(item));
}

}  // namespace nodewall::config::encoding
