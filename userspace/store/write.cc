// Writing and removing objects: which folder, which file, and check and write as one step under the folder's lock.
#include <algorithm>
#include <sstream>

#include "base/printable.h"
#include "config/encode.h"
#include "model/validate.h"
#include "store/document_edit.h"
#include "store/state.h"

namespace nodewall::store {
namespace {

constexpr std::string_view kRemovedFile = ".removed";  // hidden: no manifest
constexpr std::size_t kMostNameBytes = 255;             // of a file, on every file system

// <kind>.<name>.yaml; a name that is too long for a file is cut and made different by its digest.
std::string file_name(const model::ResourceId& id, int attempt) {
  constexpr std::size_t kKept = 150;
  constexpr std::size_t kDigestLength = 16;
  std::string stem(model::name(id.kind));
  std::ranges::transform(stem, stem.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  stem += "." + id.name;
  const std::string suffix = (attempt > 1 ? "." + std::to_string(attempt) : "") + ".yaml";
  if (stem.size() + suffix.size() > kMostNameBytes)
    stem = stem.substr(0, kKept) + "." + digest_of(id.name).substr(0, kDigestLength);
  return stem + suffix;
}

// Names become file names: nothing but a validated name gets further.
Status check_id(const model::ResourceId& id) {
  if (!model::is_dns_subdomain(id.name))
    return fail(Errc::config, "the name " + printable(id.name) + " of a " + std::string(model::name(id.kind)) +
                                  " is not valid");
  if (model::is_built_in(id)) return fail(Errc::config, to_string(id) + " is built in and cannot be changed");
  return {};
}

// Nothing is written that could not be read again.
Status check_readable(const model::Resource& resource) {
  const auto decoded = config::decode(object_text(resource, ".yaml"), to_string(resource.id()));
  if (!decoded.ok()) return fail(Errc::config, config::to_string(decoded.diagnostics.front()));
  return {};
}

// The files that hold an object, whole or broken; the one that counts first.
std::vector<std::string> files_of(const Manifests& manifests, const model::ResourceId& id) {
  std::vector<std::string> files;
  const auto object = to_string(id);
  const auto held = held_objects(manifests, nullptr, &id);
  if (const auto found = held.find(id); found != held.end()) files.push_back(found->second.file);
  for (const auto& [name, file] : manifests.files()) {
    const auto is_it = [&](const auto& one) { return one.object == object; };
    const auto has_it = [&](const Object& one) { return one.resource.id() == id; };
    if (!std::ranges::any_of(file.objects, has_it) && !std::ranges::any_of(file.diagnostics, is_it)) continue;
    if (std::ranges::find(files, name) == files.end()) files.push_back(name);
  }
  return files;
}

bool holds(const Manifests& manifests, const model::ResourceId& id) { return !files_of(manifests, id).empty(); }

Result<std::string> text_to_change(const Manifests& manifests, const std::string& file) {
  const auto shown = printable(manifests.folder().path() + "/" + file);
  if (manifests.folder().is_link(file))
    return fail(Errc::permission, shown + " is a symbolic link: change what it leads to");
  auto text = manifests.folder().read(file);
  if (!text) return fail(std::move(text.error()).in(shown));
  if (text->being_written) return fail(Errc::busy, shown + " is open for writing");
  return std::move(text->text);
}

Status put(Manifests& manifests, const model::Resource& resource) {
  const auto id = resource.id();
  if (const auto files = files_of(manifests, id); !files.empty()) {
    const auto& file = files.front();
    const auto text = text_to_change(manifests, file);
    if (!text) return fail(text.error());
    const auto changed = replace_object(*text, file, resource);
    if (!changed) return fail(changed.error());
    if (*changed == *text) return {};
    if (auto done = manifests.folder().write(file, *changed); !done) return done;
    manifests.look_at(file);
    return {};
  }
  int attempt = 1;
  // A file of that name that holds something else is somebody's.
  while (manifests.folder().exists(file_name(id, attempt))) ++attempt;
  const auto file = file_name(id, attempt);
  if (auto done = manifests.folder().write(file, object_text(resource, file)); !done) return done;
  manifests.look_at(file);
  return {};
}

Status take_out(Manifests& manifests, const model::ResourceId& id) {
  for (const auto& file : files_of(manifests, id)) {
    const auto text = text_to_change(manifests, file);
    if (!text) return fail(text.error());
    const auto left = remove_object(*text, file, id);
    if (!left) return fail(left.error());
    auto done = left->empty() ? manifests.folder().remove(file) : manifests.folder().write(file, *left);
    if (!done) return done;
    manifests.look_at(file);
  }
  return {};
}

Status check_mode(const Snapshot& now, const model::Resource& resource, WriteMode mode) {
  const auto id = resource.id();
  const auto found = now.resources.find(id);
  if (found == now.resources.end()) {
    if (mode == WriteMode::update) return fail(Errc::not_found, "resource does not exist: " + to_string(id));
    return {};
  }
  if (mode == WriteMode::create) return fail(Errc::conflict, "resource already exists: " + to_string(id));
  const auto& wanted = resource.metadata.resource_version;
  if (!wanted.empty() && wanted != found->second.metadata.resource_version)
    return fail(Errc::conflict, "update conflict: " + to_string(id));
  return {};
}

}  // namespace

// A person's change of an object that only the daemon wrote is made there, where the controller can judge it. The
// configuration of the controllers is people's from their first change on.
bool DirectoryStore::State::is_changed_in_generated(const model::ResourceId& id) const {
  return id.kind != model::Kind::KubeControllersConfiguration && generated && holds(*generated, id) &&
         !holds(people, id);
}

Status DirectoryStore::write(const model::Resource& resource, WriteMode mode, Origin origin) {
  auto& state = *state_;
  const auto id = resource.id();
  if (origin == Origin::generated && state.generated_path.empty()) return {};
  if (auto valid = check_id(id); !valid) return valid;
  auto stored = resource;
  stored.metadata.resource_version.clear();
  if (origin == Origin::person) stored = without_status(std::move(stored));
  if (auto valid = check_readable(stored); !valid) return valid;
  if (auto done = state.refresh_touched(); !done) return done;
  const bool in_generated = origin == Origin::generated || state.is_changed_in_generated(id);
  if (in_generated) {
    if (auto opened = state.open_generated(Create::yes); !opened) return opened;
    state.watch_all();
  }
  const auto held = (in_generated ? *state.generated : state.people).folder().lock();
  if (!held) return fail(held.error());
  // Again, with everybody else kept out.
  if (auto done = state.refresh_touched(); !done) return done;
  if (origin == Origin::person && in_generated != state.is_changed_in_generated(id))
    return fail(Errc::conflict, "update conflict: " + to_string(id));
  if (auto allowed = check_mode(state.merged(&id), resource, mode); !allowed) return allowed;
  if (origin == Origin::generated && holds(state.people, id)) stored = only_status(std::move(stored));
  return put(in_generated ? *state.generated : state.people, stored);
}

Status DirectoryStore::remove(const model::ResourceId& id, Origin origin) {
  auto& state = *state_;
  if (origin == Origin::generated && state.generated_path.empty()) return {};
  if (auto valid = check_id(id); !valid) return valid;
  if (auto done = state.refresh_touched(); !done) return done;
  const bool of_people = holds(state.people, id);
  const bool of_generated = state.generated && holds(*state.generated, id);
  if (!of_people && !of_generated) return fail(Errc::not_found, "resource does not exist: " + to_string(id));
  if (origin == Origin::person && of_people) {
    if (auto done = state.remove_people(id); !done) return done;
  }
  // The status that belongs to a person's object has no life of its own: without the object it is not shown.
  const bool keeps_status = of_people && id.kind == model::Kind::KubeControllersConfiguration;
  if (of_generated && !keeps_status) {
    if (auto done = state.remove_generated(id); !done) return done;
  }
  if (origin == Origin::generated && of_people) return state.leave_out(id);
  return {};
}

Status DirectoryStore::State::remove_people(const model::ResourceId& id) {
  const auto held = people.folder().lock();
  if (!held) return fail(held.error());
  if (auto done = people.refresh_touched(); !done) return done;
  return take_out(people, id);
}

Status DirectoryStore::State::remove_generated(const model::ResourceId& id) {
  const auto held = generated->folder().lock();
  if (!held) return fail(held.error());
  if (auto done = generated->refresh_touched(); !done) return done;
  return take_out(*generated, id);
}

// The list of what is left out: "Kind name version" a line, only of what people's files still say.
Status DirectoryStore::State::leave_out(const model::ResourceId& id) {
  if (auto opened = open_generated(Create::yes); !opened) return opened;
  watch_all();
  const auto held = generated->folder().lock();
  if (!held) return fail(held.error());
  const auto of_people = held_objects(people, nullptr);
  const auto found = of_people.find(id);
  if (found == of_people.end() || !is_automatic(found->second.object->resource))
    return fail(Errc::not_found, to_string(id) + " belongs to people and is not removed");
  auto list = removed();
  list[id] = found->second.object->resource.metadata.resource_version;
  std::string text;
  for (const auto& [one, version] : list) {
    const auto still = of_people.find(one);
    if (still != of_people.end() && still->second.object->resource.metadata.resource_version == version)
      text += std::string(model::name(one.kind)) + " " + one.name + " " + version + "\n";
  }
  return generated->folder().write(std::string(kRemovedFile), text);
}

Removed DirectoryStore::State::removed() const {
  if (!generated) return {};
  const auto file = generated->folder().read(std::string(kRemovedFile));
  if (!file) return {};
  Removed removed;
  std::istringstream lines(file->text);
  for (std::string kind, name, version; lines >> kind >> name >> version;) {
    if (kind == model::name(model::Kind::HostEndpoint))
      removed[{model::Kind::HostEndpoint, name}] = version;
  }
  return removed;
}

}  // namespace nodewall::store
