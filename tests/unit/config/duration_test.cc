#include "config/duration.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace nodewall;
using namespace nodewall::config;

TEST_CASE("durations are read and printed as Go has them") {
  const std::vector<std::tuple<std::string, std::int64_t, std::string>> cases = {
      {"0", 0, "0s"},
      {"0s", 0, "0s"},
      {"90s", 90'000'000'000, "1m30s"},
      {"5m0s", 300'000'000'000, "5m0s"},
      {"1h30m", 5'400'000'000'000, "1h30m0s"},
      {"1.5s", 1'500'000'000, "1.5s"},
      {".5h", 1'800'000'000'000, "30m0s"},
      {"1ns", 1, "1ns"},
      {"1500us", 1'500'000, "1.5ms"},
      {"1\xC2\xB5s", 1'000, "1\xC2\xB5s"},
      {"2m500ms", 120'500'000'000, "2m0.5s"},
      {"9223372036854775807ns", std::numeric_limits<std::int64_t>::max(), "2562047h47m16.854775807s"},
  };
  for (const auto& [text, nanoseconds, printed] : cases) {
    INFO(text);
    const auto duration = parse_duration(text);
    REQUIRE(duration.has_value());
    CHECK(duration->count() == nanoseconds);
    CHECK(to_string(*duration) == printed);
    CHECK(parse_duration(printed).value() == *duration);
  }
}

TEST_CASE("what is no duration is refused") {
  for (const std::string_view text : {"", "90", "s", "-1s", "+1s", "1", "1 s", "1s ", "1d", "1s2", ".s", "1e3s", "5m 0s", "00"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
  CHECK(parse_duration("9223372036854775808ns").error().what.find("too long") != std::string::npos);
  CHECK(parse_duration("99999999999999999999999999999h").error().what.find("too long") != std::string::npos);
}
