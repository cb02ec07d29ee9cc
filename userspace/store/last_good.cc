// Last good versions that outlive the daemon: one file for each manifest, under a name made of the manifest's.
//
// The first line has the digest of the rest: what a crash cut short is not used.
#include <openssl/evp.h>

#include <array>
#include <set>
#include <span>

#include "config/encode.h"
#include "store/document_edit.h"
#include "store/manifests.h"

namespace nodewall::store {
namespace {

// Not of a manifest's form on purpose: digests as names hold neither paths nor control characters, whatever the manifest is called.
std::string saved_name(const std::string& file) { return digest_of(file) + ".yaml"; }

constexpr std::string_view kHead = "# ";

std::string text_of(const std::vector<Object>& objects) {
  std::string text;
  for (const auto& object : objects) {
    auto resource = object.resource;
    resource.metadata.resource_version.clear();
    text += (text.empty() ? "" : "---\n") + object_text(resource, ".yaml");
  }
  return std::string(kHead) + digest_of(text) + "\n" + text;
}

}  // namespace

std::string digest_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  for (const auto byte : std::span(digest).first(size)) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

std::string version_of(const model::Resource& resource) {
  constexpr std::size_t kLength = 16;
  auto value = config::encode(resource);
  value.erase("status");
  value["metadata"].erase("resourceVersion");
  return digest_of(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)).substr(0, kLength);
}

Result<Folder*> LastGood::folder(Create create) {
  if (folder_ && !folder_->is_stale()) return &*folder_;
  auto opened = Folder::open(directory_, create);
  if (!opened) return fail(opened.error());
  folder_ = std::move(*opened);
  return &*folder_;
}

std::vector<model::Resource> LastGood::load(const std::string& file) {
  const auto from = folder(Create::no);
  if (!from) return {};
  const auto saved = (*from)->read(saved_name(file));
  if (!saved) return {};
  const std::string_view text = saved->text;
  const auto line = text.find('\n');
  if (!text.starts_with(kHead) || line == text.npos) return {};
  if (text.substr(kHead.size(), line - kHead.size()) != digest_of(text.substr(line + 1))) return {};
  std::vector<model::Resource> resources;
  for (auto& one : config::decode(text, file).resources) resources.push_back(std::move(one.resource));
  return resources;
}

Status LastGood::save(const std::string& file, const std::vector<Object>& objects) {
  const auto to = folder(Create::yes);
  if (!to) return fail(to.error());
  const auto text = text_of(objects);
  const auto name = saved_name(file);
  // Most of a first reading was saved by the run before.
  if (const auto saved = (*to)->read(name); saved && saved->text == text) return {};
  const auto held = (*to)->lock();
  if (!held) return fail(held.error());
  return (*to)->write(name, text, Durable::no);
}

void LastGood::prune(const std::map<std::string, File>& files) {
  const auto from = folder(Create::no);
  if (!from) return;
  const auto saved = (*from)->list();
  if (!saved) return;
  std::set<std::string> known;
  for (const auto& [name, file] : files) known.insert(saved_name(name));
  for (const auto& name : *saved)
    if (!known.contains(name)) (void)(*from)->remove(name);
}

}  // namespace nodewall::store
