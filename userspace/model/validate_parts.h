// What the files of validation share. Private to this room.
//
// A FaultList knows where in the object it stands: `Within` goes down to a field or an item for as long as it lives, so that
// every check names only its own field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/validate.h"

namespace nodewall::model {

class FaultList {
 public:
  // The field where the list stands, or one of its fields.
  void add(std::string_view field, std::string value, std::string reason);
  // A value of the wrong form, in the words of the API server: "failed to validate Field: F because of Tag: T".
  void add_tag(std::string_view field, std::string_view value, std::string_view tag, std::string_view wanted);
  [[nodiscard]] std::vector<Fault> take() { return std::move(faults_); }

 private:
  friend class Within;
  std::string path_;
  std::vector<Fault> faults_;
};

class Within {
 public:
  Within(FaultList& faults, std::string_view field);
  Within(FaultList& faults, std::string_view list, std::size_t index);
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;
  ~Within() { faults_.path_.resize(length_); }

 private:
  FaultList& faults_;
  std::size_t length_;
};

enum class Direction : std::uint8_t { ingress, egress };

// Each checks one kind's spec; the list stands at "spec". Kinds without one have only their metadata checked.
void check(const HostEndpoint& endpoint, FaultList& faults);
void check(const GlobalNetworkPolicy& policy, FaultList& faults);
void check(const StagedGlobalNetworkPolicy& staged, FaultList& faults);
void check(const Profile& profile, FaultList& faults);
void check(const KubeControllersConfiguration& config, FaultList& faults);
void check(const FelixConfiguration& config, FaultList& faults);
void check(const Node& node, FaultList& faults);
void check(const NodewallConfiguration& config, FaultList& faults);
void check_tier(std::string_view name, const Tier& tier, FaultList& faults);

void check_rules(std::string_view field, const SharedList<Rule>& rules, Direction direction, FaultList& faults);
enum class GlobalCall : std::uint8_t { refused, allowed_alone };
void check_selector(std::string_view field, const std::optional<Selector>& selector, GlobalCall global, FaultList& faults);
void check_labels(std::string_view field, const Labels& labels, FaultList& faults);
void check_choice(std::string_view field, const std::optional<std::string>& value, std::string_view choices,
                  FaultList& faults);  // choices: "A, B, C"

}  // namespace nodewall::model
