#include "session.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "terminal.h"

namespace nodewall::cli {
namespace {

using model::Kind;

// What exists without being stored, and can be stored.
std::vector<model::Resource> implied_resources() {
  auto all = model::built_in_tiers();
  model::Resource controllers;
  controllers.metadata.name = "default";
  controllers.spec = model::default_kube_controllers_configuration();
  all.push_back(std::move(controllers));
  return all;
}

bool is_built_in_tier(const model::ResourceId& id) {
  return id.kind == Kind::Tier &&
         std::ranges::any_of(model::built_in_tiers(),
                             [&](const auto& tier) { return tier.metadata.name == id.name; });
}

std::unexpected<Error> does_not_exist(const model::ResourceId& id) {
  return fail(Errc::not_found, fmt::format("resource does not exist: {} with error: the datastore "
                                           "has no such object", to_string(id)));
}

std::unexpected<Error> not_supported(const char* operation, const model::ResourceId& id) {
  return fail(Errc::conflict, fmt::format("operation {} is not supported on {}: it is built in",
                                          operation, to_string(id)));
}

// The policy that the object is, enforced or staged.
const model::GlobalNetworkPolicy* policy_of(const model::Resource& resource) {
  if (const auto* staged = std::get_if<model::StagedGlobalNetworkPolicy>(&resource.spec)) return &staged->policy;
  return std::get_if<model::GlobalNetworkPolicy>(&resource.spec);
}

std::string_view tier_of(const model::GlobalNetworkPolicy& policy) {
  return policy.tier && !policy.tier->empty() ? std::string_view(*policy.tier)
                                              : model::kDefaultTier;
}

// The status of an object is the daemon's to write.
void drop_status(model::Resource& resource) {
  auto* controllers = std::get_if<model::KubeControllersConfiguration>(&resource.spec);
  if (controllers == nullptr) return;
  controllers->status_environment.clear();
  controllers->running_config.reset();
}

}  // namespace

Result<store::DirectoryStore> open_datastore(const std::string& option) {
  const auto path = store::datastore_path(option);
  auto generated = store::generated_path(path);
  std::error_code ignored;
  if (!std::filesystem::exists(generated, ignored)) generated.clear();
  auto datastore = store::DirectoryStore::open(path, generated);
  if (!datastore) return fail(std::move(datastore.error()).in("datastore"));
  return datastore;
}

Session::Session(store::DirectoryStore store, model::ResourceSet stored)
    : store_(std::move(store)), stored_(std::move(stored)), resources_(stored_) {
  add_implied();
}

Result<Session> Session::open(const Arguments& arguments) {
  for (const auto& [flag, value] :
       {std::pair{"--config", &arguments.config}, {"--context", &arguments.context}}) {
    if (!value->empty()) {
      warn(fmt::format("{} has no effect: the datastore is {}", flag,
                       store::datastore_path(arguments.datastore)));
    }
  }
  auto store = open_datastore(arguments.datastore);
  if (!store) return fail(store.error());
  auto snapshot = store->read();
  if (!snapshot) return fail(std::move(snapshot.error()).in("datastore"));
  for (const auto& diagnostic : snapshot->diagnostics) warn(config::to_string(diagnostic));
  return Session(std::move(*store), std::move(snapshot->resources));
}

void Session::add_implied() {
  for (auto& resource : implied_resources()) resources_.try_emplace(resource.id(), resource);
}

Result<model::Resource> Session::find(const model::ResourceId& id) const {
  const auto found = resources_.find(id);
  if (found == resources_.end()) return does_not_exist(id);
  return found->second;
}

Status Session::may_write(const model::Resource& resource, Change change) const {
  const auto id = resource.id();
  if (model::is_built_in(id)) {
    return not_supported(change == Change::update ? "Update" : "Create", id);
  }
  if (change == Change::create && (stored_.contains(id) || is_built_in_tier(id))) {
    return fail(Errc::conflict, fmt::format("resource already exists: {} with error: the datastore "
                                            "has it already", to_string(id)));
  }
  if (change == Change::update && !has(id)) return does_not_exist(id);
  if (const auto* policy = policy_of(resource)) {
    const std::string tier(tier_of(*policy));
    if (!has({Kind::Tier, tier})) {
      return fail(Errc::config, fmt::format("{}: there is no tier {}", to_string(id), tier));
    }
  }
  return {};
}

Status Session::write(model::Resource resource, Change change) {
  if (auto allowed = may_write(resource, change); !allowed) return allowed;
  const auto id = resource.id();
  const auto current = stored_.find(id);
  auto mode = change == Change::apply ? store::WriteMode::apply : store::WriteMode::update;
  if (current == stored_.end()) {
    resource.metadata.uid.clear();
    resource.metadata.resource_version.clear();
    resource.metadata.creation_timestamp.clear();
    // An update of what exists unstored makes it stored, also if the daemon just did the same.
    mode = change == Change::create ? store::WriteMode::create : store::WriteMode::apply;
  } else {
    resource.metadata.uid = current->second.metadata.uid;
    resource.metadata.creation_timestamp = current->second.metadata.creation_timestamp;
  }
  drop_status(resource);
  if (auto done = store_.write(resource, mode, store::Origin::person); !done) return done;
  // Its new version is not known here: the datastore checks versions itself.
  resource.metadata.resource_version.clear();
  stored_.insert_or_assign(id, resource);
  resources_.insert_or_assign(id, std::move(resource));
  return {};
}

Status Session::may_remove(const model::ResourceId& id) const {
  if (model::is_built_in(id)) return not_supported("Delete", id);
  if (is_built_in_tier(id) && !stored_.contains(id)) return not_supported("Delete", id);
  if (!stored_.contains(id)) return does_not_exist(id);
  if (id.kind != Kind::Tier || is_built_in_tier(id)) return {};
  const auto user = std::ranges::find_if(resources_, [&](const auto& entry) {
    const auto* policy = policy_of(entry.second);
    return policy != nullptr && tier_of(*policy) == id.name;
  });
  if (user == resources_.end()) return {};
  return fail(Errc::conflict, fmt::format("operation Delete is not supported on {}: {} is in it",
                                          to_string(id), to_string(user->first)));
}

Status Session::remove(const model::ResourceId& id) {
  if (auto allowed = may_remove(id); !allowed) return allowed;
  if (auto done = store_.remove(id, store::Origin::person); !done) return done;
  stored_.erase(id);
  resources_.erase(id);
  add_implied();
  return {};
}

}  // namespace nodewall::cli
