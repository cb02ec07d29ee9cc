// The report as one HTML page: targets, charts as inline SVG, every row. No script, nothing from outside.
#include <fmt/format.h>

#include <ctime>

#include "charts.h"
#include "report.h"

namespace nodewall::bench {
namespace {

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#1b1b1b;background:#fff}"
    "h1{font-size:1.6em;margin-bottom:.2em}h2{font-size:1.2em;margin-top:2em}svg{width:100%;height:auto;display:block;margin:1em 0}"
    "code{background:#f2f2f2;padding:.1em .3em;overflow-wrap:anywhere}table{border-collapse:collapse;font-size:13px;width:100%}"
    "td,th{padding:3px 8px;border-bottom:1px solid #dedede;text-align:left;vertical-align:top}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".aim,.yes{color:#005c2e;font-weight:600}.no{color:#a11a00;font-weight:600}summary{cursor:pointer;font-weight:600}dt{font-weight:600}dd{margin:0 0 .3em 1em}";

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

std::string targets(const Report& report) {
  if (report.targets.empty()) return "";
  std::string out = "<h2>Targets</h2>\n<table><thead><tr><th>what<th class='n'>value<th>unit<th class='n'>must<th class='n'>aim<th>met<th>where</tr></thead><tbody>\n";
  for (const auto& target : report.targets) {
    const auto bound = [&](double value) { return fmt::format("{} {:g}", target.at_most ? "&le;" : "&ge;", value); };
    const auto verdict = verdict_of(target);
    out += fmt::format("<tr><td>{}<td class='n'>{}<td>{}<td class='n'>{}<td class='n'>{}<td class='{}'>{}<td>{}</tr>\n", escaped(target.text),
                       target.value ? fmt::format("{:.3g}", *target.value) : "", escaped(target.unit), bound(target.must), target.aim ? bound(*target.aim) : "",
                       verdict, verdict,
                       target.value ? escaped(fmt::format("{} {} {} IPv{}", target.engine, target.scenario, target.size, target.family)) : escaped(target.why));
  }
  return out + "</tbody></table>\n";
}

std::string rows(const Report& report) {
  std::string out = "<table><thead><tr><th>engine<th>scenario<th>what<th class='n'>size<th class='n'>IP<th class='n'>median<th class='n'>min<th class='n'>max<th>unit<th class='n'>n</tr></thead><tbody>\n";
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
  std::string out = fmt::format("<!doctype html><html lang='en'><meta charset='utf-8'><title>nodewall-bench</title>\n<style>{}</style>\n", kStyle);
  out += fmt::format("<h1>nodewall-bench</h1>\n<p>{}<br>{} UTC<br><code>{}</code></p>\n", escaped(machine_text()), day, escaped(report.command));
  out += targets(report) + "<h2>Charts</h2>\n<p>Points are medians, the lines through them go from the least to the greatest measurement.</p>\n";
  for (const auto& chart : line_charts(report)) out += chart;
  for (const auto& chart : bar_charts(report)) out += chart;
  if (!report.engines.empty()) {
    out += "<h2>Engines</h2>\n<dl>\n";
    for (const auto& [engine, about] : report.engines) out += fmt::format("<dt>{}<dd>{}\n", escaped(engine), escaped(about));
    out += "</dl>\n";
  }
  if (!report.notes.empty()) out += "<h2>Notes</h2>\n<ul>\n";
  for (const auto& note : report.notes) out += fmt::format("<li>{}\n", escaped(note));
  if (!report.notes.empty()) out += "</ul>\n";
  return out + "<h2>Rows</h2>\n<details open><summary>All rows</summary>\n" + rows(report) + "</details></html>\n";
}

}  // namespace nodewall::bench
