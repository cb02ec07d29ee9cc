#include "engine/node_name.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

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

}  // namespace nodewall::engine
