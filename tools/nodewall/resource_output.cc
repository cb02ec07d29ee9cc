#include "resource_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "columns.h"
#include "config/encode.h"
#include "go_text.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

using nlohmann::json;
using Form = OutputFormat::Form;

constexpr std::string_view kCustom = "custom-columns=";

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::vector<std::string> split_columns(std::string_view text) {
  std::vector<std::string> columns;
  while (true) {
    const auto comma = text.find(',');
    std::string column(text.substr(0, comma));
    std::ranges::transform(column, column.begin(), upper);
    columns.push_back(std::move(column));
    if (comma == text.npos) return columns;
    text.remove_prefix(comma + 1);
  }
}

json object_json(const model::Resource& resource, bool exported) {
  auto value = config::encode(resource);
  if (exported) {
    value["metadata"].erase("uid");
    value["metadata"].erase("resourceVersion");
    value["metadata"]["creationTimestamp"] = nullptr;
  }
  return value;
}

json found_json(const Found& found, bool exported) {
  if (!found.is_list) return object_json(found.resources.front(), exported);
  json items = json::array();
  for (const auto& resource : found.resources) items.push_back(object_json(resource, exported));
  return {{"apiVersion", model::api_version(found.kind)},
          {"kind", std::string(name(found.kind)) + "List"},
          {"metadata", json::object()},
          {"items", std::move(items)}};
}

json all_json(const std::vector<Found>& found, bool exported) {
  if (found.size() == 1) return found_json(found.front(), exported);
  json all = json::array();
  for (const auto& one : found) all.push_back(found_json(one, exported));
  return all;
}

Status check_columns(model::Kind kind, const std::vector<std::string>& columns) {
  const auto known = known_columns(kind);
  for (const auto& column : columns) {
    if (std::ranges::find(known, column) != known.end()) continue;
    return fail(Errc::config, fmt::format("unknown column '{}': {} has {}", column, name(kind),
                                          fmt::join(known, ", ")));
  }
  return {};
}

Result<std::string> table(const Found& found, const OutputFormat& format) {
  if (auto known = check_columns(found.kind, format.columns); !known) return fail(known.error());
  const auto columns =
      format.columns.empty() ? default_columns(found.kind, format.wide) : format.columns;
  std::vector<std::vector<std::string>> rows = {columns};
  for (const auto& resource : found.resources) {
    auto& row = rows.emplace_back();
    for (const auto& column : columns) row.push_back(cell(resource, column));
  }
  return go_table(rows) + "\n";
}

}  // namespace

Result<OutputFormat> parse_output(const std::string& text) {
  OutputFormat format;
  if (text.empty() || text == "ps") return format;
  if (text == "wide") {
    format.wide = true;
  } else if (text == "yaml" || text == "yml") {
    format.form = Form::yaml;
  } else if (text == "json") {
    format.form = Form::json;
  } else if (text.starts_with(kCustom) && text.size() > kCustom.size()) {
    format.columns = split_columns(std::string_view(text).substr(kCustom.size()));
  } else {
    return fail(Errc::config, fmt::format("output format '{}' is not known: ps, wide, yaml, json or "
                                          "custom-columns=A,B", text));
  }
  return format;
}

Result<std::string> show(const std::vector<Found>& found, const OutputFormat& format, bool exported) {
  if (found.empty()) return std::string();
  if (format.form == Form::yaml) return config::to_yaml(all_json(found, exported));
  if (format.form == Form::json) return json_text(all_json(found, exported), 2);
  std::string text;
  for (const auto& one : found) {
    auto part = table(one, format);
    if (!part) return fail(part.error());
    text += *part;
  }
  return text;
}

}  // namespace nodewall::cli
