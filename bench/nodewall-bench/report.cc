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

Row row_of(std::string engine, std::string scenario, std::uint64_t size, std::string unit, const std::vector<double>& values) {
  Row row{.engine = std::move(engine), .scenario = std::move(scenario), .size = size, .unit = std::move(unit)};
  if (values.empty()) return row;
  row.value = median(values);
  row.least = *std::ranges::min_element(values);
  row.greatest = *std::ranges::max_element(values);
  return row;
}

std::string to_json(const std::vector<Row>& rows) {
  nlohmann::json out = {{"machine", machine()}, {"rows", nlohmann::json::array()}};
  for (const Row& row : rows)
    out["rows"].push_back({{"engine", row.engine},
                           {"scenario", row.scenario},
                           {"size", row.size},
                           {"value", row.value},
                           {"unit", row.unit},
                           {"min", row.least},
                           {"max", row.greatest}});
  return out.dump(2) + "\n";
}

std::string to_table(const std::vector<Row>& rows) {
  std::string out = fmt::format("{:<16} {:<22} {:>9} {:>12} {:>10} {:>10} {}\n", "ENGINE", "SCENARIO", "SIZE", "MEDIAN", "MIN", "MAX", "UNIT");
  for (const Row& row : rows)
    out += fmt::format("{:<16} {:<22} {:>9} {:>12.1f} {:>10.1f} {:>10.1f} {}\n", row.engine, row.scenario, row.size, row.value,
                       row.least, row.greatest, row.unit);
  return out;
}

}  // namespace nodewall::bench
