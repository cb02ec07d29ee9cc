// Collects conditions while resolving; each distinct one once, in the order found.
#pragma once

#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "resolve/endpoint_policy.h"

namespace nodewall::resolve {

class Conditions {
 public:
  using Severity = Condition::Severity;

  void add(Severity severity, model::ResourceId object, std::string type, std::string message) {
    if (!seen_.emplace(object, type, message).second) return;
    list_.push_back({severity, std::move(object), std::move(type), std::move(message)});
  }
  void add_all(const std::vector<Condition>& conditions) {
    for (const auto& it : conditions) add(it.severity, it.object, it.type, it.message);
  }
  std::vector<Condition> take() { return std::move(list_); }

 private:
  std::vector<Condition> list_;
  std::set<std::tuple<model::ResourceId, std::string, std::string>> seen_;
};

}  // namespace nodewall::resolve
