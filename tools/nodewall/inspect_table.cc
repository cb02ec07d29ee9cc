#include "inspect_table.h"

#include <algorithm>

#include "base/printable.h"

namespace nodewall::cli {

std::string text_table(const TableRow& heading, const std::vector<TableRow>& rows) {
  std::vector<TableRow> all = {heading};
  for (const auto& row : rows) {
    auto& cells = all.emplace_back();
    for (const auto& cell : row) cells.push_back(cell.empty() ? "-" : printable(cell));
  }
  std::vector<std::size_t> widths(heading.size());
  for (const auto& row : all) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : all) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace nodewall::cli
