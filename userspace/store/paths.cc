// Where things are by default.
#include <cstdlib>
#include <filesystem>

#include "store/datastore.h"
#include "store/manifests.h"

namespace nodewall::store {
namespace {

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

}  // namespace

std::string datastore_path(const std::string& option) {
  return option.empty() ? from_environment("NODEWALL_DATASTORE", "/etc/nodewall") : option;
}

std::string generated_path(const std::string& directory) {
  constexpr std::size_t kMostReadable = 100;
  std::error_code error;
  auto whole = std::filesystem::weakly_canonical(std::filesystem::absolute(directory, error), error).string();
  if (error || whole.empty()) whole = directory;
  while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  // Readable for people, and by its digest different for paths that read alike.
  std::string name;
  for (const char c : whole.substr(0, kMostReadable)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (plain) name += c;
    else if (!name.empty() && name.back() != '-') name += '-';
  }
  constexpr std::size_t kDigestLength = 12;
  return from_environment("NODEWALL_STATE_DIR", "/var/lib/nodewall") + "/datastores/" + name + "-" +
         digest_of(whole).substr(0, kDigestLength);
}

}  // namespace nodewall::store
