#include "store/watch.h"

#include <sys/inotify.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

namespace nodewall::store {
namespace {

// Not IN_MODIFY: a file is looked at when its writer has closed it.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB |
                                  IN_DELETE_SELF | IN_MOVE_SELF;

int add(int fd, int directory, const std::string& path) {
  // By the descriptor, so that the directory that was checked is the one watched; by its path where there is no /proc.
  const auto by_descriptor = "/proc/self/fd/" + std::to_string(directory);
  const int number = ::inotify_add_watch(fd, by_descriptor.c_str(), kEvents);
  return number >= 0 ? number : ::inotify_add_watch(fd, path.c_str(), kEvents | IN_DONT_FOLLOW);
}

}  // namespace

Watch Watch::on(int directory, const std::string& path) {
  Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd.valid()) return {};
  const int number = add(fd.get(), directory, path);
  return number >= 0 ? Watch(std::move(fd), number) : Watch();
}

bool Watch::move_to(int directory, const std::string& path) {
  if (!valid()) return false;
  ::inotify_rm_watch(fd_.get(), number_);
  number_ = add(fd_.get(), directory, path);
  touched_.all = true;
  return number_ >= 0;
}

void Watch::drain() {
  alignas(inotify_event) std::array<char, 16'384> buffer{};
  while (fd_.valid()) {
    const auto bytes = ::read(fd_.get(), buffer.data(), buffer.size());
    if (bytes <= 0) return;
    for (std::size_t at = 0; at < static_cast<std::size_t>(bytes);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, offsetof(inotify_event, name));
      const char* name = buffer.data() + at + offsetof(inotify_event, name);
      if (event.len == 0 || (event.mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0)
        touched_.all = true;
      else
        touched_.names.emplace(name);
      at += offsetof(inotify_event, name) + event.len;
    }
  }
}

Touched Watch::take() {
  drain();
  Touched taken = std::move(touched_);
  touched_ = Touched{.all = !valid(), .names = {}};
  return taken;
}

}  // namespace nodewall::store
