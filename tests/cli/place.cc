#include "place.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace nodewall::test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// In the child: only what is safe between fork and exec.
void redirect(const std::string& path, int flags, int to) {
  constexpr mode_t kPrivate = 0600;
  const int fd = ::open(path.c_str(), flags, kPrivate);
  if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(127);
}

}  // namespace

Place::Place() {
  std::string pattern = (fs::temp_directory_path() / "nodewall-cli-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  root_ = pattern;
  for (const auto* name : {"manifests", "state", "run"}) {
    fs::create_directory(path(name));
    fs::permissions(path(name), fs::perms::owner_all);
  }
}

Place::~Place() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

std::string Place::write(const std::string& name, const std::string& text) const {
  const auto file_path = path(name);
  fs::create_directories(fs::path(file_path).parent_path());
  std::ofstream(file_path, std::ios::binary) << text;
  fs::permissions(file_path, fs::perms::owner_read | fs::perms::owner_write);
  return file_path;
}

Outcome Place::run(const std::vector<std::string>& arguments, const std::string& input) const {
  const auto in = write("stdin", input);
  const auto out = path("stdout");
  const auto err = path("stderr");
  ::setenv("NODEWALL_DATASTORE", manifests().c_str(), 1);
  ::setenv("NODEWALL_STATE_DIR", path("state").c_str(), 1);
  ::setenv("NODEWALL_RUN_DIR", path("run").c_str(), 1);
  std::vector<char*> argv = {const_cast<char*>(NODEWALL_BINARY)};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    redirect(in, O_RDONLY, STDIN_FILENO);
    redirect(out, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect(err, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    ::execv(NODEWALL_BINARY, argv.data());
    ::_exit(127);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
          .out = read_file(out),
          .err = read_file(err)};
}

std::string Place::done(const std::vector<std::string>& arguments, const std::string& input) const {
  const auto outcome = run(arguments, input);
  INFO("stdout: " << outcome.out << "\nstderr: " << outcome.err);
  REQUIRE(outcome.code == 0);
  return outcome.out;
}

std::string host_endpoint(const std::string& name, const std::string& spec, const std::string& labels) {
  return "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata:\n  name: " + name + "\n" +
         (labels.empty() ? "" : "  labels: {" + labels + "}\n") + "spec: {" +
         (spec.empty() ? "node: n1, interfaceName: eth0, profiles: [projectcalico-default-allow]" : spec) + "}\n";
}

std::string policy(const std::string& name, const std::string& spec) {
  return "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata:\n  name: " + name + "\nspec: {" +
         (spec.empty() ? "ingress: [{action: Allow}]" : spec) + "}\n";
}

bool has_control_bytes(const std::string& text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n') || byte == 0x7f;
  });
}

}  // namespace nodewall::test
