#include "controller/running_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <sstream>

#include "base/printable.h"

namespace nodewall::controller {
namespace {

using Kcc = model::KubeControllersConfiguration;
using model::Duration;

constexpr Duration kReconcilerPeriod = std::chrono::minutes(5);
constexpr Duration kLeakGracePeriod = std::chrono::minutes(15);
constexpr Duration kCompactionPeriod = std::chrono::minutes(10);
constexpr std::int64_t kMetricsPort = 9094;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Go's time.ParseDuration for what is not negative: "90s", "1h30m", "1.5s", "0". Environment only: documents are read elsewhere.
std::optional<Duration> duration(std::string_view text) {
  if (text == "0") return Duration::zero();
  struct Unit {
    std::string_view name;
    double ns;
  };
  constexpr std::array<Unit, 6> kUnits = {
      {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    double number = 0;
    if (text.front() == '-') return std::nullopt;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto name = text.substr(0, text.find_first_of("0123456789."));
    const auto unit = std::ranges::find(kUnits, name, &Unit::name);
    if (unit == kUnits.end()) return std::nullopt;
    total += number * unit->ns;
    text.remove_prefix(name.size());
  }
  constexpr double kMost = 9.2e18;
  if (total > kMost) return std::nullopt;
  return Duration(static_cast<std::int64_t>(total));
}

std::optional<bool> truth(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return std::nullopt;
}

std::optional<std::string> log_level(std::string_view text) {
  const auto wanted = lower(text);
  if (wanted == "warn") return "Warning";
  for (const std::string_view level : {"None", "Debug", "Info", "Warning", "Error", "Fatal", "Panic"})
    if (lower(level) == wanted) return std::string(level);
  return std::nullopt;
}

std::optional<bool> enabled(std::string_view text) {
  const auto word = lower(text);
  if (word == "enabled") return true;
  if (word == "disabled") return false;
  return std::nullopt;
}

void fill_defaults(Kcc& config) {
  const auto period = [](std::optional<model::SimpleController>& controller) {
    if (controller && !controller->reconciler_period) controller->reconciler_period = kReconcilerPeriod;
  };
  if (!config.log_severity_screen) config.log_severity_screen = "Info";
  if (!config.health_checks) config.health_checks = true;
  if (!config.etcd_v3_compaction_period) config.etcd_v3_compaction_period = kCompactionPeriod;
  if (!config.prometheus_metrics_port) config.prometheus_metrics_port = kMetricsPort;
  period(config.policy);
  period(config.workload_endpoint);
  period(config.service_account);
  period(config.namespace_controller);
  if (!config.node) return;
  if (!config.node->reconciler_period) config.node->reconciler_period = kReconcilerPeriod;
  if (!config.node->leak_grace_period) config.node->leak_grace_period = kLeakGracePeriod;
  // Labels are read from the Node itself: there is nothing to copy.
  config.node->sync_labels = false;
  if (!config.node->host_endpoint) return;
  auto& endpoints = *config.node->host_endpoint;
  if (!endpoints.auto_create) endpoints.auto_create = false;
  if (!endpoints.create_default_host_endpoint) endpoints.create_default_host_endpoint = true;
}

// ENABLED_CONTROLLERS: those that are named and no others. False: a name is unknown, and nothing was changed.
bool choose_controllers(Kcc& config, const std::string& text) {
  Kcc chosen = config;
  chosen.node.reset();
  chosen.policy.reset();
  chosen.workload_endpoint.reset();
  chosen.service_account.reset();
  chosen.namespace_controller.reset();
  chosen.load_balancer_assign_ips.reset();
  const auto take = [](auto& to, const auto& from, auto otherwise) { to = from ? *from : std::move(otherwise); };
  std::istringstream names(lower(text));
  for (std::string name; std::getline(names, name, ',');) {
    std::erase_if(name, [](unsigned char c) { return std::isspace(c) != 0; });
    if (name == "node") take(chosen.node, config.node, model::NodeController{});
    else if (name == "policy") take(chosen.policy, config.policy, model::SimpleController{});
    else if (name == "namespace" || name == "profile")
      take(chosen.namespace_controller, config.namespace_controller, model::SimpleController{});
    else if (name == "serviceaccount") take(chosen.service_account, config.service_account, model::SimpleController{});
    else if (name == "workloadendpoint")
      take(chosen.workload_endpoint, config.workload_endpoint, model::SimpleController{});
    else if (name == "loadbalancer")
      take(chosen.load_balancer_assign_ips, config.load_balancer_assign_ips, std::string("AllServices"));
    else if (!name.empty()) return false;
  }
  config = std::move(chosen);
  return true;
}

bool set_periods(Kcc& config, const std::string& text) {
  const auto period = duration(text);
  if (!period) return false;
  if (config.node) config.node->reconciler_period = *period;
  for (auto* controller : {&config.policy, &config.workload_endpoint, &config.service_account, &config.namespace_controller})
    if (*controller) (*controller)->reconciler_period = *period;
  return true;
}

template <typename Value, typename Member>
bool set(const std::optional<Value>& value, Member& member) {
  if (value) member = *value;
  return value.has_value();
}

bool set_auto_create(Kcc& config, const std::string& text) {
  const auto value = enabled(text);
  if (!value) return false;
  if (!config.node) return true;  // the controller is off: nothing to enable
  if (!config.node->host_endpoint) config.node->host_endpoint.emplace();
  config.node->host_endpoint->auto_create = *value;
  return true;
}

struct Variable {
  std::string_view name;
  bool (*apply)(Kcc& config, const std::string& text);
  std::string_view wants;
};

// In this order: which controllers there are comes first.
constexpr Variable kVariables[] = {
    {"ENABLED_CONTROLLERS", choose_controllers,
     "names of controllers, separated by commas: node, policy, namespace, serviceaccount, workloadendpoint, loadbalancer"},
    {"LOG_LEVEL", [](Kcc& c, const std::string& text) { return set(log_level(text), c.log_severity_screen); },
     "None, Debug, Info, Warning, Error, Fatal or Panic"},
    {"RECONCILER_PERIOD", set_periods, "a duration as 5m0s"},
    {"COMPACTION_PERIOD", [](Kcc& c, const std::string& text) { return set(duration(text), c.etcd_v3_compaction_period); },
     "a duration as 10m0s"},
    {"HEALTH_ENABLED", [](Kcc& c, const std::string& text) { return set(truth(text), c.health_checks); }, "true or false"},
    {"SYNC_NODE_LABELS", [](Kcc&, const std::string& text) { return truth(text).has_value(); }, "true or false"},
    {"AUTO_HOST_ENDPOINTS", set_auto_create, "enabled or disabled"},
};

}  // namespace

Kcc running_config(const Kcc& config, const Environment& environment, std::vector<resolve::Condition>& conditions) {
  Kcc running = config;
  running.status_environment.clear();
  running.running_config.reset();
  for (const auto& variable : kVariables) {
    const auto given = environment.find(std::string(variable.name));
    if (given == environment.end() || given->second.empty() || variable.apply(running, given->second)) continue;
    conditions.push_back({.severity = resolve::Condition::Severity::error,
                          .object = {model::Kind::KubeControllersConfiguration, "default"},
                          .type = "EnvironmentInvalid",
                          .message = "the environment variable " + std::string(variable.name) + " is '" +
                                     printable(given->second) + "' and not used: it wants " +
                                     std::string(variable.wants) + "."});
  }
  fill_defaults(running);
  return running;
}

std::map<std::string, std::string> status_environment(const Environment& environment) {
  std::map<std::string, std::string> shown = {{"DATASTORE_TYPE", "directory"}};
  for (const auto& variable : kVariables) {
    const auto given = environment.find(std::string(variable.name));
    if (given != environment.end() && !given->second.empty()) shown.insert(*given);
  }
  return shown;
}

}  // namespace nodewall::controller
