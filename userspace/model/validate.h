// Cross-field rules of docs/semantics.md "Validation". Leaf formats (a CIDR, a selector, a port) were checked by decoding.
// All faults of an object are returned at once.
#pragma once

#include <string>
#include <vector>

#include "model/resources.h"

namespace nodewall::model {

struct Fault {
  std::string field;   // JSON path from the object's root: "spec.ingress[0].source.nets[1]", "metadata.name"
  std::string value;   // as text, possibly empty
  std::string reason;  // Calico's message where it has one
  bool operator==(const Fault&) const = default;
};

std::vector<Fault> validate(const Resource& resource);

// Name formats, shared with decoding.
bool is_dns_label(std::string_view text);
bool is_dns_subdomain(std::string_view text);
bool is_label_key(std::string_view text);
bool is_label_value(std::string_view text);
bool is_interface_name(std::string_view text);  // 1..15 of [a-zA-Z0-9_.-]

}  // namespace nodewall::model
