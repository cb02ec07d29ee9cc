// validate -f FILE: what apply would refuse, without a datastore.
#include "arguments.h"
#include "input.h"
#include "outcome.h"
#include "terminal.h"

namespace nodewall::cli {

void declare_validate(CLI::App& app, Arguments& arguments) {
  declare_files(app, arguments);
  declare_compatible(app, arguments);
}

int run_validate(const Arguments& arguments) {
  if (arguments.files.empty()) {
    return usage("validate wants -f FILE, -f DIRECTORY or -f -", "nodewall validate --help");
  }
  const auto input = read_input(arguments);
  if (!input) return report(input.error());
  if (!input->ok()) return tell_faults("validate", *input);
  Outcome outcome("validate", "validated");
  for (const auto& decoded : input->resources) {
    outcome.expect(decoded.resource.id());
    outcome.done();
  }
  return outcome.tell();
}

}  // namespace nodewall::cli
