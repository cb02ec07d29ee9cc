// The rows of a report as pictures: SVG text without outside parts. A colour and a dash mean the same engine in every chart.
#pragma once

#include <string>
#include <vector>

#include "report.h"

namespace nodewall::bench {

// Cost against the number of rules or members, a line an engine, for whatever was measured at several sizes.
std::vector<std::string> line_charts(const Report& report);
// What a packet costs over the empty program, by kind, for whatever was measured of several kinds in test runs.
std::vector<std::string> bar_charts(const Report& report);
// The charts one below the other, as one file.
std::string stacked(const std::vector<std::string>& charts);

}  // namespace nodewall::bench
