// events: the packets that Log rules matched, from the files that the daemon writes. It works without a daemon.
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <deque>

#include "arguments.h"
#include "base/fd.h"
#include "config/duration.h"
#include "engine/event_json.h"
#include "engine/event_log.h"
#include "engine/state_file.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

constexpr const char* kHelp = "nodewall events --help";
constexpr int kLookAgainMs = 1000;  // also when the kernel does not say that a file changed

// Columns as wide as most cells are: under --follow nobody knows the widest.
constexpr std::array<std::size_t, 6> kWidths = {27, 15, 7, 7, 13, 44};

struct Wanted {
  bool json = false;
  std::string since;      // as time_text writes it; empty: from the beginning
  std::string interface;  // empty: all
};

// What the terminal would obey was escaped when the line was written; the line may be somebody else's.
std::string row_of(const std::vector<std::string>& cells) {
  std::string row;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto cell = cells[i].empty() ? "-" : escaped(cells[i]);
    row += cell;
    if (i + 1 == cells.size()) break;
    row.append(cell.size() < kWidths[i] ? kWidths[i] - cell.size() + 2 : 2, ' ');
  }
  return row + "\n";
}

std::string text_of(const engine::EventLine& event, bool json) {
  if (json) return engine::json_line(event.value) + "\n";
  return row_of({event.time, event.interface, event.direction, event.verdict, event.reason, event.packet, event.rule});
}

class Reader {
 public:
  Reader(const std::string& run_dir, Wanted wanted) : tail_(run_dir), wanted_(std::move(wanted)) {}

  // Tells what is new, as printed, to `take`.
  Status read(const std::function<void(std::string text)>& take) {
    auto done = tail_.read([&](std::string_view line) {
      const auto event = engine::read_event_line(line);
      if (!event) {
        ++foreign_;
        return;
      }
      if (!wanted_.since.empty() && event->time < wanted_.since) return;
      if (!wanted_.interface.empty() && event->interface != wanted_.interface) return;
      take(text_of(*event, wanted_.json));
    });
    if (tail_.take_missed()) warn("events are missing here: the daemon wrote more than its files hold");
    if (foreign_ > 0) warn(fmt::format("{} line(s) are no packet events and were left out", std::exchange(foreign_, 0)));
    return done;
  }

 private:
  engine::EventTail tail_;
  Wanted wanted_;
  std::size_t foreign_ = 0;
};

// Wakes when something in the run directory changed, or the user ends the program.
class Watch {
 public:
  explicit Watch(const std::string& run_dir) : changes_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    sigset_t ends;
    sigemptyset(&ends);
    for (const int signal : {SIGINT, SIGTERM}) sigaddset(&ends, signal);
    ::sigprocmask(SIG_BLOCK, &ends, nullptr);
    signals_ = Fd(::signalfd(-1, &ends, SFD_CLOEXEC));
    if (changes_.valid()) ::inotify_add_watch(changes_.get(), run_dir.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  }

  // False: it is time to end.
  bool wait() {
    pollfd on[] = {{signals_.get(), POLLIN, 0}, {changes_.get(), POLLIN, 0}};
    ::poll(on, std::size(on), kLookAgainMs);
    std::array<char, 4096> ignored{};
    while (changes_.valid() && ::read(changes_.get(), ignored.data(), ignored.size()) > 0) {
    }
    return (on[0].revents & POLLIN) == 0;
  }

 private:
  Fd changes_, signals_;
};

int follow(Reader& reader, Watch& watch) {
  while (true) {
    // A reader that went away ends it.
    if (const int code = finish(0); code != 0) return code;
    if (!watch.wait()) return 0;
    if (auto done = reader.read([](const std::string& text) { print(text); }); !done) return report(done.error());
  }
}

}  // namespace

void declare_events(CLI::App& app, Arguments& arguments) {
  app.add_option("-o,--output", arguments.output, "table (the default) or json: one event a line")
      ->check(CLI::IsMember({"table", "json"}));
  app.add_flag("-f,--follow", arguments.follow, "Go on with what comes, until it is interrupted");
  app.add_option("--since", arguments.since, "Only events of so long ago at most (90s, 10m, 24h)");
  app.add_option("--interface", arguments.interface, "Only events of this interface");
  app.add_option("--limit", arguments.limit, "Only the last so many of those that are there");
  app.add_option("--run-dir", arguments.run_dir, "Run directory of the daemon (NODEWALL_RUN_DIR)");
}

int run_events(const Arguments& arguments) {
  Wanted wanted{.json = arguments.output == "json", .since = {}, .interface = arguments.interface};
  if (!arguments.since.empty()) {
    const auto since = config::parse_duration(arguments.since);
    if (!since) return usage("--since: " + since.error().message(), kHelp);
    wanted.since = engine::time_text(engine::moment_now().wall_ns - since->count());
  }
  auto run_dir = arguments.run_dir.empty() ? engine::default_run_dir(engine::CreateDir::no) : Result<std::string>(arguments.run_dir);
  if (!run_dir) return report(run_dir.error());

  std::optional<Watch> watch;
  if (arguments.follow) watch.emplace(*run_dir);  // before the first read: nothing comes unseen
  Reader reader(*run_dir, wanted);
  std::deque<std::string> last;
  const auto done = reader.read([&](std::string text) {
    last.push_back(std::move(text));
    if (arguments.limit && last.size() > *arguments.limit) last.pop_front();
  });
  if (!done) return report(done.error());
  if (!wanted.json) print(row_of({"TIME", "INTERFACE", "DIR", "VERDICT", "REASON", "PACKET", "POLICY/RULE"}));
  for (const auto& text : last) print(text);
  return arguments.follow ? follow(reader, *watch) : 0;
}

}  // namespace nodewall::cli
