// Watch: which files of a directory may have changed, by inotify. Private to this room.
//
// Events that were lost (overflow), or a directory that cannot be watched, are answered by `all`: then everything is looked at.
#pragma once

#include <set>
#include <string>

#include "base/fd.h"

namespace nodewall::store {

struct Touched {
  bool all = true;  // before the first look nothing is known
  std::set<std::string> names;
};

class Watch {
 public:
  Watch() = default;
  // A watch of the directory behind `directory`; one that is not valid() when the kernel gives none.
  static Watch on(int directory, const std::string& path);

  [[nodiscard]] bool valid() const { return fd_.valid(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Reads what is waiting, without waiting, and keeps it.
  void drain();
  // What was touched since the last call.
  Touched take();
  // Watches another directory with the same descriptor.
  bool move_to(int directory, const std::string& path);

 private:
  Watch(Fd fd, int number) : fd_(std::move(fd)), number_(number) {}
  Fd fd_;
  int number_ = -1;  // of the watch
  Touched touched_;
};

}  // namespace nodewall::store
