// What a bench run says: rows of (engine, scenario, size, value, unit), what they were measured on, and what was left out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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
  std::string unit = {};     // "Mpps", "ns/packet", "ms", "bytes", "MB", "Gbit/s", "ratio"
  double least = 0;          // over the measurements
  double greatest = 0;
  std::size_t measurements = 0;
};

// What must be reached, and what was.
struct Target {
  std::string name;          // "denied-share", ...
  std::string text;          // in words
  std::string unit;
  double must = 0;
  std::optional<double> aim = std::nullopt;
  bool at_most = true;       // else at least
  std::string engine = {}, scenario = {};  // where it was measured: of several, the one that is farthest from it
  std::uint64_t size = 0;
  int family = 4;
  std::optional<double> value = std::nullopt;  // nothing: not measured
  std::string why = {};      // not
  [[nodiscard]] bool reaches(double wanted) const { return value && (at_most ? *value <= wanted : *value >= wanted); }
};

struct Report {
  std::vector<Row> rows;
  std::vector<Target> targets;
  std::map<std::string, std::string> engines;  // what each was: programs and versions
  std::vector<std::string> notes;  // engines that were not there, what was cut short
  std::string command;
};

std::string verdict_of(const Target& target);  // "aim", "yes", "no", "?"

void note_once(Report& report, const std::string& note);
double median(std::vector<double> values);
// Fills value, least, greatest and measurements.
Row summarize(Row row, const std::vector<double>& values);

// Rows that follow from others: the slowest over the fastest of several sizes ("slowest/fastest"), and IPv6 over IPv4 ("of IPv4").
void add_derived(Report& report);

std::string to_json(const Report& report);
std::string to_table(const Report& report);
std::string to_html(const Report& report);      // html.cc: one page without outside parts
std::string machine_text();                     // one line

}  // namespace nodewall::bench
