#include "engine/node_name.h"

#include <catch2/catch_test_macros.hpp>

using nodewall::engine::check_node_name;

TEST_CASE("a node's name is one that an object can have") {
  for (const char* good : {"node1", "n-1.example.org", "7"}) CHECK(check_node_name(good));
  for (const auto& bad : {std::string("My-Host"), std::string("my_host"), std::string("-a"), std::string("a."), std::string("a b\n"), std::string(254, 'a')}) {
    INFO(bad);
    const auto checked = check_node_name(bad);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == nodewall::Errc::config);
    CHECK(checked.error().message().find("--node NAME") != std::string::npos);
    CHECK(checked.error().message().find('\n') == std::string::npos);
  }
  const auto none = check_node_name("");
  REQUIRE_FALSE(none);
  CHECK(none.error().message().starts_with("this node has no name"));
}
