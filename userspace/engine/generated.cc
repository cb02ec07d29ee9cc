#include "engine/generated.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "controller/node_object.h"

namespace nodewall::engine {

Generated write_generated(store::DirectoryStore& store, const model::ResourceSet& resources, const resolve::NodeFacts& facts,
                          const model::Labels& labels, const std::map<std::string, std::string>& environment) {
  auto changes = controller::reconcile(resources, environment);
  if (auto node = controller::node_object(resources, facts, labels)) changes.write.insert(changes.write.begin(), std::move(*node));
  std::ranges::copy(controller::left_nodes(resources, facts.node), std::back_inserter(changes.remove));
  Generated result;
  result.conditions = std::move(changes.conditions);
  const auto count = [&](Status done, const model::ResourceId& id) {
    if (done) ++result.changes;
    else result.failures.push_back(std::move(done.error()).in(to_string(id)).message());
  };
  for (const auto& resource : changes.write)
    count(store.write(resource, store::WriteMode::apply, store::Origin::generated), resource.id());
  for (const auto& id : changes.remove) {
    auto done = store.remove(id, store::Origin::generated);
    // Gone already, or a person's: neither is a change to come back for.
    if (done || done.error().code != Errc::not_found) count(std::move(done), id);
  }
  return result;
}

}  // namespace nodewall::engine
