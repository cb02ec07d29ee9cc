// The report as one HTML page: charts drawn as inline SVG, no script, nothing from outside.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>

#include "report.h"

namespace nodewall::bench {
namespace {

constexpr double kWidth = 760, kHeight = 360, kLeft = 70, kRight = 150, kTop = 20, kBottom = 50;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

// Ours in one hue, ceilings in grey, peers in warm colours: a colour means the same engine in every chart.
const char* colour(const std::string& engine) {
  static const std::map<std::string, const char*> kColours = {
      {"nodewall-xdp", "#0b5fa5"}, {"nodewall-tcx", "#4aa3df"}, {"nodewall", "#0b5fa5"}, {"empty-xdp", "#777777"}, {"empty-tc", "#aaaaaa"},
      {"nft-list", "#c0392b"},     {"nft-set", "#e67e22"},      {"nft-concat", "#d4a017"}, {"iptables", "#8e44ad"}, {"ipset", "#b565a7"},
      {"bpfilter", "#27865a"},     {"none", "#777777"}};
  const auto found = kColours.find(engine);
  return found == kColours.end() ? "#333333" : found->second;
}

struct Chart {
  std::string title, unit;
  std::map<std::string, std::map<std::uint64_t, double>> lines;  // engine -> size -> value
};

std::vector<Chart> charts(const Report& report) {
  std::map<std::string, Chart> by_title;
  for (const auto& row : report.rows) {
    if (row.unit != "ns/packet" && row.unit != "ms" && row.unit != "bytes") continue;
    const auto title = fmt::format("{}, {}, IPv{}", row.scenario, row.what, row.family);
    auto& chart = by_title[title + row.unit];
    chart.title = title;
    chart.unit = row.unit;
    chart.lines[row.engine][row.size] = row.value;
  }
  std::vector<Chart> result;
  for (auto& [key, chart] : by_title) result.push_back(std::move(chart));
  return result;
}

struct Scale {
  double low = 0, high = 1;  // decimal logarithms
  [[nodiscard]] double of(double value) const { return high > low ? (std::log10(value) - low) / (high - low) : 0.5; }
};

Scale scale_of(const std::vector<double>& values) {
  const auto [least, greatest] = std::ranges::minmax(values);
  return {std::floor(std::log10(std::max(least, 1e-3))), std::max(std::ceil(std::log10(std::max(greatest, 1e-3))), std::floor(std::log10(std::max(least, 1e-3))) + 1)};
}

std::string short_number(double value) {
  if (value >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:g} k", value / 1e3);
  return fmt::format("{:g}", value);
}

double x_of(const Scale& scale, double value) { return kLeft + scale.of(value) * (kWidth - kLeft - kRight); }
double y_of(const Scale& scale, double value) { return kHeight - kBottom - scale.of(value) * (kHeight - kTop - kBottom); }

std::string axes(const Scale& x, const Scale& y, const std::string& unit) {
  std::string out;
  for (double power = y.low; power <= y.high; ++power) {
    const double at = y_of(y, std::pow(10, power));
    out += fmt::format("<line x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}' stroke='#e3e3e3'/><text x='{}' y='{:.1f}' text-anchor='end'>{}</text>\n", kLeft,
                       kWidth - kRight, at, at, kLeft - 8, at + 4, short_number(std::pow(10, power)));
  }
  for (double power = x.low; power <= x.high; ++power) {
    const double at = x_of(x, std::pow(10, power));
    out += fmt::format("<text x='{:.1f}' y='{}' text-anchor='middle'>{}</text>\n", at, kHeight - kBottom + 20, short_number(std::pow(10, power)));
  }
  out += fmt::format("<text x='{}' y='{}' text-anchor='middle'>rules, or members of the set</text>\n", (kLeft + kWidth - kRight) / 2, kHeight - 8);
  out += fmt::format("<text x='14' y='{}' transform='rotate(-90 14 {})' text-anchor='middle'>{}</text>\n", kHeight / 2, kHeight / 2, escaped(unit));
  return out;
}

std::string draw(const Chart& chart) {
  std::vector<double> sizes, values;
  for (const auto& [engine, line] : chart.lines)
    for (const auto& [size, value] : line) {
      sizes.push_back(static_cast<double>(size));
      values.push_back(value);
    }
  const Scale x = scale_of(sizes), y = scale_of(values);
  std::string out = fmt::format("<figure><figcaption>{}: {} (both axes logarithmic, lower is better)</figcaption><svg viewBox='0 0 {} {}'>\n{}",
                                escaped(chart.title), escaped(chart.unit), kWidth, kHeight, axes(x, y, chart.unit));
  std::vector<std::pair<double, std::string>> labels;
  for (const auto& [engine, line] : chart.lines) {
    std::string points;
    for (const auto& [size, value] : line) points += fmt::format("{:.1f},{:.1f} ", x_of(x, static_cast<double>(size)), y_of(y, value));
    out += fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='2.5'/>\n", points, colour(engine));
    for (const auto& [size, value] : line)
      out += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3.5' fill='{}'><title>{} at {}: {:.1f} {}</title></circle>\n",
                         x_of(x, static_cast<double>(size)), y_of(y, value), colour(engine), escaped(engine), size, value, escaped(chart.unit));
    labels.emplace_back(y_of(y, line.rbegin()->second), engine);
  }
  std::ranges::sort(labels);
  double last = 0;
  for (auto& [at, engine] : labels) {
    last = std::max(at + 4, last + 14);  // labels that would cover each other move down
    out += fmt::format("<text x='{}' y='{:.1f}' style='fill:{};font-weight:600'>{}</text>\n", kWidth - kRight + 10, last, colour(engine), escaped(engine));
  }
  return out + "</svg></figure>\n";
}

std::string table(const Report& report) {
  std::string out = "<table><thead><tr><th>engine<th>scenario<th>what<th>size<th>IP<th>median<th>min<th>max<th>unit<th>n</tr></thead><tbody>\n";
  for (const auto& row : report.rows)
    out += fmt::format("<tr><td>{}<td>{}<td>{}<td class='n'>{}<td class='n'>{}<td class='n'>{:.2f}<td class='n'>{:.2f}<td class='n'>{:.2f}<td>{}<td class='n'>{}</tr>\n",
                       escaped(row.engine), escaped(row.scenario), escaped(row.what), row.size, row.family, row.value, row.least, row.greatest,
                       escaped(row.unit), row.measurements);
  return out + "</tbody></table>\n";
}

}  // namespace

std::string to_html(const Report& report) {
  char day[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(day, sizeof(day), "%Y-%m-%d %H:%M", std::gmtime(&now));
  std::string out =
      "<!doctype html><html lang='en'><meta charset='utf-8'><title>nodewall-bench</title>\n<style>"
      "body{font:15px/1.5 system-ui,sans-serif;max-width:860px;margin:2em auto;padding:0 1em;color:#222}svg{width:100%;height:auto}"
      "svg text{font:12px system-ui,sans-serif;fill:#444}figure{margin:2em 0}figcaption{font-weight:600}table{border-collapse:collapse;font-size:13px}"
      "td,th{padding:2px 10px;border-bottom:1px solid #e3e3e3;text-align:left}.n{text-align:right;font-variant-numeric:tabular-nums}</style>\n";
  out += fmt::format("<h1>nodewall-bench</h1>\n<p>{}<br>{} UTC<br><code>{}</code></p>\n", escaped(machine_text()), day, escaped(report.command));
  for (const auto& note : report.notes) out += fmt::format("<p>Note: {}</p>\n", escaped(note));
  for (const auto& chart : charts(report)) out += draw(chart);
  return out + "<h2>All rows</h2>\n" + table(report) + "</html>\n";
}

}  // namespace nodewall::bench
