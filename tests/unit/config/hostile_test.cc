// T-Y1: texts that are made to make a reader slow, deep or large. Memory is counted by the allocator. Time is that of this
// process's own work, beside the longest document that is read whole: the machine, however slow, is in both. Under sanitizers
// the texts are smaller.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string>
#include <tuple>
#include <vector>

#include "support.h"

using namespace nodewall;
using namespace nodewall::config;

namespace {

std::atomic<std::size_t> live_bytes{0};
std::atomic<std::size_t> most_bytes{0};

void* counted(std::size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  const auto live = live_bytes += malloc_usable_size(memory);
  std::size_t most = most_bytes;
  while (live > most && !most_bytes.compare_exchange_weak(most, live)) {
  }
  return memory;
}

void uncounted(void* memory) {
  if (memory == nullptr) return;
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

struct Cost {
  std::size_t bytes = 0;
  std::chrono::milliseconds time{};
  Decoded decoded;
};

Cost cost_of(const std::string& text) {
  const std::size_t before = live_bytes;
  most_bytes = before;
  const auto start = std::clock();
  Cost cost{.bytes = 0, .time = {}, .decoded = decode(text, "f.yaml")};
  cost.time = std::chrono::milliseconds((std::clock() - start) * 1000 / CLOCKS_PER_SEC);
  cost.bytes = most_bytes - before;
  return cost;
}

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kBytes = 1'000'000;
#else
constexpr std::size_t kBytes = 9'900'000;
#endif
constexpr std::size_t kMemory = 16'777'216;
// Of the honest document's time. The dearest text takes 1.3 times of it; one that is read again for each of its lines would
// take thousands.
constexpr int kTimes = 4;

// The quickest of three: what else the machine does meanwhile only adds.
std::chrono::milliseconds quickest(const std::string& text) {
  auto time = std::chrono::milliseconds::max();
  for (int reading = 0; reading < 3; ++reading) time = std::min(time, cost_of(text).time);
  return time;
}

std::chrono::milliseconds allowed_time() {
  static const auto honest = quickest("x:\n" + repeated("- a\n", 99'000));
  return std::max(honest * kTimes, std::chrono::milliseconds(20));
}

void is_refused_cheaply(const std::string& name, const std::string& text, std::string_view words) {
  const auto cost = cost_of(text);
  INFO(name << ": " << cost.bytes << " bytes, " << cost.time.count() << " ms\n" << described(cost.decoded).substr(0, 500));
  CHECK(cost.decoded.resources.empty());
  REQUIRE_FALSE(cost.decoded.diagnostics.empty());
  CHECK(cost.decoded.diagnostics.front().at.line >= 1);
  CHECK(cost.decoded.diagnostics.front().at.column >= 1);
  CHECK(cost.decoded.diagnostics.front().message.find(words) != std::string::npos);
  CHECK(cost.bytes <= kMemory);
  CHECK((cost.time < allowed_time() || quickest(text) < allowed_time()));
}

std::string filled(std::string_view unit) {
  return repeated(unit, kBytes / unit.size());
}

std::string alias_bomb() {
  std::string text = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char level = 'b'; level <= 'i'; ++level) {
    text += std::string(1, level) + ": &" + level + " [";
    for (int i = 0; i < 9; ++i) text += std::string(i == 0 ? "*" : ",*") + static_cast<char>(level - 1);
    text += "]\n";
  }
  return text;
}

std::string many_anchors() {
  std::string text = "x:\n";
  for (int i = 0; i < 90'000; ++i) text += "- &a" + std::to_string(i) + " " + std::string(90, 'x') + "\n";
  return text;
}

std::string nested_anchors() {
  std::string text = "x: ";
  for (int i = 0; i < 60; ++i) text += "&a" + std::to_string(i) + " [";
  return text + repeated("x,", 15'000) + std::string(60, ']') + "\n";
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new[](std::size_t size) {
  return counted(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return counted(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  uncounted(memory);
}
void operator delete(void* memory) noexcept {
  uncounted(memory);
}
void operator delete[](void* memory) noexcept {
  uncounted(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  uncounted(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  uncounted(memory);
}

TEST_CASE("T-Y1 deep nesting is refused before it costs anything") {
  is_refused_cheaply("flow sequences", repeated("[", 10'000), "nested more than 64");
  is_refused_cheaply("many flow sequences", filled("["), "nested more than 64");
  is_refused_cheaply("in a value", "x: " + repeated("[", 10'000), "nested more than 64");
  is_refused_cheaply("many in a value", "x: " + filled("["), "nested too often");
  is_refused_cheaply("many flow mappings", "x: " + filled("{"), "nested too often");
  is_refused_cheaply("over lines", "x: " + filled("[\n"), "nested too often");
  is_refused_cheaply("mappings", "x: " + filled("{a: "), "nested more than 64");
  is_refused_cheaply("dashes", filled("- "), "nested more than 64");
  is_refused_cheaply("questions", filled("? "), "nested more than 64");
  std::string indented;
  for (std::size_t i = 0; i < 3'000; ++i) indented += std::string(i, ' ') + "a:\n";
  is_refused_cheaply("indentation", indented, "nested more than 64");
}

TEST_CASE("T-Y1 aliases and anchors cannot multiply a document") {
  is_refused_cheaply("9 levels of 9", alias_bomb(), "more than 100000 nodes");
  is_refused_cheaply("a long scalar", "a: &a " + std::string(100'000, 'x') + "\nb:\n" + repeated("- *a\n", 50'000),
                     "aliases make the document larger");
  is_refused_cheaply("many anchors", many_anchors(), "more than 1000 anchors");
  is_refused_cheaply("nested anchors", nested_anchors(), "more than 100000 nodes");
  is_refused_cheaply("of itself", "a: &a [*a]\n", "an alias inside its own anchor");
  is_refused_cheaply("of nothing", "a: *b\n", "the referenced anchor is not defined");
}

TEST_CASE("T-Y1 large scalars, comments and lists are refused in the memory that is allowed") {
  is_refused_cheaply("100 MB", "a: " + std::string(100'000'000, 'x'), "a document of more than 10000000 bytes");
  for (const auto& [name, head, unit] : std::vector<std::tuple<std::string, std::string, std::string>>{{"plain", "a: ", "x"},
                                                                                                       {"double quoted", "a: \"", "x"},
                                                                                                       {"single quoted", "a: '", "x"},
                                                                                                       {"literal", "a: |\n", "  xxxx\n"},
                                                                                                       {"folded", "a: >\n", "  xxxx\n"},
                                                                                                       {"blank lines", "a: 1\n", "\n"},
                                                                                                       {"comments", "a: 1\n", "# xxxxxx\n"},
                                                                                                       {"blanks", "a: 1\n", " "},
                                                                                                       {"anchors", "", "&a "},
                                                                                                       {"a tag", "a: !", "a"},
                                                                                                       {"colons", "", ":"},
                                                                                                       {"quotes", "", "'"},
                                                                                                       {"lines", "", "a\n"}})
    is_refused_cheaply(name, head + filled(unit), "");
  is_refused_cheaply("a list", "x:\n" + filled("- a\n"), "more than 100000 nodes in one document; a long list of networks can be several sets");
  is_refused_cheaply("a flow list", "x: [" + filled("a,"), "more than 100000 nodes");
  is_refused_cheaply("a JSON list", "[" + filled("{},"), "more than 100000 nodes");
  is_refused_cheaply("a JSON string", "{\"a\": \"" + filled("x"), "unterminated string");
}

TEST_CASE("T-Y1 many documents are read up to a limit, and it is said") {
  const auto empty = cost_of(repeated("---\n", 5'000'000));
  INFO(empty.bytes << " bytes, " << empty.time.count() << " ms");
  REQUIRE(empty.decoded.diagnostics.size() == 1);
  CHECK(empty.decoded.diagnostics[0].message.find("more than 100000 documents") != std::string::npos);
  CHECK(empty.bytes <= kMemory);
  const auto bad = cost_of(repeated("--- a\n", 20'000));
  CHECK(bad.decoded.diagnostics.size() == 1001);
  CHECK(bad.decoded.diagnostics.back().message == "and 19000 more faults in this text");
  CHECK(bad.bytes <= kMemory);
}

TEST_CASE("a fault says nothing that a terminal obeys, whoever worded it") {
  for (const auto& [text, words] : {std::pair{"%YAML 1.1\x1b[2J\na: 1\n", "bad YAML version: 1.1\\x1b[2J"},
                                    {"a: \"\\\x1b\"\n", "unknown escape character: \\x1b"},
                                    {"a: \"\\\xc3\xa9\"\n", "unknown escape character: \\xc3"}}) {
    const auto decoded = decode(text, "f.yaml");
    REQUIRE(decoded.diagnostics.size() == 1);
    CHECK(decoded.diagnostics[0].message == words);
  }
  const auto decoded = decode("apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: p, labels: {\"a\\e\": b}}\n", "f.yaml");
  REQUIRE(decoded.diagnostics.size() == 1);
  CHECK(decoded.diagnostics[0].message.starts_with("error with field metadata.labels.a\\x1b = 'a\\x1b' (Reason: failed to validate Field: a\\x1b "));
}

TEST_CASE("T-Y1 keys that are doubled, merged or no text are refused with their place") {
  const auto place = [](const std::string& text, std::string_view line_column, std::string_view words) {
    const auto decoded = decode(text, "f.yaml");
    INFO(text << described(decoded));
    REQUIRE(decoded.diagnostics.size() == 1);
    CHECK(to_string(decoded.diagnostics[0]).starts_with("f.yaml:" + std::string(line_column) + ": "));
    CHECK(decoded.diagnostics[0].message.find(words) != std::string::npos);
    CHECK(decoded.resources.empty());
  };
  place("kind: Tier\nkind: Tier\n", "2:1", "duplicate key \"kind\"");
  place("{\"kind\": \"Tier\",\n \"kind\": 1}", "2:2", "duplicate key \"kind\"");
  place("a: {b: 1, \"b\": 2}\n", "1:11", "duplicate key \"b\"");
  place("a: &a {b: 1}\nc:\n  <<: *a\n", "3:3", "merge keys (<<) are not allowed");
  place("? [a]\n: b\n", "1:3", "a key must be a string");
  place("a: !!python/object:os.system x\n", "1:4", "the tag 'tag:yaml.org,2002:python/object:os.system' is not allowed");
  place("a: !!binary aGk=\n", "1:4", "is not allowed");
  place("a: !mine {b: 1}\n", "1:4", "the tag '!mine' is not allowed");
  place("# first\n%TAG ! tag:example.com,2000:\na: 1\n", "2:1", "directive");
  place("a:\n\tb: 1\n", "2:3", "a tab cannot indent, use spaces");
  place(std::string("a: b\nc: x\0y\n", 12), "2:5", "a NUL byte");
  place("a: 1\nb: \xff\xfe\n", "2:4", "not UTF-8 text");
  place(
      "\xff\xfe"
      "a\n",
      "1:1", "not UTF-8 text");
  place("a: \"b\n", "2:1", "a quoted string has no end");
  place("a: \"b", "1:6", "a quoted string has no end");
  place("a: 'b\n\n\n", "4:1", "a quoted string has no end");
  // The library looks for eight digits, and finds the end of the document that it was told behind the text.
  place("a: \"\\U0\x1b\"\n", "2:1", "bad character found while scanning hex number");
  place("a: [1,\n", "2:1", "end of sequence flow not found");
  place("a: {b: 1\n", "2:1", "end of map flow not found");
  place("a: 1\n...\nb: 2\n", "3:1", "content after the document's end");
  place("{\"a\": \"\\ud800\"}", "1:14", "invalid unicode");
}
