#include "charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace nodewall::bench {
namespace {

constexpr double kWidth = 860, kHeight = 400, kLeft = 76, kRight = 150, kTop = 52, kBottom = 56;
constexpr double kLabelHeight = 17, kBarHeight = 15;
constexpr const char* kFont = "font-family='system-ui,Segoe UI,Helvetica,Arial,sans-serif'";
constexpr const char* kInk = "#1b1b1b";

struct Look {
  const char* engine;
  const char* colour;
  const char* dash;
};
// Ours in blue, ceilings in grey and dashed, peers in other hues; told apart also by those who see few colours.
constexpr Look kLooks[] = {{"nodewall-xdp", "#0059a8", ""}, {"nodewall-tcx", "#3fa0e0", ""},   {"nodewall", "#0059a8", ""},  {"empty-xdp", "#5c5c5c", "6 4"}, {"read-xdp", "#5c5c5c", "2 3"},
                           {"empty-tc", "#9a9a9a", "6 4"},  {"nft-list", "#d1480b", ""},       {"nft-set", "#e69f00", ""},   {"nft-concat", "#a87900", "2 3"},
                           {"iptables", "#b0307c", ""},     {"ipset", "#7a4fa3", ""},          {"bpfilter", "#00805c", ""},  {"xdp-list", "#5a9e1b", "2 3"}, {"xdp-trie", "#5a9e1b", ""},   {"none", "#5c5c5c", "6 4"}};

const Look& look_of(const std::string& engine) {
  static constexpr Look kOther{"", "#1b1b1b", "1 3"};
  const auto found = std::ranges::find_if(kLooks, [&](const Look& look) { return engine == look.engine; });
  return found == std::end(kLooks) ? kOther : *found;
}

struct Point {
  double size = 0, value = 0, least = 0, greatest = 0;
};

struct Chart {
  std::string title, unit, axis;
  std::map<std::string, std::vector<Point>> lines;  // by engine
};

std::string text(double x, double y, const std::string& words, const char* anchor = "start", const char* style = "") {
  return fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='{}' fill='{}' {}>{}</text>\n", x, y, anchor, kInk, style, words);
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return fmt::format("<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' {}/>\n", x1, y1, x2, y2, style);
}

std::string framed(double height, const std::string& title, const std::string& body) {
  return fmt::format("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {0} {1:.0f}' width='{0}' height='{1:.0f}' {2} font-size='13'>\n"
                     "<rect width='{0}' height='{1:.0f}' fill='#ffffff'/>\n{3}{4}</svg>\n",
                     kWidth, height, kFont, text(kLeft, 24, title, "start", "font-size='16' font-weight='600'"), body);
}

std::string short_number(double value) {
  if (value >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:g} k", value / 1e3);
  return fmt::format("{:g}", value);
}

// A logarithmic axis from 1, 2 or 5 below the least to the same above the greatest.
struct Axis {
  double low = 1, high = 10, from = 0, to = 0;  // values, and where they are in the picture
  std::vector<double> ticks;
  [[nodiscard]] double at(double value) const {
    return from + (std::log10(std::clamp(value, low, high)) - std::log10(low)) / (std::log10(high) - std::log10(low)) * (to - from);
  }
};

Axis axis_of(double least, double greatest, double from, double to) {
  Axis axis{.from = from, .to = to, .ticks = {}};
  std::vector<double> steps;
  for (double power = -3; power < 12; ++power)
    for (const double step : {1.0, 2.0, 5.0}) steps.push_back(step * std::pow(10, power));
  for (const double step : steps)
    if (step <= least * 1.001) axis.low = step;
  axis.high = *std::ranges::find_if(steps, [&](double step) { return step >= greatest * 0.999 && step > axis.low; });
  const bool sparse = axis.high / axis.low > 2e3;
  for (const double step : steps)
    if (step >= axis.low * 0.999 && step <= axis.high * 1.001 && (!sparse || std::abs(std::remainder(std::log10(step), 1)) < 1e-6)) axis.ticks.push_back(step);
  return axis;
}

std::string grid(const Chart& chart, const Axis& x, const Axis& y) {
  std::string out;
  for (const double tick : y.ticks) {
    out += line(kLeft, y.at(tick), kWidth - kRight, y.at(tick), "stroke='#dedede'");
    out += text(kLeft - 8, y.at(tick) + 4.5, short_number(tick), "end");
  }
  for (double size = 1; size <= x.high * 1.001; size *= 10) {
    if (size < x.low * 0.999) continue;
    out += line(x.at(size), kHeight - kBottom, x.at(size), kHeight - kBottom + 5, "stroke='#7a7a7a'");
    out += text(x.at(size), kHeight - kBottom + 20, short_number(size), "middle");
  }
  out += line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "stroke='#7a7a7a'");
  out += text((kLeft + kWidth - kRight) / 2, kHeight - 12, chart.axis, "middle");
  out += text(kLeft, kTop - 8, chart.unit + ", lower is better; both axes logarithmic", "start", "font-size='12'");
  return out;
}

