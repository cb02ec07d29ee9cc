#include "base/ip.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

using namespace nodewall;

namespace {

std::string canonical(std::string_view text) {
  const auto address = parse_address(text);
  REQUIRE(address.has_value());
  return to_string(*address);
}

}  // namespace

TEST_CASE("an IPv4 address is held v4-mapped and reads back") {
  const auto address = parse_address("10.1.2.3");
  REQUIRE(address.has_value());
  CHECK(address->family == Family::v4);
  CHECK(address->high() == 0);
  CHECK(address->low() == 0x0000'ffff'0a01'0203);
  CHECK(address->v4_host_order() == 0x0a010203);
  CHECK(*address == Address::v4(0x0a010203));
  CHECK(to_string(*address) == "10.1.2.3");
}

TEST_CASE("an IPv6 address is printed in its RFC 5952 form") {
  CHECK(canonical("2001:DB8:0:0:0:0:0:1") == "2001:db8::1");
  CHECK(canonical("::") == "::");
  CHECK(canonical("fe80:0:0:1::2") == "fe80:0:0:1::2");
  CHECK(canonical("1:0:0:2:0:0:0:3") == "1:0:0:2::3");
}

TEST_CASE("what is not exactly an address is refused") {
  for (const std::string_view text : {"", " ", "10.0.0", "10.0.0.1 ", " 10.0.0.1", "10.0.0.01", "010.0.0.1", "256.0.0.1", "10.0.0.0/8",
                                      "fe80::1%eth0", ":::", "1:2:3:4:5:6:7:8:9", "0x7f.1", "localhost"}) {
    INFO(text);
    CHECK_FALSE(parse_address(text).has_value());
  }
  CHECK_FALSE(parse_address(std::string_view("10.0.0.1\0junk", 13)).has_value());
  CHECK_FALSE(parse_address(std::string_view("::1\0", 4)).has_value());
}

TEST_CASE("T-A1 a v4-mapped address or network is refused with advice") {
  for (const std::string_view text : {"::ffff:1.2.3.4", "::FFFF:102:304", "0:0:0:0:0:ffff:0:0"}) {
    const auto address = parse_address(text);
    REQUIRE_FALSE(address.has_value());
    CHECK(address.error().what.find("IPv4-mapped") != std::string::npos);
    CHECK(address.error().what.find("write the IPv4 address") != std::string::npos);
  }
  CHECK_FALSE(parse_cidr("::ffff:0.0.0.0/96", BareAddress::refuse).has_value());
  CHECK(parse_address("::fffe:1.2.3.4").has_value());
}

TEST_CASE("a CIDR keeps its host bits until it is masked") {
  const auto cidr = parse_cidr("10.1.2.3/8", BareAddress::refuse);
  REQUIRE(cidr.has_value());
  CHECK(to_string(*cidr) == "10.1.2.3/8");
  CHECK(to_string(cidr->masked()) == "10.0.0.0/8");
  const auto v6 = parse_cidr("2001:db8:ffff::1/33", BareAddress::refuse);
  REQUIRE(v6.has_value());
  CHECK(to_string(v6->masked()) == "2001:db8:8000::/33");
}

TEST_CASE("a prefix length is plain decimal and within its family") {
  for (const std::string_view text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-0", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
                                      "10.0.0.0/8/8", "::/129", "10.0.0.0/99999999999999999999", "/8"}) {
    INFO(text);
    CHECK_FALSE(parse_cidr(text, BareAddress::is_host).has_value());
  }
  CHECK(parse_cidr("0.0.0.0/0", BareAddress::refuse).has_value());
  CHECK(parse_cidr("::/0", BareAddress::refuse).has_value());
}

TEST_CASE("a bare address is a host only where that is allowed") {
  CHECK_FALSE(parse_cidr("10.0.0.1", BareAddress::refuse).has_value());
  CHECK(to_string(parse_cidr("10.0.0.1", BareAddress::is_host).value()) == "10.0.0.1/32");
  CHECK(to_string(parse_cidr("::1", BareAddress::is_host).value()) == "::1/128");
}

TEST_CASE("a network contains its own addresses and none of the other family") {
  const auto inside = [](std::string_view net, std::string_view address) {
    return parse_cidr(net, BareAddress::refuse).value().contains(parse_address(address).value());
  };
  CHECK(inside("10.0.0.0/8", "10.255.255.255"));
  CHECK_FALSE(inside("10.0.0.0/8", "11.0.0.0"));
  CHECK(inside("10.9.9.9/8", "10.0.0.1"));
  CHECK(inside("0.0.0.0/0", "255.255.255.255"));
  CHECK_FALSE(inside("0.0.0.0/0", "::1"));
  CHECK_FALSE(inside("::/0", "1.2.3.4"));
  CHECK(inside("2001:db8::/127", "2001:db8::1"));
  CHECK_FALSE(inside("2001:db8::/127", "2001:db8::2"));
  CHECK(inside("1.2.3.4/32", "1.2.3.4"));
  CHECK_FALSE(inside("1.2.3.4/32", "1.2.3.5"));
}
