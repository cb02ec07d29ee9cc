// verify: 0 the tables answer as the policy says, 1 they differ, 3 nothing can be said.
#include "arguments.h"
#include "inspect_verify.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

constexpr int kPrettyIndent = 2;
constexpr int kDiffers = 1;
constexpr int kCannot = 3;

int cannot(const Arguments& arguments, const Error& error) {
  if (arguments.json || arguments.pretty)
    print(json_text({{"error", error.message()}, {"code", name(error.code)}}, arguments.pretty ? kPrettyIndent : -1) + "\n");
  else
    report(error);
  return kCannot;
}

}  // namespace

void declare_verify(CLI::App& app, Arguments& arguments) {
  app.add_option("--node", arguments.node, "Name of the node (default: the daemon's)");
  app.add_option("--run-dir", arguments.run_dir, "Run directory of the daemon (NODEWALL_RUN_DIR)");
  app.add_option("--bpffs", arguments.bpffs, "bpffs that it pins in (NODEWALL_BPFFS)");
  app.add_flag("-j,--json", arguments.json, "JSON on one line");
  app.add_flag("-p,--pretty", arguments.pretty, "JSON, indented");
}

int run_verify(const Arguments& arguments) {
  std::vector<std::string> warnings;
  const auto value = verify_json({.place = {.run_dir = arguments.run_dir, .bpffs = arguments.bpffs},
                                  .datastore = arguments.datastore,
                                  .node = arguments.node},
                                 warnings);
  for (const auto& warning : warnings) warn(warning);
  if (!value) return cannot(arguments, value.error());
  if (arguments.json || arguments.pretty) print(json_text(*value, arguments.pretty ? kPrettyIndent : -1) + "\n");
  else print(verify_text(*value));
  return value->value("equal", false) ? 0 : kDiffers;
}

}  // namespace nodewall::cli
