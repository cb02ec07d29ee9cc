// Small files of the run directory: read only when nobody else could have written them, written whole and renamed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace nodewall::engine {

// Errc::not_found when there is none; Errc::permission for a symbolic link, or when others than root and the caller may write it.
Result<std::string> read_private_file(const std::string& path);
std::string temporary_name(const std::string& path);  // of the file that becomes `path`
Status write_private_file(const std::string& path, std::string_view text);

}  // namespace nodewall::engine
