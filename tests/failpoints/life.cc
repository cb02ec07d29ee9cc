#include "life.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace failpoints {

std::string live(Site& site, Which which, const std::set<Which>& possible) {
  std::string fault;
  failpoint::watch(failpoint::Scope::changes);
  if (!possible.empty())
    failpoint::before_each([&](const std::string& call) {
      if (!fault.empty()) return;
      if (auto found = site.probe(possible); !found.empty()) fault = "before " + call + ": " + found;
    });
  {
    auto engine = Engine::start(site.options());
    if (!engine) fault += "start: " + engine.error().message() + "; ";
    else if (auto report = engine->apply(site.resources(which), site.facts()); !report) fault += "apply: " + report.error().message() + "; ";
    else if (auto done = engine->tick(); !done) fault += "tick: " + done.error().message() + "; ";
  }
  failpoint::off();
  return fault;
}

Outcome crashing_life(Site& site, std::size_t call, const std::function<bool(Site&)>& life) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    failpoint::watch(failpoint::Scope::changes);
    failpoint::crash_at(call);
    _exit(life(site) ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return Outcome::crashed;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? Outcome::finished : Outcome::failed;
}

void open_flow(Site& site) {
  for (int i = 0; i < 3; ++i) (void)site.ask();
}

std::size_t first_call() {
  const char* text = std::getenv("NODEWALL_CALL");
  return text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace failpoints