struct Label {
  double at = 0, wanted = 0, end = 0;  // height of the text, height and x of the line's last point
  std::string engine;
};

// Labels keep their order and a line's height between them.
void spread(std::vector<Label>& labels) {
  std::ranges::sort(labels, {}, &Label::wanted);
  double last = kTop - kLabelHeight;
  for (auto& label : labels) last = label.at = std::max(label.wanted, last + kLabelHeight);
  double next = kHeight - kBottom + kLabelHeight;
  for (auto label = labels.rbegin(); label != labels.rend(); ++label) next = label->at = std::min(label->at, next - kLabelHeight);
}

std::string draw(const Chart& chart) {
  double least = 1e18, greatest = 0, smallest = 1e18, largest = 0;
  for (const auto& [engine, points] : chart.lines)
    for (const auto& point : points) {
      least = std::min(least, point.value);
      greatest = std::max(greatest, point.value);
      smallest = std::min(smallest, point.size);
      largest = std::max(largest, point.size);
    }
  Axis x = axis_of(smallest, largest, kLeft + 14, kWidth - kRight - 14);
  x.low = smallest;
  x.high = largest;
  const Axis y = axis_of(least, greatest, kHeight - kBottom, kTop + 6);
  std::string out = grid(chart, x, y);
  std::vector<Label> labels;
  for (const auto& [engine, points] : chart.lines) {
    const auto& look = look_of(engine);
    std::string path;
    for (const auto& point : points) path += fmt::format("{:.1f},{:.1f} ", x.at(point.size), y.at(point.value));
    out += fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='{}' stroke-dasharray='{}'/>\n", path, look.colour,
                       engine.starts_with("nodewall") ? 3.5 : 2, look.dash);
    for (const auto& point : points) {
      out += line(x.at(point.size), y.at(point.least), x.at(point.size), y.at(point.greatest), fmt::format("stroke='{}' stroke-width='1.5'", look.colour).c_str());
      out += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='4' fill='{}'><title>{} at {:.0f}: {:.1f} {} ({:.1f} to {:.1f})</title></circle>\n", x.at(point.size),
                         y.at(point.value), look.colour, engine, point.size, point.value, chart.unit, point.least, point.greatest);
    }
    labels.push_back({.at = 0, .wanted = y.at(points.back().value), .end = x.at(points.back().size), .engine = engine});
  }
  spread(labels);
  for (const auto& label : labels) {
    const auto& look = look_of(label.engine);
    const double at = kWidth - kRight + 8;
    out += line(label.end + 5, label.wanted, at, label.at, fmt::format("stroke='{}' stroke-width='0.8' stroke-dasharray='1 3'", look.colour).c_str());
    out += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='5' fill='{}'/>\n", at + 6, label.at, look.colour);
    out += text(at + 16, label.at + 4.5, label.engine, "start", label.engine.starts_with("nodewall") ? "font-weight='700'" : "");
  }
  return framed(kHeight, chart.title, out);
}

