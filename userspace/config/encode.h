// Resources -> JSON and YAML text, in the shape and key order that calicoctl prints (keys sorted, `creationTimestamp: null`
// under --export). encode(decode(x)) == canonical x; decode(encode(r)) == r for every valid r.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model/resources.h"

namespace nodewall::config {

nlohmann::json encode(const model::Resource& resource);  // apiVersion, kind, metadata, spec, status
// YAML text of any JSON value in the style of Go's sigs.k8s.io/yaml: sorted keys, 2 spaces, strings quoted only when needed.
std::string to_yaml(const nlohmann::json& value);

}  // namespace nodewall::config
