#include "model/pattern.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>

using nodewall::model::NameList;
using nodewall::model::Pattern;

namespace {

bool matches(const std::string& pattern, const std::string& interface) {
  const auto made = Pattern::make(pattern);
  if (!made) FAIL(pattern << ": " << made.error().message());
  return made->matches(interface);
}

}  // namespace

TEST_CASE("a pattern matches anywhere in the name unless it is anchored") {
  CHECK(matches("th", "eth0"));
  CHECK_FALSE(matches("^th", "eth0"));
  CHECK(matches("^eth[0-9]+$", "eth10"));
  CHECK_FALSE(matches("^eth[0-9]+$", "eth10.5"));
  CHECK(matches("^(eth|ens).*", "ens3"));
  CHECK(matches("", "anything"));
  CHECK(matches("e{1,2}th", "eth0"));
}

TEST_CASE("the syntax is that of Go") {
  CHECK(matches(R"(^eth\d+$)", "eth12"));
  CHECK_FALSE(matches(R"(^eth\d$)", "ethd"));
  CHECK(matches(R"(^eth0\.\d+$)", "eth0.100"));
  CHECK_FALSE(matches(R"(^eth0\.\d+$)", "eth0x100"));
  CHECK(matches(R"(^[\w.-]+$)", "br-a_1.2"));
  CHECK(matches(R"(^[^\d]+$)", "wlan"));
  CHECK_FALSE(matches(R"(^[^\d]+$)", "wlan0"));
  CHECK(matches("^(?:eth|ens)0$", "ens0"));
  CHECK(matches("^e.*?0$", "eth0"));
  CHECK(matches(R"(^a[\]\-]b$)", "a]b"));
  CHECK(matches(R"(^a[\]\-]b$)", "a-b"));
  CHECK(matches(R"(^a[\^]b$)", "a^b"));
  CHECK(matches(R"(\Aeth0\z)", "eth0"));
  CHECK(matches("a{x", "a{x"));
  CHECK(matches("^a{,3}$", "a{,3}"));
  CHECK(matches(R"(^[[:alpha:]]+[[:^alpha:]]$)", "eth0"));
  CHECK(matches(R"(^[\D]+$)", "wlan"));
  CHECK_FALSE(matches(R"(^[\D]+$)", "wlan0"));
  CHECK(matches("^[]^-]+$", "]^-"));
  CHECK(matches(R"(\beth)", "br.eth0"));
  CHECK_FALSE(matches(R"(\beth)", "veth0"));
  CHECK(matches(R"(\Beth)", "veth0"));
  CHECK(matches("^(|a)b$", "b"));
  CHECK(matches("^(|a)b$", "ab"));
  CHECK(matches("^a{2,}$", "aaa"));
  CHECK_FALSE(matches("^a{2,3}$", "aaaa"));
  CHECK_FALSE(matches("^a{2,3}$", "a"));
  CHECK(matches("^a{2,3}$", "aaa"));
  CHECK(matches("^(a*)*$", ""));
  CHECK(matches("x$|^y", "yx"));
}

TEST_CASE("what cannot be used says why, and at which character") {
  struct Bad {
    const char* text;
    int at;
  };
  for (const auto& [text, at] : {Bad{"(", 1}, {"ab(c", 3}, {")", 1}, {"a)", 2}, {"[a", 1}, {"ab[]", 3}, {"\\", 1}, {"(?i)eth", 1},
                                 {"x(?P<n>a)", 2}, {"(a)\\1", 4}, {"\\pN", 1}, {"a**", 3}, {"a*{2}", 3}, {"a{2}{2}", 5}, {"*a", 1},
                                 {"a|+", 3}, {"({2})", 2}, {"a{3,2}", 2}, {"[[:nothing:]]", 2}, {"[b[:alpha", 3}, {"[z-a]", 2},
                                 {"[a-\\d]", 2}, {"[\\q]", 2}, {"ab\n", 3}, {"[\x80]", 2}}) {
    INFO(text);
    const auto made = Pattern::make(text);
    REQUIRE_FALSE(made);
    CHECK(made.error().message().starts_with("at character " + std::to_string(at) + ": "));
  }
}

TEST_CASE("what is repeated is bounded when written out") {
  CHECK_FALSE(Pattern::make("(((a{16}){16}){16}){16}"));
  CHECK_FALSE(Pattern::make("a{257}"));
  CHECK_FALSE(Pattern::make("a{99999999999}"));
  CHECK_FALSE(Pattern::make("((){256}){2}"));
  CHECK_FALSE(Pattern::make("(abcdefgh){200}"));
  CHECK_FALSE(Pattern::make(std::string(257, 'a')));
  CHECK(Pattern::make(std::string(256, 'a')));
  CHECK(matches("^a{4}$", "aaaa"));
  CHECK(matches("^(a?){200}b{200}", std::string(200, 'b')));
}

TEST_CASE("a list has names and patterns between slashes") {
  const NameList list({"eth1", "/^cal/", "/(/"});
  CHECK(list.contains("eth1"));
  CHECK_FALSE(list.contains("eth10"));
  CHECK(list.contains("cali0"));
  CHECK_FALSE(list.contains("vcal"));
  CHECK_FALSE(list.contains("("));
}

TEST_CASE("T-X10: no pattern takes long, whatever it is") {
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += "(";
  std::string alternatives = "(a";
  while (alternatives.size() < 250) alternatives += "|a";
  const std::string hostile[] = {"(a+)+$", "(a|a)*$", "(a*)*b", "((a*)*)*b", "(.*)(.*)(.*)(.*)(.*)(.*)x", "(((a{16}){16}){16}){16}",
                                 "a{255}{255}", "((((((((a+)+)+)+)+)+)+)+)+b", nested, alternatives + ")*b", std::string(100'000, '('),
                                 "(a?){200}a{200}", "((a?b?c?d?)?){60}", std::string(256, '|')};
  const auto start = std::chrono::steady_clock::now();
  for (const auto& pattern : hostile) {
    const auto made = Pattern::make(pattern);
    if (made) (void)made->matches("aaaaaaaaaaaaaa!");
  }
  // Machines are slow at times; an exponential search, or its memory, would take far longer.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}
