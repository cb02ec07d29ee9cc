#include "config/encode.h"

#include <cmath>
#include <utility>
#include <variant>

#include "config/duration.h"
#include "config/encode_fields.h"

namespace nodewall::config {
namespace encoding {

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

// Whole numbers without ".0", as Go writes them.
Json of(double value) {
  if (value == std::trunc(value) && std::abs(value) < kExactIntegers) return static_cast<std::int64_t>(value);
  return value;
}
Json of(std::int64_t value) { return value; }
Json of(const std::string& text) { return text; }
Json of(m::Duration duration) { return to_string(duration); }
Json of(const m::Timeout& timeout) { return timeout.value ? to_string(*timeout.value) : "Auto"; }
Json of(const m::Selector& selector) { return selector.text(); }
Json of(const Address& address) { return to_string(address); }
Json of(const Cidr& cidr) { return to_string(cidr); }
Json of(const m::Labels& labels) { return Json(labels); }
Json of(const m::Protocol& protocol) {
  const auto text = m::to_string(protocol);
  if (protocol.as_name && m::protocol_by_name(text)) return text;
  return protocol.number;
}
Json of(const m::PortRange& range) {
  if (range.first == range.last) return range.first;
  return std::to_string(range.first) + ":" + std::to_string(range.last);
}
Json of(const m::Port& port) {
  if (const auto* name = std::get_if<std::string>(&port)) return *name;
  return of(std::get<m::PortRange>(port));
}
Json of(m::PolicyType type) { return type == m::PolicyType::Ingress ? "Ingress" : "Egress"; }
Json of(m::TierAction action) { return action == m::TierAction::Deny ? "Deny" : "Pass"; }

void put(Json& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = text;
}
void put(Json& out, const char* key, const m::Labels& labels) {
  if (!labels.empty()) out[key] = Json(labels);
}
void put_switch(Json& out, const char* key, const std::optional<bool>& value) {
  if (value) out[key] = *value ? "Enabled" : "Disabled";
}
void put_true(Json& out, const char* key, bool value) {
  if (value) out[key] = true;
}
void put_object(Json& out, const char* key, Json value) {
  if (!value.empty()) out[key] = std::move(value);
}

Json of(const m::Metadata& metadata) {
  auto out = Json::object();
  put(out, "name", metadata.name);
  put(out, "labels", metadata.labels);
  put(out, "annotations", metadata.annotations);
  put(out, "uid", metadata.uid);
  put(out, "resourceVersion", metadata.resource_version);
  put(out, "creationTimestamp", metadata.creation_timestamp);
  return out;
}

}  // namespace encoding

nlohmann::json encode(const model::Resource& resource) {
  using namespace encoding;
  auto out = Json::object();
  out["apiVersion"] = model::api_version(resource.kind());
  out["kind"] = model::name(resource.kind());
  out["metadata"] = of(resource.metadata);
  out["spec"] = std::visit([](const auto& spec) { return of(spec); }, resource.spec);
  if (const auto* kcc = std::get_if<model::KubeControllersConfiguration>(&resource.spec))
    put_object(out, "status", status_of(*kcc));
  return out;
}

}  // namespace nodewall::config
