#include "engine/event_log.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

using namespace nodewall;
using engine::EventLog;
using engine::EventTail;
using Lines = std::vector<std::string>;

namespace {

struct RunDir {
  std::string path;
  RunDir() {
    char name[] = "/tmp/nw-events-XXXXXX";
    path = ::mkdtemp(name);
  }
  RunDir(const RunDir&) = delete;
  ~RunDir() { std::filesystem::remove_all(path); }

  [[nodiscard]] std::string current() const { return path + "/events.jsonl"; }
  [[nodiscard]] std::string older() const { return path + "/events.jsonl.1"; }
  [[nodiscard]] static std::string text(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  static void put(const std::string& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
    ::chmod(file.c_str(), 0600);
  }
};

Lines read(EventTail& tail) {
  Lines lines;
  REQUIRE(tail.read([&](std::string_view line) { lines.emplace_back(line); }));
  return lines;
}

// No file of this process may grow beyond `bytes`: what a full disk is to one.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileLimit(const FileLimit&) = delete;
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("events are appended to a file of mode 0600") {
  const RunDir dir;
  EventLog log(dir.path);
  REQUIRE(log.write("one"));
  REQUIRE(log.write("two"));
  CHECK(RunDir::text(dir.current()) == "one\ntwo\n");
  struct stat info {};
  REQUIRE(::stat(dir.current().c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  EventLog again(dir.path);
  REQUIRE(again.write("three"));
  CHECK(RunDir::text(dir.current()) == "one\ntwo\nthree\n");
}

TEST_CASE("a file that would grow too large becomes the older one, and there are never more than two") {
  const RunDir dir;
  EventLog log(dir.path, 10);
  for (const auto* line : {"aaaa", "bbbb", "cccc", "dddd", "eeee"}) REQUIRE(log.write(line));
  CHECK(RunDir::text(dir.current()) == "eeee\n");
  CHECK(RunDir::text(dir.older()) == "cccc\ndddd\n");
  REQUIRE(log.write("longer than a file"));  // a line is never cut
  CHECK(RunDir::text(dir.current()) == "longer than a file\n");
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path), {}) == 2);
}

TEST_CASE("a full disk costs whole lines and no more") {
  const RunDir dir;
  EventLog log(dir.path);
  REQUIRE(log.write("one"));
  {
    const FileLimit full(7);  // a part of the next line fits
    const auto written = log.write("two-two");
    REQUIRE_FALSE(written);
    CHECK_FALSE(log.write("two-two"));
    CHECK(RunDir::text(dir.current()) == "one\n");
  }
  REQUIRE(log.write("three"));
  CHECK(RunDir::text(dir.current()) == "one\nthree\n");
}

TEST_CASE("a line that a writer left unfinished is ended before the next") {
  const RunDir dir;
  RunDir::put(dir.current(), "one\ntw");
  EventLog log(dir.path);
  REQUIRE(log.write("three"));
  CHECK(RunDir::text(dir.current()) == "one\ntw\nthree\n");
}

TEST_CASE("a file that was taken away is made again") {
  const RunDir dir;
  EventLog log(dir.path);
  REQUIRE(log.write("one"));
  std::filesystem::remove(dir.current());
  REQUIRE(log.write("two"));
  CHECK(RunDir::text(dir.current()) == "two\n");
}

TEST_CASE("a link, a pipe, or a file that others can write is neither written nor read") {
  const RunDir dir;
  const auto refused = [&] {
    EventLog log(dir.path);
    EventTail tail(dir.path);
    const bool both = !log.write("one") && !tail.read([](std::string_view) {});
    std::filesystem::remove(dir.current());
    return both;
  };
  RunDir::put(dir.path + "/other", "");
  std::filesystem::create_symlink(dir.path + "/other", dir.current());
  CHECK(refused());
  REQUIRE(::mkfifo(dir.current().c_str(), 0600) == 0);
  CHECK(refused());
  RunDir::put(dir.current(), "");
  ::chmod(dir.current().c_str(), 0622);
  CHECK(refused());
  CHECK(RunDir::text(dir.path + "/other").empty());
}

TEST_CASE("a reader gets the older file, the current one, and then what comes, across a change of files") {
  const RunDir dir;
  EventTail tail(dir.path);
  CHECK(read(tail).empty());  // nothing was written yet
  EventLog log(dir.path, 10);
  for (const auto* line : {"a", "b"}) REQUIRE(log.write(line));
  CHECK(read(tail) == Lines{"a", "b"});
  for (const auto* line : {"cccc", "dddd"}) REQUIRE(log.write(line));  // the second goes to a new file
  CHECK(read(tail) == Lines{"cccc", "dddd"});
  CHECK_FALSE(tail.take_missed());
  CHECK(read(tail).empty());
  EventTail late(dir.path);
  CHECK(read(late) == Lines{"a", "b", "cccc", "dddd"});
}

TEST_CASE("a reader that was too slow for two changes of files says so, once") {
  const RunDir dir;
  EventLog log(dir.path, 5);
  REQUIRE(log.write("aaaa"));
  EventTail tail(dir.path);
  CHECK(read(tail) == Lines{"aaaa"});
  for (const auto* line : {"bbbb", "cccc"}) REQUIRE(log.write(line));
  CHECK(read(tail) == Lines{"cccc"});
  CHECK(tail.take_missed());
  CHECK_FALSE(tail.take_missed());
}

TEST_CASE("half a line is told when it is whole, an endless one never") {
  const RunDir dir;
  RunDir::put(dir.current(), "one\ntw");
  EventTail tail(dir.path);
  CHECK(read(tail) == Lines{"one"});
  const auto append = [&](const std::string& text) { std::ofstream(dir.current(), std::ios::app) << text; };
  append("o\n");
  CHECK(read(tail) == Lines{"two"});
  append(std::string(300000, 'x'));
  CHECK(read(tail).empty());
  append("xx\nfour\n");
  CHECK(read(tail) == Lines{"four"});
}

TEST_CASE("a file that was emptied is read from its beginning again") {
  const RunDir dir;
  RunDir::put(dir.current(), "one\ntwo\n");
  EventTail tail(dir.path);
  CHECK(read(tail) == Lines{"one", "two"});
  RunDir::put(dir.current(), "x\n");
  CHECK(read(tail) == Lines{"x"});
}
