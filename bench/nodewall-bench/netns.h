// Namespaces of the harness: made in this process, held by descriptors, gone with it. Programs of others (ip, nft) run inside them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace nodewall::bench {

class Netns {
 public:
  static Result<Netns> make();  // with lo up
  [[nodiscard]] std::string path() const;  // for `ip link set … netns PATH`

  // Runs `body` in a thread of its own inside the namespace.
  void inside(const std::function<void()>& body) const;
  // A program inside the namespace, with `input` on its standard input; its standard error is in the Error. Errc::not_found if there
  // is no such program.
  Status run(const std::vector<std::string>& command, const std::string& input = "") const;
  // Writes to a file of the namespace's own /sys.
  Status write_sys(const std::string& path, const std::string& text) const;

 private:
  Fd fd_;
};

bool has_program(const std::string& name);

}  // namespace nodewall::bench
