// Errors as values.
//
// An Error says what failed (`what`, one sentence without a trailing full stop), of which kind (`code`, which decides the
// exit code of a program) and where: `context` grows from the inside out as the error travels ("apply", "interface eth0").
// Printed it reads "interface eth0: attach: no such device".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nodewall {

enum class Errc {
  config,      // what the user wrote is wrong
  not_found,   // a named thing does not exist
  conflict,    // exists already, or changed meanwhile
  limit,       // a documented limit is exceeded
  kernel,      // a system call failed; `sys_errno` says how
  verifier,    // the kernel refused the program; the log is in `what`
  abi,         // pinned state of another layout, or unreadable
  permission,  // not root, or a path that must not be trusted
  busy,        // another instance is at work
  internal,    // a defect of Nodewall
};

struct Error {
  Errc code = Errc::internal;
  std::string what;
  int sys_errno = 0;  // 0 when no system call was involved
  std::vector<std::string> context;

  // Adds where it happened; returned so that `return e.in("apply")` reads as one step.
  [[nodiscard]] Error in(std::string_view where) const&;
  [[nodiscard]] Error in(std::string_view where) &&;
  [[nodiscard]] std::string message() const;
};

// An Error from errno: "open /x: No such file or directory".
Error errno_error(std::string_view what, int sys_errno);

// 0 done, 1 failed, 2 usage, 3 refused (limit, abi, permission, busy).
int exit_code(Errc code);
std::string_view name(Errc code);

}  // namespace nodewall
