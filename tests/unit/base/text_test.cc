#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <string>

#include "base/error.h"
#include "base/printable.h"
#include "base/result.h"

using namespace nodewall;

TEST_CASE("an error is printed from the outside in") {
  const Error error = Error{.code = Errc::kernel, .what = "no such device", .sys_errno = ENODEV, .context = {}}.in("attach").in("eth0");
  CHECK(error.message() == "eth0: attach: no such device");
  const Error kept = error;
  CHECK(kept.in("apply").message() == "apply: eth0: attach: no such device");
  CHECK(kept.message() == "eth0: attach: no such device");
}

TEST_CASE("an errno that means no permission is an error of permission") {
  CHECK(errno_error("open", EPERM).code == Errc::permission);
  CHECK(errno_error("open", EACCES).code == Errc::permission);
  CHECK(errno_error("open", ENOENT).code == Errc::kernel);
  CHECK(errno_error("open /x", ENOENT).message() == "open /x: No such file or directory");
}

TEST_CASE("refusals have exit code 3 and failures 1") {
  for (const auto code : {Errc::limit, Errc::abi, Errc::permission, Errc::busy}) CHECK(exit_code(code) == 3);
  for (const auto code : {Errc::config, Errc::not_found, Errc::conflict, Errc::kernel, Errc::verifier, Errc::internal})
    CHECK(exit_code(code) == 1);
  CHECK(name(Errc::not_found) == "not_found");
}

TEST_CASE("foreign text is made safe for a terminal") {
  CHECK(printable("plain \\ text") == "plain \\ text");
  CHECK(printable("a\nb\tc\r") == "a\\nb\\tc\\r");
  CHECK(printable("\x1b[31m") == "\\x1b[31m");
  CHECK(printable(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\x7f") == "\\x7f");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
}

TEST_CASE("long foreign text is cut at 256 bytes and whole characters") {
  CHECK(printable(std::string(256, 'a')) == std::string(256, 'a'));
  CHECK(printable(std::string(257, 'a')) == std::string(256, 'a') + "...");
  CHECK(printable(std::string(255, 'a') + "\xc3\xbc" + "z") == std::string(255, 'a') + "\xc3\xbc" + "...");
}

TEST_CASE("UTF-8 is checked as RFC 3629 has it") {
  for (const std::string_view good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) CHECK(is_utf8(good));
  for (const std::string_view bad : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                     "\xf5\x80\x80\x80", "\xe2\x82"})
    CHECK_FALSE(is_utf8(bad));
  CHECK(utf8_length("ab\xff"
                    "cd") == 2);
  CHECK(utf8_length("abc") == 3);
}
