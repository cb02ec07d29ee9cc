#include "store/manifests.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/printable.h"

namespace nodewall::store {
namespace {

std::string path_in(const Folder& folder, const std::string& name) { return folder.path() + "/" + name; }

bool holds(const std::vector<Object>& objects, const model::ResourceId& id) {
  return std::ranges::any_of(objects, [&](const Object& one) { return one.resource.id() == id; });
}

// May this object be one of those that are broken now? A fault without a name may be about any.
bool may_be_broken(const model::ResourceId& id, const std::vector<config::Diagnostic>& diagnostics) {
  const auto object = to_string(id);
  return std::ranges::any_of(diagnostics,
                             [&](const auto& one) { return one.object.empty() || one.object == object; });
}

std::vector<Object> good_objects(config::Decoded& decoded, std::vector<config::Diagnostic>& diagnostics) {
  std::vector<Object> objects;
  std::set<model::ResourceId> seen;
  for (auto& one : decoded.resources) {
    const auto id = one.resource.id();
    if (!seen.insert(id).second) {
      diagnostics.push_back({.file = one.file,
                             .at = one.at,
                             .message = to_string(id) + " is already in this file: the first one counts",
                             .object = to_string(id)});
      continue;
    }
    one.resource.metadata.resource_version = version_of(one.resource);
    objects.push_back({.resource = std::move(one.resource), .at = one.at});
  }
  return objects;
}

}  // namespace

Manifests::Manifests(Folder folder, std::optional<LastGood> last_good)
    : folder_(std::move(folder)), last_good_(std::move(last_good)), watch_(Watch::on(folder_.fd(), folder_.path())) {}

Status Manifests::reopen() {
  if (!folder_.is_stale()) return folder_.check();
  auto opened = Folder::open(folder_.path());
  if (!opened) return fail(opened.error());
  folder_ = std::move(*opened);
  // The descriptor that callers wait on must stay the same one: the new directory is watched by it too.
  if (!watch_.move_to(folder_.fd(), folder_.path())) watch_ = Watch::on(folder_.fd(), folder_.path());
  return {};
}

Status Manifests::refresh() {
  if (auto done = reopen(); !done) return done;
  (void)watch_.take();
  const auto names = folder_.list();
  if (!names) return fail(names.error());
  const auto is_gone = [&](const auto& entry) { return !std::ranges::binary_search(*names, entry.first); };
  if (std::erase_if(files_, is_gone) > 0) to_prune_ = true;
  for (const auto& name : *names) look_at(name);
  return {};
}

Status Manifests::refresh_touched() {
  if (folder_.is_stale()) return refresh();
  auto touched = watch_.take();
  // A link inside the folder may be what many files are seen through.
  const auto is_ours = [](const std::string& name) { return name.starts_with(".nodewall"); };
  for (const auto& name : touched.names)
    if (!is_manifest_name(name) && !is_ours(name)) touched.all = true;
  if (touched.all) return refresh();
  for (const auto& name : touched.names)
    if (is_manifest_name(name)) look_at(name);
  for (auto& [name, file] : files_)
    if (!file.settled) look_at(name, file);
  return {};
}

void Manifests::look_at(const std::string& name) {
  const auto stamp = folder_.stamp(name);
  if (!stamp && stamp.error().code == Errc::not_found && !folder_.exists(name)) {
    if (files_.erase(name) > 0) to_prune_ = true;
    return;
  }
  const auto [found, is_new] = files_.try_emplace(name);
  File& file = found->second;
  if (stamp && S_ISDIR(stamp->mode)) {
    files_.erase(found);
    return;
  }
  if (!is_new && stamp && file.settled && *stamp == file.stamp) return;
  look_at(name, file);
}

void Manifests::look_at(const std::string& name, File& file) {
  auto text = folder_.read(name);
  if (!text) {
    // Tried again at every look: what it takes to be readable may change without a trace in the file.
    file.settled = false;
    file.digest.clear();
    return keep(name, file, text.error().message());
  }
  const auto digest = digest_of(text->text);
  const bool known = !file.digest.empty();
  if (known && digest == file.digest) {
    file.stamp = text->stamp;
    file.settled = text->settled;
    return;
  }
  if (text->being_written && !file.objects.empty()) {
    file.settled = false;
    file.digest.clear();
    return keep(name, file, "is open for writing");
  }
  file.digest = digest;
  read_again(name, file, std::move(*text));
}

void Manifests::read_again(const std::string& name, File& file, FileText text) {
  auto decoded = config::decode(text.text, path_in(folder_, name));
  file.stamp = text.stamp;
  file.settled = text.settled;
  if (!decoded.diagnostics.empty()) restore(name, file);
  auto diagnostics = std::move(decoded.diagnostics);
  // Before repetitions are complained of: they are whole.
  const auto faults = diagnostics;
  auto objects = good_objects(decoded, diagnostics);
  for (auto& old : file.objects) {
    const auto id = old.resource.id();
    if (holds(objects, id) || !may_be_broken(id, faults)) continue;
    old.last_good = true;
    objects.push_back(std::move(old));
  }
  file.objects = std::move(objects);
  file.diagnostics = std::move(diagnostics);
  file.to_save = last_good_.has_value();
}

// The file cannot be read or believed: what it held stays.
void Manifests::keep(const std::string& name, File& file, const std::string& why) {
  restore(name, file);
  for (auto& object : file.objects) object.last_good = true;
  std::string message = why;
  if (!file.objects.empty()) message += "; what it held before stays in force";
  file.diagnostics = {{.file = path_in(folder_, name), .at = {}, .message = std::move(message), .object = {}}};
}

// A file that was never read whole by this process: by an earlier one, perhaps.
void Manifests::restore(const std::string& name, File& file) {
  if (!last_good_ || !file.objects.empty()) return;
  for (auto& resource : last_good_->load(name)) {
    resource.metadata.resource_version = version_of(resource);
    file.objects.push_back({.resource = std::move(resource), .at = {}, .last_good = true});
  }
}

std::vector<config::Diagnostic> Manifests::save() {
  std::vector<config::Diagnostic> diagnostics;
  if (!last_good_) return diagnostics;
  if (std::exchange(to_prune_, false)) last_good_->prune(files_);
  for (auto& [name, file] : files_) {
    if (!file.to_save) continue;
    const auto saved = last_good_->save(name, file.objects);
    if (saved) {
      file.to_save = false;
    } else if (diagnostics.empty()) {  // one is enough: they fail together
      diagnostics.push_back({.file = path_in(folder_, name),
                             .at = {},
                             .message = "its last good version cannot be kept: " + saved.error().message(),
                             .object = {}});
    }
  }
  return diagnostics;
}

}  // namespace nodewall::store
