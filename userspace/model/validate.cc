#include "model/validate.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/printable.h"
#include "model/validate_parts.h"

namespace nodewall::model {
namespace {

constexpr std::size_t kMaxName = 253;
constexpr std::size_t kMaxAnnotationBytes = 256 * 1024;

std::string indexed(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

// One DNS label, or two joined by a dot; or a name that Calico derives from a Kubernetes or OpenStack object.
bool is_policy_name(std::string_view name) {
  if (name.size() > kMaxName) return false;
  for (const std::string_view reserved : {"knp.default.", "ossg.default."})
    if (name.starts_with(reserved)) return is_dns_subdomain(name.substr(reserved.size()));
  const auto dot = name.find('.');
  return is_dns_label(name.substr(0, dot)) && (dot == name.npos || is_dns_label(name.substr(dot + 1)));
}

void check_name(const Resource& resource, FaultList& faults) {
  const std::string& name = resource.metadata.name;
  if (name.empty()) return faults.add("name", "", "name must be specified");
  switch (resource.kind()) {
    case Kind::GlobalNetworkPolicy:
    case Kind::StagedGlobalNetworkPolicy:
      if (!is_policy_name(name))
        faults.add_tag("name", name, "name", "one or two labels of a-z, 0-9 and '-', joined by one dot");
      return;
    case Kind::Tier:
      if (!is_dns_label(name))
        faults.add_tag("name", name, "name", "at most 63 of a-z, 0-9 and '-', without dots");
      return;
    case Kind::KubeControllersConfiguration:
    case Kind::NodewallConfiguration:
      if (name != "default")
        faults.add("name", name, "only an object named 'default' may exist of " + std::string(model::name(resource.kind())));
      return;
    case Kind::FelixConfiguration:
      if (!is_dns_subdomain(name.starts_with("node.") ? std::string_view(name).substr(5) : std::string_view(name)))
        faults.add_tag("name", name, "name", "'default', or 'node.' and a node's name");
      return;
    default:
      if (!is_dns_subdomain(name))
        faults.add_tag("name", name, "name", "at most 253 of a-z, 0-9, '-' and '.', a letter or digit at the ends of each part");
  }
}

void check_metadata(const Resource& resource, FaultList& faults) {
  const Within metadata(faults, "metadata");
  check_name(resource, faults);
  check_labels("labels", resource.metadata.labels, faults);
  if (resource.kind() == Kind::GlobalNetworkSet && resource.metadata.labels.contains("projectcalico.org/namespace")) {
    const Within labels(faults, "labels");
    faults.add("projectcalico.org/namespace", resource.metadata.labels.at("projectcalico.org/namespace"),
               "this label is not allowed on a GlobalNetworkSet");
  }
  std::size_t bytes = 0;
  for (const auto& [key, value] : resource.metadata.annotations) {
    bytes += key.size() + value.size();
    if (is_label_key(key)) continue;
    const Within annotations(faults, "annotations");
    faults.add_tag(key, key, "annotation", "an optional DNS name and '/', then at most 63 of a-z, A-Z, 0-9, '-', '_' and '.'");
  }
  if (bytes > kMaxAnnotationBytes)
    faults.add("annotations", std::to_string(bytes) + " bytes", "annotations must not exceed 262144 bytes in total");
}

}  // namespace

void FaultList::add(std::string_view field, std::string value, std::string reason) {
  std::string path = path_;
  if (!path.empty() && !field.empty()) path += '.';
  path += field;
  faults_.push_back({.field = std::move(path), .value = std::move(value), .reason = std::move(reason)});
}

void FaultList::add_tag(std::string_view field, std::string_view value, std::string_view tag, std::string_view wanted) {
  add(field, std::string(value),
      "Reason: failed to validate Field: " + printable(field) + " because of Tag: " + std::string(tag) + "; wants " +
          std::string(wanted));
}

Within::Within(FaultList& faults, std::string_view field) : faults_(faults), length_(faults.path_.size()) {
  if (length_ != 0) faults_.path_ += '.';
  faults_.path_ += field;
}

Within::Within(FaultList& faults, std::string_view list, std::size_t index) : Within(faults, indexed(list, index)) {}

void check_labels(std::string_view field, const Labels& labels, FaultList& faults) {
  const Within within(faults, field);
  for (const auto& [key, value] : labels) {
    if (!is_label_key(key))
      faults.add_tag(key, key, "labelKey", "an optional DNS name and '/', then at most 63 of a-z, A-Z, 0-9, '-', '_' and '.'");
    if (!is_label_value(value))
      faults.add_tag(key, value, "labelValue", "at most 63 of a-z, A-Z, 0-9, '-', '_' and '.', a letter or digit at both ends");
  }
}

void check_choice(std::string_view field, const std::optional<std::string>& value, std::string_view choices,
                  FaultList& faults) {
  if (!value) return;
  for (std::string_view rest = choices; !rest.empty();) {
    const auto comma = rest.find(", ");
    if (rest.substr(0, comma) == *value) return;
    rest = comma == rest.npos ? std::string_view{} : rest.substr(comma + 2);
  }
  faults.add(field, *value, "wants one of " + std::string(choices));
}

void check_tier(std::string_view name, const Tier& tier, FaultList& faults) {
  if (tier.order && !std::isfinite(*tier.order)) faults.add("order", "", "order must be a finite number");
  for (const auto& built_in : built_in_tiers()) {
    if (built_in.metadata.name != name) continue;
    const auto& fixed = std::get<Tier>(built_in.spec);
    const auto fixed_order = std::to_string(static_cast<long>(*fixed.order));
    if (tier.order != fixed.order)
      faults.add("order", tier.order ? std::to_string(*tier.order) : "",
                 std::string(name) + " tier order must be " + fixed_order);
    if (tier.default_action.value_or(TierAction::Deny) != *fixed.default_action)
      faults.add("defaultAction", *fixed.default_action == TierAction::Deny ? "Pass" : "Deny",
                 "The '" + std::string(name) + "' tier must have default action '" +
                     (*fixed.default_action == TierAction::Deny ? "Deny'" : "Pass'"));
  }
}

std::vector<Fault> validate(const Resource& resource) {
  FaultList faults;
  check_metadata(resource, faults);
  const Within spec(faults, "spec");
  if (const auto* tier = std::get_if<Tier>(&resource.spec)) check_tier(resource.metadata.name, *tier, faults);
  // A GlobalNetworkSet has nothing to check: any network may be a member, also one with host bits.
  const auto check_spec = [&faults](const auto& value) {
    if constexpr (requires { check(value, faults); }) check(value, faults);
  };
  std::visit(check_spec, resource.spec);
  return faults.take();
}

}  // namespace nodewall::model
