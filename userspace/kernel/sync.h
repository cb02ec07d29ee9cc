// Bringing a hash map to a desired state. Not for other rooms.
#pragma once

#include <cstring>
#include <map>

#include "kernel/state.h"

namespace nodewall::kernel {

// Adds and changes before it removes, so that no window opens. Returns the number of writes.
template <typename Key, typename Value, typename Less>
Result<std::size_t> sync_hash(int fd, const std::map<Key, Value, Less>& wanted, const char* what) {
  std::size_t writes = 0;
  for (const auto& [key, value] : wanted) {
    Value now{};
    if (bpf_map_lookup_elem(fd, &key, &now) == 0 && std::memcmp(&now, &value, sizeof(value)) == 0) continue;
    if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) != 0)
      return fail(errno == E2BIG ? Error{.code = Errc::limit, .what = std::string(what) + ": the map is full at " + std::to_string(wanted.size()) + " entries", .sys_errno = errno, .context = {}}
                                 : errno_error(std::string("write ") + what, errno));
    ++writes;
  }
  const auto keys = map_keys<Key>(fd);
  if (!keys) return fail(keys.error());
  for (const auto& key : *keys) {
    if (wanted.contains(key)) continue;
    if (bpf_map_delete_elem(fd, &key) != 0 && errno != ENOENT) return fail(errno_error(std::string("remove from ") + what, errno));
    ++writes;
  }
  return writes;
}

struct BytesLess {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return std::memcmp(&a, &b, sizeof(T)) < 0;
  }
};

}  // namespace nodewall::kernel
