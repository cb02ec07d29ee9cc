#include "inspect_arm.h"

#include <sys/stat.h>
#include <unistd.h>

#include <functional>

namespace nodewall::cli {
namespace {

constexpr useconds_t kWaitStepUs = 10000;
constexpr int kDisarmSteps = 300;  // then it is done without the daemon
constexpr int kArmSteps = 3000;    // the daemon has to load programs first: seconds on a busy machine

bool wait_until(int steps, const std::function<bool()>& done) {
  for (int step = 0; step < steps; ++step) {
    if (done()) return true;
    ::usleep(kWaitStepUs);
  }
  return false;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

bool daemon_says_armed(const NodeView& view, bool armed) {
  const auto state = engine::read_state(view.run_dir);
  return state && state->status.armed == armed;
}

}  // namespace

Result<std::string> disarm(const NodePlace& place) {
  const auto view = view_node(place);
  if (!view) return fail(view.error());
  if (auto checked = engine::check_run_dir(view->run_dir, engine::CreateDir::yes); !checked) {
    return fail(checked.error());
  }
  if (auto done = engine::set_disarmed(view->run_dir); !done) return fail(done.error());
  if (view->daemon_alive) {
    const bool followed = wait_until(
        kDisarmSteps, [&] { return daemon_says_armed(*view, false) && !exists(view->pin_dir); });
    if (followed) return "disarmed: nothing is enforced until `nodewall arm`";
  }
  // No daemon, or one that does not answer. The lock keeps one that starts just now out.
  const auto lock = engine::take_lock(view->run_dir);
  if (exists(view->pin_dir)) {
    if (auto removed = kernel::remove_pinned(view->pin_dir); !removed) {
      return fail(std::move(removed.error()).in("disarm"));
    }
  }
  if (!lock && lock.error().code == Errc::busy) {
    return "disarmed, but the daemon does not answer: end it, it may hold programs in place";
  }
  return "disarmed: nothing is enforced until `nodewall arm`";
}

Result<std::string> arm(const NodePlace& place) {
  const auto view = view_node(place);
  if (!view) return fail(view.error());
  if (view->armed) return "armed already";
  if (auto done = engine::clear_disarmed(view->run_dir); !done) return fail(done.error());
  if (!view->daemon_alive) return "armed: enforcement begins when nodewalld starts";
  const bool followed = wait_until(kArmSteps, [&] { return daemon_says_armed(*view, true); });
  if (followed) return "armed: enforced again";
  return fail(Errc::busy, "armed, but the daemon does not answer: see its log");
}

}  // namespace nodewall::cli
