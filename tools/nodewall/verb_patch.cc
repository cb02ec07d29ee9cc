// patch KIND NAME -p PATCH.
#include <fmt/format.h>

#include "arguments.h"
#include "config/decode.h"
#include "config/encode.h"
#include "hints.h"
#include "kinds.h"
#include "patch.h"
#include "session.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

struct Named {
  const char* name;
  PatchKind kind;
};
constexpr Named kTypes[] = {{"strategic", PatchKind::strategic}, {"merge", PatchKind::merge}, {"json", PatchKind::json}};

// The patched object, read and validated as if it had been written by hand.
Result<model::Resource> patched_resource(const model::Resource& current, const std::string& patch, PatchKind kind) {
  const auto value = patched(config::encode(current), patch, kind);
  if (!value) return fail(value.error());
  const auto text = value->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  auto decoded = config::decode(text, "patched object");
  if (!decoded.ok() || decoded.resources.size() != 1) {
    std::string faults;
    for (const auto& diagnostic : decoded.diagnostics) {
      faults += (faults.empty() ? "" : "; ") + diagnostic.message;
    }
    return fail(Errc::config, faults.empty() ? "the patch leaves no object" : faults);
  }
  auto resource = std::move(decoded.resources.front().resource);
  if (resource.id() != current.id()) {
    return fail(Errc::config, fmt::format("the patch would make it {}: kind and name cannot be changed",
                                          to_string(resource.id())));
  }
  return resource;
}

Status patch_one(Session& session, const model::ResourceId& id, const std::string& patch, PatchKind kind) {
  const auto current = session.find(id);
  if (!current) return fail(current.error());
  auto resource = patched_resource(*current, patch, kind);
  if (!resource) return fail(resource.error());
  return session.write(std::move(*resource), Change::update);
}

}  // namespace

void declare_patch(CLI::App& app, Arguments& arguments) {
  app.add_option("KIND", arguments.kind, "Kind of the resource")->required();
  app.add_option("NAME", arguments.name, "Name of the resource")->required();
  app.add_option("-p,--patch", arguments.patch, "The patch, JSON")->required();
  app.add_option("-t,--type", arguments.patch_type, "strategic (default), merge or json")
      ->check(CLI::IsMember({"strategic", "merge", "json"}));
  declare_compatible(app, arguments);
}

int run_patch(const Arguments& arguments) {
  const auto kind = kind_argument(arguments.kind);
  if (!kind) return 2;
  auto type = PatchKind::strategic;
  for (const auto& named : kTypes)
    if (named.name == arguments.patch_type) type = named.kind;
  const model::ResourceId id{*kind, arguments.name};
  auto session = Session::open(arguments);
  if (!session) return report(session.error());
  const auto before = session->resources();
  const auto done = patch_one(*session, id, arguments.patch, type);
  if (!done) {
    complain(fmt::format("failed to patch '{}' resource: [{}]", name(*kind), done.error().message()));
    return exit_code(done.error().code);
  }
  print(fmt::format("Successfully patched 1 '{}' resource\n", name(*kind)));
  for (const auto& hint : hints(before, session->resources(), {id})) warn(hint);
  return 0;
}

}  // namespace nodewall::cli
