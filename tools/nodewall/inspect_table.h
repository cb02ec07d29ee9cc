// Columns as wide as their widest cell, two blanks between, no blanks at the end. Cells are made printable.
#pragma once

#include <string>
#include <vector>

namespace nodewall::cli {

using TableRow = std::vector<std::string>;
std::string text_table(const TableRow& heading, const std::vector<TableRow>& rows);

}  // namespace nodewall::cli
