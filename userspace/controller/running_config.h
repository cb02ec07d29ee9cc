// The configuration of the controllers that is in force: the object, its defaults, and the environment over both. Private to
// this room.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/resources.h"
#include "resolve/endpoint_policy.h"

namespace nodewall::controller {

using Environment = std::map<std::string, std::string>;

// `config` may be of an object that says nothing. A variable with a wrong value is a condition and changes nothing.
model::KubeControllersConfiguration running_config(const model::KubeControllersConfiguration& config,
                                                   const Environment& environment,
                                                   std::vector<resolve::Condition>& conditions);

// status.environmentVars: the variables that count, and DATASTORE_TYPE.
std::map<std::string, std::string> status_environment(const Environment& environment);

}  // namespace nodewall::controller
