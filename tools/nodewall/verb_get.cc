// get KIND [NAME...], get -f FILE.
#include <algorithm>
#include <limits>

#include "arguments.h"
#include "input.h"
#include "kinds.h"
#include "outcome.h"
#include "resource_output.h"
#include "session.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

constexpr const char* kHint = "nodewall get --help";

double tier_order(const model::Resource& resource) {
  return std::get<model::Tier>(resource.spec).order.value_or(std::numeric_limits<double>::infinity());
}

Found all_of(model::Kind kind, const model::ResourceSet& resources) {
  Found found{.kind = kind, .is_list = true, .resources = {}};
  for (const auto& [id, resource] : resources)
    if (id.kind == kind) found.resources.push_back(resource);
  if (kind == model::Kind::Tier) std::ranges::stable_sort(found.resources, {}, tier_order);
  return found;
}

struct Wanted {
  std::optional<model::Kind> all;  // every object of this kind
  std::vector<model::ResourceId> ids;
};

int show_wanted(const Arguments& arguments, const Wanted& wanted, const OutputFormat& format) {
  const auto session = Session::open(arguments);
  if (!session) return report(session.error());
  std::vector<Found> found;
  std::vector<Error> errors;
  if (wanted.all) found.push_back(all_of(*wanted.all, session->resources()));
  for (const auto& id : wanted.ids) {
    if (auto resource = session->find(id)) {
      found.push_back({.kind = id.kind, .is_list = false, .resources = {std::move(*resource)}});
    } else {
      errors.push_back(resource.error());
    }
  }
  const auto text = show(found, format, arguments.export_objects && !wanted.all);
  if (!text) return usage(text.error().message(), kHint);
  print(*text);
  for (const auto& error : errors) report(error);
  return errors.empty() ? 0 : exit_code(errors.front().code);
}

}  // namespace

void declare_get(CLI::App& app, Arguments& arguments) {
  app.add_option("KIND", arguments.kind, "Kind of the resources");
  app.add_option("NAME", arguments.names, "Names; all of the kind when left out");
  app.add_option("-o,--output", arguments.output, "ps (default), wide, yaml, json, custom-columns=A,B");
  app.add_flag("--export", arguments.export_objects, "With a NAME: without uid, resourceVersion and times");
  app.add_flag("-A,--all-namespaces", arguments.all_namespaces, "Accepted; no kind here has a namespace");
  declare_files(app, arguments);
  declare_compatible(app, arguments);
}

int run_get(const Arguments& arguments) {
  // "-o=wide" is "-o" with the value "=wide" for the parser.
  const auto format = parse_output(arguments.output.substr(arguments.output.starts_with('=') ? 1 : 0));
  if (!format) return usage(format.error().message(), kHint);
  const bool by_name = !arguments.kind.empty();
  if (by_name == !arguments.files.empty()) return usage("get wants KIND [NAME...], or -f FILE", kHint);
  Wanted wanted;
  if (by_name) {
    const auto kind = kind_argument(arguments.kind);
    if (!kind) return 2;
    for (const auto& name : arguments.names) wanted.ids.push_back({*kind, name});
    if (wanted.ids.empty()) wanted.all = kind;
    if (wanted.all && arguments.export_objects) warn("--export has no effect without a NAME");
  } else {
    const auto input = read_input(arguments);
    if (!input) return report(input.error());
    if (!input->ok()) return tell_faults("get", *input);
    for (const auto& decoded : input->resources) wanted.ids.push_back(decoded.resource.id());
  }
  return show_wanted(arguments, wanted, *format);
}

}  // namespace nodewall::cli