std::string title_of(const Row& row) {
  static const std::map<std::string, std::string> kWords = {{"denied", "a denied packet"},   {"established", "a packet of an established flow"}, {"new", "a new allowed flow"},
                                                            {"mixed", "denied and established in turn"}, {"compile", "compile"}, {"write", "make it live"}, {"edit", "one rule edited"},
                                                            {"member", "one member added"}, {"image", "the policy image"}};
  const auto words = kWords.find(row.what);
  return fmt::format("{}, IPv{}: {}{}", row.scenario, row.family, words == kWords.end() ? row.what : words->second,
                     row.unit == "ns/packet" && row.frame_bytes == 0 ? " (test run)" : "");
}

}  // namespace

std::vector<std::string> line_charts(const Report& report) {
  std::map<std::tuple<bool, std::string, int, std::string, std::string>, Chart> charts;
  for (const auto& row : report.rows) {
    if (row.unit != "ns/packet" && row.unit != "ms" && row.unit != "bytes") continue;
    auto& chart = charts[{row.frame_bytes == 0, row.unit, row.family, row.scenario, row.what}];
    chart.title = title_of(row);
    chart.unit = row.unit == "ns/packet" ? "nanoseconds a packet" : row.unit;
    chart.axis = row.scenario == "set" ? "members of the set" : "rules";
    chart.lines[row.engine].push_back({static_cast<double>(row.size), row.value, row.least, row.greatest});
  }
  std::vector<std::string> result;
  for (auto& [key, chart] : charts) {
    std::size_t sizes = 0;
    for (auto& [engine, points] : chart.lines) {
      std::ranges::sort(points, {}, &Point::size);
      sizes = std::max(sizes, points.size());
    }
    if (sizes > 1) result.push_back(draw(chart));
  }
  return result;
}

std::vector<std::string> bar_charts(const Report& report) {
  struct Bars {
    std::vector<std::string> kinds;
    std::map<std::string, std::map<std::string, Row>> rows;  // kind, engine
  };
  std::map<std::tuple<std::string, std::uint64_t, int>, Bars> charts;
  for (const auto& row : report.rows) {
    if (!row.unit.starts_with("ns over ") || row.frame_bytes != 0) continue;
    auto& bars = charts[{row.scenario, row.size, row.family}];
    if (!bars.rows.contains(row.what)) bars.kinds.push_back(row.what);
    bars.rows[row.what][row.engine] = row;
  }
  std::vector<std::string> result;
  for (const auto& [key, bars] : charts) {
    if (bars.kinds.size() < 2) continue;
    double most = 1;
    for (const auto& [kind, engines] : bars.rows)
      for (const auto& [engine, row] : engines) most = std::max(most, row.value);
    const double left = 150, scale = (kWidth - left - 190) / most;
    double y = kTop + 8;
    std::string out = text(left, kTop - 8, "nanoseconds over the empty program of the hook, test run", "start", "font-size='12'");
    for (const auto& kind : bars.kinds) {
      const auto& engines = bars.rows.at(kind);
      out += text(left - 10, y + static_cast<double>(engines.size()) * kBarHeight / 2 + 4, kind, "end");
      for (const auto& [engine, row] : engines) {
        const double width = std::max(1.0, row.value * scale);
        out += fmt::format("<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{:.1f}' fill='{}'/>\n", left, y, width, kBarHeight - 2, look_of(engine).colour);
        out += text(left + width + 6, y + kBarHeight - 4, fmt::format("{:.0f}  {}", row.value, engine), "start", "font-size='12'");
        y += kBarHeight;
      }
      y += 8;
    }
    const auto& [scenario, size, family] = key;
    result.push_back(framed(y + 8, fmt::format("{} of {}, IPv{}: by kind of packet", scenario, size, family), out));
  }
  return result;
}

std::string stacked(const std::vector<std::string>& charts) {
  std::string body;
  double y = 0;
  for (const auto& chart : charts) {
    double height = kHeight;
    if (const auto at = chart.find("height='"); at != chart.npos) height = std::strtod(chart.c_str() + at + 8, nullptr);
    body += fmt::format("<g transform='translate(0 {:.0f})'>\n{}</g>\n", y, chart);
    y += height + 8;
  }
  return fmt::format("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {0} {1:.0f}' width='{0}' height='{1:.0f}'>\n{2}</svg>\n", kWidth, std::max(y, 1.0), body);
}

}  // namespace nodewall::bench
