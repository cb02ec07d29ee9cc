#include "engine/node_name.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/printable.h"
#include "model/validate.h"

namespace nodewall::engine {

std::string node_name(const std::string& option) {
  if (!option.empty()) return option;
  if (const char* named = std::getenv("NODENAME"); named && *named) return named;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return {};
  std::string name = host.data();
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : static_cast<char>(c);
  });
  return name;
}

Status check_node_name(const std::string& name) {
  if (model::is_dns_subdomain(name)) return {};
  const auto what = name.empty() ? std::string("this node has no name")
                                 : "this node cannot be called '" + printable(name) +
                                       "': a name is at most 253 of a-z, 0-9, '-' and '.', and begins and ends with a letter or digit";
  return fail(Errc::config, what + "; name it with --node NAME (or NODENAME)");
}

}  // namespace nodewall::engine
