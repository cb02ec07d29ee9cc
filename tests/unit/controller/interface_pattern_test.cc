#include "controller/interface_pattern.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>

using nodewall::controller::InterfacePattern;

namespace {

bool matches(const std::string& pattern, const std::string& interface) {
  const auto made = InterfacePattern::make(pattern);
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

TEST_CASE("what Go writes otherwise than POSIX means the same") {
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
}

TEST_CASE("what cannot be used says why") {
  for (const auto* pattern : {"(", ")", "a)", "[a", "\\", "(?i)eth", "(?P<n>a)", "(a)\\1", "\\pN", "a**", "[[:nothing:]]", "[z-a]", "\n"}) {
    INFO(pattern);
    const auto made = InterfacePattern::make(pattern);
    REQUIRE_FALSE(made);
    CHECK_FALSE(made.error().message().empty());
  }
}

TEST_CASE("repetitions that would fill the memory are refused") {
  CHECK_FALSE(InterfacePattern::make("(((a{16}){16}){16}){16}"));
  CHECK_FALSE(InterfacePattern::make("a{257}"));
  CHECK_FALSE(InterfacePattern::make("a{99999999999}"));
  CHECK(matches("^a{4}$", "aaaa"));
}

TEST_CASE("no pattern takes long, whatever it is") {
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += "(";
  std::string alternatives = "(a";
  while (alternatives.size() < 250) alternatives += "|a";
  const std::string hostile[] = {"(a+)+$", "(a|a)*$", "(a*)*b", "((a*)*)*b", "(.*)(.*)(.*)(.*)(.*)(.*)x", "(((a{16}){16}){16}){16}",
                                 "a{255}{255}", "((((((((a+)+)+)+)+)+)+)+)+b", nested, alternatives + ")*b", std::string(100'000, '('),
                                 "(a?){200}a{200}"};
  const auto start = std::chrono::steady_clock::now();
  for (const auto& pattern : hostile) {
    const auto made = InterfacePattern::make(pattern);
    if (made) (void)made->matches("aaaaaaaaaaaaaa!");
  }
  // Machines are slow at times; an exponential search, or its memory, would take far longer.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}
