#include "report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

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

}  // namespace

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

std::string machine_text() {
  const auto facts = machine();
  return fmt::format("{}, {} cores, Linux {}, nodewall {}", facts["cpu"].get<std::string>(), facts["cores"].get<unsigned>(),
                     facts["kernel"].get<std::string>(), facts["version"].get<std::string>());
}

std::string to_json(const Report& report) {
  nlohmann::json out = {{"machine", machine()}, {"command", report.command}, {"rows", nlohmann::json::array()}, {"notes", report.notes}};
  for (const Row& row : report.rows) {
    nlohmann::json one = {{"engine", row.engine}, {"scenario", row.scenario}, {"what", row.what},
                          {"size", row.size},     {"family", row.family},     {"value", row.value},
                          {"unit", row.unit},     {"min", row.least},         {"max", row.greatest},
                          {"measurements", row.measurements}};
    if (row.frame_bytes != 0) one["frame_bytes"] = row.frame_bytes;
    out["rows"].push_back(std::move(one));
  }
  return out.dump(2) + "\n";
}

std::string to_table(const Report& report) {
  std::string out = fmt::format("{:<13} {:<9} {:<12} {:>8} {:>2} {:>12} {:>12} {:>12} {}\n", "ENGINE", "SCENARIO", "WHAT", "SIZE", "IP", "MEDIAN",
                                "MIN", "MAX", "UNIT");
  for (const Row& row : report.rows)
    out += fmt::format("{:<13} {:<9} {:<12} {:>8} {:>2} {:>12.2f} {:>12.2f} {:>12.2f} {}\n", row.engine, row.scenario, row.what, row.size,
                       row.family, row.value, row.least, row.greatest, row.unit);
  for (const auto& note : report.notes) out += "note: " + note + "\n";
  return out;
}

}  // namespace nodewall::bench
