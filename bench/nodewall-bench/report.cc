#include "report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>
#include <thread>
#include <tuple>

namespace nodewall::bench {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != line.npos) return line.substr(line.find(": ") + 2);
  return "unknown";
}

nlohmann::json machine() {
  utsname name{};
  uname(&name);
  return {{"kernel", name.release},
          {"cpu", cpu_model()},
          {"cores", std::thread::hardware_concurrency()},
          {"compiler", __VERSION__},
          {"version", NODEWALL_VERSION}};
}

nlohmann::json targets_json(const Report& report) {
  auto out = nlohmann::json::array();
  for (const Target& target : report.targets) {
    nlohmann::json one = {{"target", target.name}, {"text", target.text}, {"unit", target.unit}, {"must", target.must}, {"bound", target.at_most ? "at most" : "at least"}};
    if (target.aim) one["aim"] = *target.aim;
    if (!target.value) {
      one["value"] = nullptr;
      one["met"] = nullptr;
      one["why"] = target.why;
    } else {
      one.update({{"value", *target.value}, {"met", target.reaches(target.must)}, {"engine", target.engine}, {"scenario", target.scenario},
                  {"size", target.size}, {"family", target.family}});
      if (target.aim) one["aim_met"] = target.reaches(*target.aim);
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::string targets_table(const Report& report) {
  std::string out = fmt::format("{:<72} {:>10} {:>12} {:>12} {:<4} {}\n", "TARGET", "VALUE", "MUST", "AIM", "MET", "WHERE");
  for (const Target& target : report.targets) {
    const auto bound = [&](double value) { return fmt::format("{} {:g}", target.at_most ? "<=" : ">=", value); };
    out += fmt::format("{:<72} {:>10} {:>12} {:>12} {:<4} {}\n", target.text + ", " + target.unit, target.value ? fmt::format("{:.3g}", *target.value) : "-",
                       bound(target.must), target.aim ? bound(*target.aim) : "", verdict_of(target),
                       target.value ? fmt::format("{} {} {} IPv{}", target.engine, target.scenario, target.size, target.family) : target.why);
  }
  return out;
}

}  // namespace

std::string verdict_of(const Target& target) {
  if (!target.value) return "?";
  return target.aim && target.reaches(*target.aim) ? "aim" : target.reaches(target.must) ? "yes" : "no";
}

void note_once(Report& report, const std::string& note) {
  if (std::ranges::find(report.notes, note) == report.notes.end()) report.notes.push_back(note);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Row summarize(Row row, const std::vector<double>& values) {
  if (values.empty()) return row;
  row.value = median(values);
  row.least = *std::ranges::min_element(values);
  row.greatest = *std::ranges::max_element(values);
  row.measurements = values.size();
  return row;
}

void add_derived(Report& report) {
  // By packet cost: of one engine, scenario and kind of packet, on the wire and in test runs.
  std::map<std::tuple<std::string, std::string, std::string, int, std::uint32_t>, std::map<std::uint64_t, double>> by_size;
  std::vector<Row> derived;
  for (const Row& row : report.rows) {
    if (row.unit != "ns/packet") continue;
    by_size[{row.engine, row.scenario, row.what, row.family, row.frame_bytes}][row.size] = row.value;
    if (row.family != 6) continue;
    for (const Row& v4 : report.rows)
      if (v4.family == 4 && v4.unit == row.unit && v4.engine == row.engine && v4.scenario == row.scenario && v4.what == row.what && v4.size == row.size &&
          (v4.frame_bytes == 0) == (row.frame_bytes == 0)) {
        Row share{.engine = row.engine, .scenario = row.scenario, .what = row.what, .size = row.size, .family = 6, .frame_bytes = row.frame_bytes, .unit = "of IPv4"};
        derived.push_back(summarize(share, {v4.value / row.value}));
        break;
      }
  }
  for (const auto& [key, costs] : by_size) {
    if (costs.size() < 2) continue;
    const auto& [engine, scenario, what, family, frame_bytes] = key;
    const auto [least, greatest] = std::ranges::minmax(costs | std::views::values);
    Row flat{.engine = engine, .scenario = scenario, .what = what, .size = costs.rbegin()->first, .family = family,
             .frame_bytes = frame_bytes, .unit = "slowest/fastest"};
    derived.push_back(summarize(flat, {least / greatest}));
  }
  report.rows.insert(report.rows.end(), derived.begin(), derived.end());
}

std::string machine_text() {
  const auto facts = machine();
  return fmt::format("{}, {} cores, Linux {}, nodewall {}", facts["cpu"].get<std::string>(), facts["cores"].get<unsigned>(),
                     facts["kernel"].get<std::string>(), facts["version"].get<std::string>());
}

std::string to_json(const Report& report) {
  nlohmann::json out = {{"machine", machine()}, {"command", report.command}, {"engines", report.engines}, {"rows", nlohmann::json::array()}, {"notes", report.notes}};
  for (const Row& row : report.rows) {
    nlohmann::json one = {{"engine", row.engine}, {"scenario", row.scenario}, {"what", row.what},
                          {"size", row.size},     {"family", row.family},     {"value", row.value},
                          {"unit", row.unit},     {"min", row.least},         {"max", row.greatest},
                          {"measurements", row.measurements}};
    if (row.frame_bytes != 0) one["frame_bytes"] = row.frame_bytes;
    out["rows"].push_back(std::move(one));
  }
  if (!report.targets.empty()) out["targets"] = targets_json(report);
  return out.dump(2) + "\n";
}

std::string to_table(const Report& report) {
  std::string out = fmt::format("{:<13} {:<9} {:<12} {:>8} {:>2} {:>12} {:>12} {:>12} {}\n", "ENGINE", "SCENARIO", "WHAT", "SIZE", "IP", "MEDIAN",
                                "MIN", "MAX", "UNIT");
  for (const Row& row : report.rows)
    out += fmt::format("{:<13} {:<9} {:<12} {:>8} {:>2} {:>12.2f} {:>12.2f} {:>12.2f} {}\n", row.engine, row.scenario, row.what, row.size,
                       row.family, row.value, row.least, row.greatest, row.unit);
  for (const auto& note : report.notes) out += "note: " + note + "\n";
  return report.targets.empty() ? out : out + "\n" + targets_table(report);
}

}  // namespace nodewall::bench
