// delete KIND NAME..., delete -f FILE.
#include <set>

#include "arguments.h"
#include "hints.h"
#include "input.h"
#include "kinds.h"
#include "outcome.h"
#include "session.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

int delete_all(const Arguments& arguments, const std::vector<model::ResourceId>& ids) {
  auto session = Session::open(arguments);
  if (!session) return report(session.error());
  const auto before = session->resources();
  Outcome outcome("delete", "deleted");
  for (const auto& id : ids) outcome.expect(id);
  for (const auto& id : ids) {
    auto done = session->remove(id);
    if (!done && arguments.skip_not_exists && done.error().code == Errc::not_found) done = {};
    outcome.note(done);
  }
  const int code = outcome.tell();
  for (const auto& hint : hints(before, session->resources(), {})) warn(hint);
  return code;
}

}  // namespace

void declare_delete(CLI::App& app, Arguments& arguments) {
  app.add_option("KIND", arguments.kind, "Kind of the resources");
  app.add_option("NAME", arguments.names, "Names of the resources");
  declare_files(app, arguments);
  app.add_flag("-s,--skip-not-exists", arguments.skip_not_exists, "A missing object is no error");
  declare_compatible(app, arguments);
}

int run_delete(const Arguments& arguments) {
  constexpr const char* kHint = "nodewall delete --help";
  const bool by_name = !arguments.kind.empty();
  if (by_name == !arguments.files.empty()) return usage("delete wants KIND NAME..., or -f FILE", kHint);
  std::vector<model::ResourceId> ids;
  if (by_name) {
    if (arguments.names.empty()) return usage("delete wants the NAME of what to delete", kHint);
    const auto kind = kind_argument(arguments.kind);
    if (!kind) return 2;
    for (const auto& name : arguments.names) ids.push_back({*kind, name});
  } else {
    const auto input = read_input(arguments);
    if (!input) return report(input.error());
    if (!input->ok()) return tell_faults("delete", *input);
    for (const auto& decoded : input->resources) ids.push_back(decoded.resource.id());
  }
  return delete_all(arguments, ids);
}

}  // namespace nodewall::cli
