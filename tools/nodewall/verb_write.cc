// apply, create, replace.
#include "arguments.h"
#include "hints.h"
#include "input.h"
#include "outcome.h"
#include "session.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

struct WriteVerb {
  std::string_view name;
  std::string_view done;
  Change change;
  bool stops_at_error;
};

constexpr WriteVerb kVerbs[] = {{"apply", "applied", Change::apply, false},
                                {"create", "created", Change::create, false},
                                {"replace", "replaced", Change::update, true}};

const WriteVerb& verb_of(const Arguments& arguments) {
  for (const auto& verb : kVerbs)
    if (verb.name == arguments.verb) return verb;
  return kVerbs[0];
}

}  // namespace

void declare_write(CLI::App& app, Arguments& arguments) {
  declare_files(app, arguments);
  declare_compatible(app, arguments);
}

void declare_create(CLI::App& app, Arguments& arguments) {
  declare_write(app, arguments);
  app.add_flag("--skip-exists", arguments.skip_exists, "An object that exists is no error");
}

int run_write(const Arguments& arguments) {
  const auto& verb = verb_of(arguments);
  const std::string name(verb.name);
  if (arguments.files.empty()) {
    return usage(name + " wants -f FILE, -f DIRECTORY or -f -", "nodewall " + name + " --help");
  }
  const auto input = read_input(arguments);
  if (!input) return report(input.error());
  if (!input->ok()) return tell_faults(verb.name, *input);
  auto session = Session::open(arguments);
  if (!session) return report(session.error());
  const auto before = session->resources();
  Outcome outcome(verb.name, verb.done);
  for (const auto& decoded : input->resources) outcome.expect(decoded.resource.id());
  std::set<model::ResourceId> written;
  for (const auto& decoded : input->resources) {
    const auto id = decoded.resource.id();
    auto done = session->write(decoded.resource, verb.change);
    const bool written_now = done.has_value();
    if (!done && arguments.skip_exists && done.error().code == Errc::conflict && session->has(id)) done = {};
    outcome.note(done);
    if (written_now) written.insert(id);
    if (!done && verb.stops_at_error) break;
  }
  const int code = outcome.tell();
  for (const auto& hint : hints(before, session->resources(), written)) warn(hint);
  return code;
}

}  // namespace nodewall::cli
