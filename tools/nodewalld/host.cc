#include "host.h"

#include <cap-ng.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "engine/files.h"
#include "model/validate.h"

namespace nodewall::daemon {

Status drop_privileges() {
  capng_clear(CAPNG_SELECT_BOTH);
  const auto kept = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
  if (capng_updatev(CAPNG_ADD, kept, CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, -1) != 0 ||
      capng_apply(CAPNG_SELECT_BOTH) != 0) {
    return fail(Errc::permission, "privileges cannot be given up");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail(errno_error("set no_new_privs", errno));
  }
  return {};
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (!path || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  // Nobody listens: nothing is lost.
  (void)!::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), size);
}

Result<model::Labels> read_labels(const std::string& path) {
  // Policy goes by labels: who can write them can choose among policies.
  auto text = engine::read_private_file(path);
  if (!text) return fail(std::move(text.error()).in("labels file"));
  std::istringstream file(*text);
  model::Labels labels;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') continue;
    const auto last = line.find_last_not_of(" \t\r");
    line = line.substr(first, last - first + 1);
    const auto equals = line.find('=');
    const auto key = line.substr(0, equals);
    const auto value = equals == std::string::npos ? std::string() : line.substr(equals + 1);
    if (equals == std::string::npos || !model::is_label_key(key) || !model::is_label_value(value)) {
      return fail(Errc::config, fmt::format("{}:{}: not a label: use key=value", path, number));
    }
    labels[key] = value;
  }
  return labels;
}

Result<Fd> open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail(errno_error("signals", errno));
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return fail(errno_error("signals", errno));
  return fd;
}

Result<Fd> open_timer() {
  Fd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd.valid()) return fail(errno_error("timer", errno));
  return fd;
}

void set_timer(const Fd& timer, long first_ms, long period_ms) {
  const auto spec = [](long ms) { return timespec{ms / 1000, ms % 1000 * 1000000}; };
  const itimerspec when{.it_interval = spec(period_ms), .it_value = spec(first_ms)};
  ::timerfd_settime(timer.get(), 0, &when, nullptr);
}

}  // namespace nodewall::daemon
