// What the command line said, and the table of commands that act on it.
//
// A command declares its flags on a CLI11 subcommand, all of them stored in one Arguments, and runs on that value. It returns the
// exit code: 0 done, 1 failed, 2 usage, 3 refused (base/error.h). Data goes to stdout, everything else to stderr.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace nodewall::cli {

struct PacketArguments {  // of trace; texts are judged by engine::packet_from_json
  std::string interface, direction, source, destination, protocol, flags;
  std::optional<std::int64_t> source_port, destination_port, type, code;
  bool forwarded = false;
};

struct Arguments {
  std::string verb;  // the subcommand's name
  std::string datastore;

  // Accepted because scripts for calicoctl have them.
  std::string config, context, log_level, name_space;
  bool all_namespaces = false, allow_version_mismatch = false;

  std::vector<std::string> files;
  bool recursive = false, skip_empty = false, skip_exists = false, skip_not_exists = false;
  std::string kind;
  std::string name;                // of the verbs that want one
  std::vector<std::string> names;
  std::string output;
  bool export_objects = false;
  std::string patch, patch_type = "strategic";
  std::string label;
  bool overwrite = false, remove = false;
  bool client_only = false;
  std::string poll;

  bool json = false, pretty = false;
  std::string run_dir, bpffs;
  std::string topic;  // of show
  bool follow = false;
  std::string since, interface;        // of events
  std::optional<std::uint32_t> limit;
  bool yes = false;
  PacketArguments packet;
  std::string node, facts, batch, engine = "all";
};

struct Command {
  const char* name;
  const char* help;
  void (*declare)(CLI::App& app, Arguments& arguments);
  int (*run)(const Arguments& arguments);
};

// Flags that several commands share.
void declare_compatible(CLI::App& app, Arguments& arguments);
void declare_files(CLI::App& app, Arguments& arguments);

void declare_write(CLI::App& app, Arguments& arguments);
void declare_create(CLI::App& app, Arguments& arguments);
int run_write(const Arguments& arguments);  // apply, create, replace
void declare_delete(CLI::App& app, Arguments& arguments);
int run_delete(const Arguments& arguments);
void declare_get(CLI::App& app, Arguments& arguments);
int run_get(const Arguments& arguments);
void declare_patch(CLI::App& app, Arguments& arguments);
int run_patch(const Arguments& arguments);
void declare_label(CLI::App& app, Arguments& arguments);
int run_label(const Arguments& arguments);
void declare_validate(CLI::App& app, Arguments& arguments);
int run_validate(const Arguments& arguments);
void declare_version(CLI::App& app, Arguments& arguments);
int run_version(const Arguments& arguments);

void declare_status(CLI::App& app, Arguments& arguments);
int run_status(const Arguments& arguments);
void declare_show(CLI::App& app, Arguments& arguments);
int run_show(const Arguments& arguments);
void declare_trace(CLI::App& app, Arguments& arguments);
int run_trace(const Arguments& arguments);
void declare_verify(CLI::App& app, Arguments& arguments);
int run_verify(const Arguments& arguments);
void declare_events(CLI::App& app, Arguments& arguments);
int run_events(const Arguments& arguments);
void declare_disarm(CLI::App& app, Arguments& arguments);
int run_disarm(const Arguments& arguments);
void declare_arm(CLI::App& app, Arguments& arguments);
int run_arm(const Arguments& arguments);

}  // namespace nodewall::cli
