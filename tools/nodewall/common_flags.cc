#include "arguments.h"

namespace nodewall::cli {

void declare_compatible(CLI::App& app, Arguments& arguments) {
  app.add_option("-n,--namespace", arguments.name_space, "Accepted; no kind here has a namespace");
  app.add_option("-c,--config", arguments.config, "Accepted; the datastore is --datastore");
  app.add_option("--context", arguments.context, "Accepted, no effect");
  app.add_option("-l,--log-level", arguments.log_level, "Accepted, no effect");
  app.add_flag("--allow-version-mismatch", arguments.allow_version_mismatch, "Accepted, no effect");
}

void declare_files(CLI::App& app, Arguments& arguments) {
  app.add_option("-f,--filename", arguments.files,
                 "File, directory or - for standard input; may be repeated")
      ->allow_extra_args(false);
  app.add_flag("-R,--recursive", arguments.recursive, "Go into sub-directories");
  app.add_flag("--skip-empty", arguments.skip_empty, "A file without resources is no error");
}

}  // namespace nodewall::cli
