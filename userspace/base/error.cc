#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace nodewall {

Error Error::in(std::string_view where) const& {
  Error copy = *this;
  copy.context.emplace_back(where);
  return copy;
}

Error Error::in(std::string_view where) && {
  context.emplace_back(where);
  return std::move(*this);
}

std::string Error::message() const {
  std::string text;
  for (auto it = context.rbegin(); it != context.rend(); ++it) text += *it + ": ";
  return text + what;
}

Error errno_error(std::string_view what, int sys_errno) {
  return Error{.code = sys_errno == EPERM || sys_errno == EACCES ? Errc::permission : Errc::kernel,
               .what = std::string(what) + ": " + std::strerror(sys_errno),
               .sys_errno = sys_errno,
               .context = {}};
}

int exit_code(Errc code) {
  switch (code) {
    case Errc::limit:
    case Errc::abi:
    case Errc::permission:
    case Errc::busy:
      return 3;
    case Errc::config:
    case Errc::not_found:
    case Errc::conflict:
    case Errc::kernel:
    case Errc::verifier:
    case Errc::internal:
      return 1;
  }
  return 1;
}

std::string_view name(Errc code) {
  switch (code) {
    case Errc::config: return "config";
    case Errc::not_found: return "not_found";
    case Errc::conflict: return "conflict";
    case Errc::limit: return "limit";
    case Errc::kernel: return "kernel";
    case Errc::verifier: return "verifier";
    case Errc::abi: return "abi";
    case Errc::permission: return "permission";
    case Errc::busy: return "busy";
    case Errc::internal: return "internal";
  }
  return "internal";
}

}  // namespace nodewall
