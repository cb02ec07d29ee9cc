// What a bench run says: rows of (engine, scenario, size, value, unit) and where they were measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nodewall::bench {

struct Row {
  std::string engine;    // "nodewall-xdp", "nodewall-tc", "nodewall" (user space)
  std::string scenario;  // "own_cidr_and_port", "one_set"
  std::uint64_t size = 0;  // rules, or members of the set
  double value = 0;      // median of the batches
  std::string unit;      // "ns/packet", "ms", "bytes"
  double least = 0;      // over the batches
  double greatest = 0;
};

double median(std::vector<double> values);
Row row_of(std::string engine, std::string scenario, std::uint64_t size, std::string unit, const std::vector<double>& values);

std::string to_json(const std::vector<Row>& rows);
std::string to_table(const std::vector<Row>& rows);

}  // namespace nodewall::bench
