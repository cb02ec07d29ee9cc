// What a bench run says: rows of (engine, scenario, size, value, unit), what they were measured on, and what was left out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nodewall::bench {

struct Row {
  std::string engine;        // "nodewall-xdp", "nft-set", ...; "nodewall" for what happens in user space
  std::string scenario;      // "acl", "set", ...
  std::string what;          // "denied", "established", "compile", ...: docs/benchmarks.md
  std::uint64_t size = 0;    // rules, or members of the set
  int family = 4;
  std::uint32_t frame_bytes = 0;  // 0 where no frame is meant
  double value = 0;          // median of the measurements
  std::string unit = {};     // "Mpps", "ns/packet", "ms", "bytes", "Gbit/s", "ratio"
  double least = 0;          // over the measurements
  double greatest = 0;
  std::size_t measurements = 0;
};

struct Report {
  std::vector<Row> rows;
  std::vector<std::string> notes;  // engines that were not there, what was cut short
  std::string command;
};

double median(std::vector<double> values);
// Fills value, least, greatest and measurements.
Row summarize(Row row, const std::vector<double>& values);

std::string to_json(const Report& report);
std::string to_table(const Report& report);
std::string to_html(const Report& report);      // html.cc: one page without outside parts
std::string machine_text();                     // one line

}  // namespace nodewall::bench
