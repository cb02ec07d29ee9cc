// nodewall events, on files as the daemon writes them; there is no daemon.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "place.h"

using Catch::Matchers::ContainsSubstring;
using nodewall::test::has_control_bytes;
using nodewall::test::Place;

namespace {

std::string event(const std::string& time, const std::string& interface, int port) {
  return R"({"chain":"ingress","direction":"ingress","dport":)" + std::to_string(port) +
         R"(,"dst":"10.0.0.2","flags":"S","forwarded":false,"generation":4,"hostEndpoint":"hep","interface":")" + interface +
         R"(","length":74,"logRules":[{"policy":"log-all","rule":0,"tier":"default"}],"protocol":"TCP","reason":"policy",)" +
         R"("policy":"web","rule":2,"tier":"default","sport":31245,"src":"10.0.0.1","time":")" + time + R"(","verdict":"allow"})" + "\n";
}

std::string minutes_ago(int minutes) {
  const std::time_t then = std::time(nullptr) - 60L * minutes;
  std::tm utc{};
  ::gmtime_r(&then, &utc);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000Z", &utc);
  return text;
}

constexpr const char* kTime = "2026-03-01T12:00:00.123456Z";

std::size_t lines_of(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// `nodewall events --follow`, with its output in a file.
class Follower {
 public:
  explicit Follower(const Place& place) : out_(place.path("followed")) {
    const auto run_dir = place.path("run");
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ != 0) return;
    const int fd = ::open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ::dup2(fd, STDOUT_FILENO) < 0) ::_exit(127);
    ::execl(NODEWALL_BINARY, NODEWALL_BINARY, "events", "--follow", "--run-dir", run_dir.c_str(), nullptr);
    ::_exit(127);
  }
  Follower(const Follower&) = delete;
  ~Follower() {
    if (child_ > 0) end(SIGKILL);
  }

  [[nodiscard]] bool shows(const std::string& text) const {
    for (int i = 0; i < 3000; ++i) {
      if (text_of(out_).find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  int end(int signal) {
    ::kill(child_, signal);
    int status = -1;
    ::waitpid(child_, &status, 0);
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  std::string out_;
  pid_t child_ = 0;
};

}  // namespace

TEST_CASE("events are shown with packet, verdict and rule, the older file first, without a daemon") {
  const Place place;
  CHECK(lines_of(place.done({"events"})) == 1);  // the heading: nothing was logged
  place.write("run/events.jsonl.1", event("2026-03-01T11:00:00.000000Z", "eth0", 79));
  place.write("run/events.jsonl", event(kTime, "eth0", 80) + R"({"damaged":0,"lost":2,"suppressed":17,"time":"2026-03-01T12:00:01.000000Z"})" + "\n");
  CHECK(place.done({"events"}) ==
        "TIME                         INTERFACE        DIR      VERDICT  REASON         PACKET                                        POLICY/RULE\n"
        "2026-03-01T11:00:00.000000Z  eth0             ingress  allow    policy         TCP 10.0.0.1:31245 > 10.0.0.2:79 S            default/web/2, log default/log-all/0\n"
        "2026-03-01T12:00:00.123456Z  eth0             ingress  allow    policy         TCP 10.0.0.1:31245 > 10.0.0.2:80 S            default/web/2, log default/log-all/0\n"
        "2026-03-01T12:00:01.000000Z  -                -        -        -              not told until now: 17 by the rate limit, 2 unread  -\n");
}

TEST_CASE("events as JSON are one object a line") {
  const Place place;
  place.write("run/events.jsonl", event(kTime, "eth0", 80));
  const auto line = place.done({"events", "-o", "json"});
  CHECK(lines_of(line) == 1);
  CHECK_THAT(line, ContainsSubstring(R"("dport":80,"dst":"10.0.0.2")"));
  CHECK(place.run({"events", "-o", "yaml"}).code == 2);
}

TEST_CASE("events are chosen by interface, age and number") {
  const Place place;
  place.write("run/events.jsonl", event(minutes_ago(120), "eth0", 1) + event(minutes_ago(30), "eth1", 2) + event(minutes_ago(20), "eth0", 3) +
                                      event(minutes_ago(1), "eth0", 4));
  const auto count = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"events", "-o", "json"});
    return lines_of(place.done(flags));
  };
  CHECK(count({}) == 4);
  CHECK(count({"--interface", "eth1"}) == 1);
  CHECK(count({"--since", "10m"}) == 1);
  CHECK(count({"--since", "1h"}) == 3);
  CHECK(count({"--since", "1h", "--interface", "eth0"}) == 2);
  CHECK(count({"--limit", "0"}) == 0);
  CHECK_THAT(place.done({"events", "-o", "json", "--limit", "1"}), ContainsSubstring(R"("dport":4)"));
  CHECK(place.run({"events", "--since", "soon"}).code == 2);
  CHECK(place.run({"events", "--limit", "-1"}).code == 2);
}

TEST_CASE("T-X9: hostile event files never reach the terminal raw, and cost only their own lines") {
  const Place place;
  place.write("run/events.jsonl", "\x1b[2J\x9b\n" + event(kTime, "\\u001b[31m\\u009b", 80) + std::string(200000, '{') + "\n" +
                                      event(kTime, "raw\x1b", 81) + event(kTime, "\xc2\x9b", 82) + "{\"time\":\"" + kTime + "\"}\n");
  for (const auto* form : {"table", "json"}) {
    const auto outcome = place.run({"events", "-o", form});
    INFO(outcome.out << outcome.err);
    CHECK(outcome.code == 0);
    CHECK(!has_control_bytes(outcome.out + outcome.err));
    CHECK(outcome.out.find("\xc2\x9b") == std::string::npos);
    CHECK(lines_of(outcome.out) == (std::string(form) == "table" ? 3 : 2));
    CHECK_THAT(outcome.err, ContainsSubstring("3 line(s) are no packet events"));
  }
}

TEST_CASE("event files that others can write are not shown") {
  const Place place;
  const auto file = place.write("run/events.jsonl", event(kTime, "eth0", 80));
  ::chmod(file.c_str(), 0666);
  const auto outcome = place.run({"events"});
  CHECK(outcome.code == 3);
  CHECK(outcome.out.empty());
}

TEST_CASE("events are followed across a change of files until the program is ended, with exit code 0") {
  const Place place;
  const auto current = place.path("run/events.jsonl");
  Follower follower(place);
  REQUIRE(follower.shows("POLICY/RULE"));
  place.write("run/events.jsonl", event(kTime, "eth0", 1001));
  CHECK(follower.shows("10.0.0.2:1001"));
  std::ofstream(current, std::ios::app) << event(kTime, "eth0", 1002);
  CHECK(follower.shows("10.0.0.2:1002"));
  std::filesystem::rename(current, place.path("run/events.jsonl.1"));
  place.write("run/events.jsonl", event(kTime, "eth0", 1003));
  CHECK(follower.shows("10.0.0.2:1003"));
  CHECK(follower.end(SIGTERM) == 0);
}
