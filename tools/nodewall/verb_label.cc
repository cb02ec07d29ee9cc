// label KIND NAME key=value, label KIND NAME key --remove.
#include <fmt/format.h>

#include "arguments.h"
#include "hints.h"
#include "kinds.h"
#include "model/validate.h"
#include "session.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

constexpr const char* kHint = "nodewall label --help";

struct LabelChange {
  std::string key, value;
  bool remove = false, overwrite = false;
};

Status check(const LabelChange& change) {
  if (!model::is_label_key(change.key)) {
    return fail(Errc::config, fmt::format("'{}' is not a label key", change.key));
  }
  if (!model::is_label_value(change.value)) {
    return fail(Errc::config, fmt::format("'{}' is not a label value", change.value));
  }
  return {};
}

// The message of success.
Result<std::string> change_label(Session& session, const model::ResourceId& id, const std::string& kind_text,
                                 const LabelChange& change) {
  if (auto valid = check(change); !valid) return fail(valid.error());
  auto resource = session.find(id);
  if (!resource) return fail(resource.error());
  auto& labels = resource->metadata.labels;
  const auto where = fmt::format("{} {}", kind_text, id.name);
  const auto old = labels.find(change.key);
  const bool existed = old != labels.end();
  std::string message;
  if (change.remove) {
    if (!existed) {
      return fail(Errc::not_found, fmt::format("cannot remove label of {}: key {} does not exist", where, change.key));
    }
    labels.erase(old);
    message = fmt::format("Successfully removed label {} from {}", change.key, where);
  } else {
    if (existed && !change.overwrite && old->second != change.value) {
      return fail(Errc::conflict, fmt::format("failed to update label of {}: key {} is already present, use "
                                              "--overwrite to set a new value", where, change.key));
    }
    labels[change.key] = change.value;
    message = fmt::format("Successfully {} label {} on {}", existed ? "updated" : "set", change.key, where);
  }
  if (auto done = session.write(std::move(*resource), Change::update); !done) return fail(done.error());
  return message;
}

}  // namespace

void declare_label(CLI::App& app, Arguments& arguments) {
  app.add_option("KIND", arguments.kind, "Kind of the resource")->required();
  app.add_option("NAME", arguments.name, "Name of the resource")->required();
  app.add_option("LABEL", arguments.label, "key=value, or the key with --remove")->required();
  app.add_flag("--overwrite", arguments.overwrite, "Replace another value");
  app.add_flag("--remove", arguments.remove, "Remove the label");
  declare_compatible(app, arguments);
}

int run_label(const Arguments& arguments) {
  const auto kind = kind_argument(arguments.kind);
  if (!kind) return 2;
  const auto equals = arguments.label.find('=');
  if (arguments.remove != (equals == std::string::npos)) {
    return usage(arguments.remove ? "--remove wants the key of the label alone" : "label wants key=value", kHint);
  }
  if (arguments.remove && arguments.overwrite) return usage("--remove and --overwrite exclude each other", kHint);
  const LabelChange change{.key = arguments.label.substr(0, equals),
                           .value = arguments.remove ? "" : arguments.label.substr(equals + 1),
                           .remove = arguments.remove,
                           .overwrite = arguments.overwrite};
  auto session = Session::open(arguments);
  if (!session) return report(session.error());
  const model::ResourceId id{*kind, arguments.name};
  const auto before = session->resources();
  const auto message = change_label(*session, id, arguments.kind, change);
  if (!message) return report(message.error());
  print(escaped(*message) + "\n");
  for (const auto& hint : hints(before, session->resources(), {id})) warn(hint);
  return 0;
}

}  // namespace nodewall::cli
