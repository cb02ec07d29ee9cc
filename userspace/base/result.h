// Result<T>: a value, or the Error that prevented it. The project's name for std::expected.
//
//   auto text = read_file(path);
//   if (!text) return fail(text.error().in("load policy"));
#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace nodewall {

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }
inline std::unexpected<Error> fail(Errc code, std::string what) {
  return std::unexpected<Error>(Error{.code = code, .what = std::move(what), .sys_errno = 0, .context = {}});
}

}  // namespace nodewall
