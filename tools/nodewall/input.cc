#include "input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>

#include "base/fd.h"

namespace nodewall::cli {
namespace {

namespace fs = std::filesystem;

// Many documents of the greatest size that decoding takes.
constexpr std::size_t kMostFileBytes = 256'000'000;
constexpr std::size_t kReadBytes = 1 << 16;

Result<std::string> read_all(int fd, const std::string& name) {
  std::string text;
  while (true) {
    const auto size = text.size();
    text.resize(size + kReadBytes);
    const auto got = ::read(fd, text.data() + size, kReadBytes);
    if (got < 0 && errno == EINTR) {
      text.resize(size);
      continue;
    }
    if (got < 0) return fail(errno_error("read " + name, errno));
    text.resize(size + static_cast<std::size_t>(got));
    if (got == 0) return text;
    if (text.size() > kMostFileBytes) return fail(Errc::limit, name + " is larger than 256 MB");
  }
}

Result<std::string> read_named(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return fail(Errc::not_found, "open " + path + ": no such file or directory");
    return fail(errno_error("open " + path, errno));
  }
  return read_all(fd.get(), path);
}

bool is_manifest(const fs::path& path) {
  const auto extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

template <typename Iterator>
Result<std::vector<std::string>> manifests(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code error;
  for (Iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (is_manifest(at->path()) && at->is_regular_file(ignored)) found.push_back(at->path().string());
  }
  if (error) return fail(errno_error("read directory " + directory, error.value()));
  std::ranges::sort(found);
  return found;
}

Result<std::vector<std::string>> expand(const std::string& named, bool recursive) {
  std::error_code ignored;
  if (named == "-" || !fs::is_directory(named, ignored)) return std::vector{named};
  return recursive ? manifests<fs::recursive_directory_iterator>(named)
                   : manifests<fs::directory_iterator>(named);
}

}  // namespace

Result<config::Decoded> read_input(const Arguments& arguments) {
  config::Decoded all;
  for (const auto& named : arguments.files) {
    auto paths = expand(named, arguments.recursive);
    if (!paths) return fail(paths.error());
    std::size_t documents = 0;
    for (const auto& path : *paths) {
      const auto text = path == "-" ? read_all(STDIN_FILENO, "standard input") : read_named(path);
      if (!text) return fail(text.error());
      auto decoded = config::decode(*text, path == "-" ? "(standard input)" : path);
      documents += decoded.resources.size() + decoded.diagnostics.size();
      std::ranges::move(decoded.resources, std::back_inserter(all.resources));
      std::ranges::move(decoded.diagnostics, std::back_inserter(all.diagnostics));
    }
    if (documents == 0 && !arguments.skip_empty) {
      return fail(Errc::config, "no resources specified in " +
                                    (named == "-" ? "standard input" : "file " + named));
    }
  }
  return all;
}

}  // namespace nodewall::cli
