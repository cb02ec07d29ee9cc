// How Go prints what calicoctl shows: numbers and tables.
#pragma once

#include <string>
#include <vector>

namespace nodewall::cli {

// As fmt.Print prints a float64: 1e+06, 100000, 0.5.
std::string go_float(double value);

// As text/tabwriter with minimum width 5 and padding 3 lays out cells that all end with a tab: every cell is padded, also the last.
// Cells are made printable.
std::string go_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace nodewall::cli
