#include "engine/packet_json.h"

#include <catch2/catch_test_macros.hpp>

using namespace nodewall;
using engine::packet_from_json;
using nlohmann::json;

namespace {

json tcp() {
  return json::parse(R"({"interface":"eth0","direction":"ingress","src":"10.0.0.1",
    "dst":"10.0.0.2","protocol":"TCP","sport":31245,"dport":80,"flags":"SA"})");
}

json with(const char* key, json value) {
  auto packet = tcp();
  packet[key] = std::move(value);
  return packet;
}

}  // namespace

TEST_CASE("a packet is read from JSON") {
  const auto packet = packet_from_json(tcp());
  REQUIRE(packet);
  CHECK(packet->interface == "eth0");
  CHECK(packet->direction == NW_INGRESS);
  CHECK(to_string(packet->source) == "10.0.0.1");
  CHECK(packet->protocol == 6);
  CHECK(packet->source_port == 31245);
  CHECK(packet->destination_port == 80);
  CHECK(packet->tcp_flags == 0x12);
}

TEST_CASE("a protocol is a name in any letter case or a number") {
  for (const auto& [written, number] : std::map<std::string, int>{
           {"udp", 17}, {"Udp", 17}, {"sctp", 132}, {"UDPLITE", 136}, {"17", 17}}) {
    CAPTURE(written);
    const auto packet = packet_from_json(with("protocol", written));
    REQUIRE(packet);
    CHECK(packet->protocol == number);
  }
  CHECK(packet_from_json(with("protocol", 6))->protocol == 6);
}

TEST_CASE("ICMP has type and code and no ports") {
  auto packet = with("protocol", "icmp");
  CHECK_FALSE(packet_from_json(packet));
  packet.erase("sport");
  packet.erase("dport");
  packet["type"] = 8;
  packet["code"] = 1;
  const auto read = packet_from_json(packet);
  REQUIRE(read);
  CHECK(read->icmp_type == 8);
  CHECK(read->icmp_code == 1);
}

TEST_CASE("a packet that is not whole or not understood is refused") {
  CHECK_FALSE(packet_from_json(json::array()));
  CHECK_FALSE(packet_from_json(json()));
  for (const auto* key : {"interface", "direction", "src", "dst", "protocol"}) {
    CAPTURE(key);
    auto packet = tcp();
    packet.erase(key);
    CHECK_FALSE(packet_from_json(packet));
    CHECK_FALSE(packet_from_json(with(key, json::object())));
  }
  CHECK_FALSE(packet_from_json(with("direction", "in")));
  CHECK_FALSE(packet_from_json(with("dst", "fd00::1")));
  CHECK_FALSE(packet_from_json(with("src", "10.0.0.256")));
  CHECK_FALSE(packet_from_json(with("dport", 65536)));
  CHECK_FALSE(packet_from_json(with("dport", -1)));
  CHECK_FALSE(packet_from_json(with("protocol", "tcpp")));
  CHECK_FALSE(packet_from_json(with("protocol", 256)));
  CHECK_FALSE(packet_from_json(with("flags", "SX")));
  CHECK_FALSE(packet_from_json(with("dprot", 80)));
}

TEST_CASE("a verdict names tier, policy and rule only when it has them") {
  CHECK(engine::to_json({true, NW_REASON_POLICY, {"default", "allow-all", 2}}) ==
        json::parse(
            R"({"verdict":"allow","reason":"policy","tier":"default","policy":"allow-all","rule":2})"));
  CHECK(engine::to_json({false, NW_REASON_TIER_DEFAULT, {"default", "", -1}}) ==
        json::parse(R"({"verdict":"deny","reason":"tier_default","tier":"default"})"));
  CHECK(engine::to_json({true, NW_REASON_PROFILE, {"", "web", 0}}) ==
        json::parse(R"({"verdict":"allow","reason":"profile","policy":"web","rule":0})"));
  CHECK(engine::to_json({false, NW_REASON_MARTIAN, {}}) ==
        json::parse(R"({"verdict":"deny","reason":"martian"})"));
}

TEST_CASE("facts name interfaces with addresses and networks") {
  const auto facts = engine::facts_from_json(
      json::parse(
          R"({"interfaces":[{"name":"lo","addresses":["127.0.0.1/8"]},{"name":"eth0","addresses":["10.0.0.2/24","fd00::2"]}]})"),
      "node-1");
  REQUIRE(facts);
  CHECK(facts->node == "node-1");
  REQUIRE(facts->interfaces.size() == 2);
  CHECK(facts->interfaces[0].name == "eth0");
  CHECK(to_string(facts->interfaces[0].addresses[0]) == "10.0.0.2/24");
  CHECK(to_string(facts->interfaces[0].addresses[1]) == "fd00::2/128");
  CHECK(facts->interfaces[1].is_loopback);
}

TEST_CASE("facts that are not whole are refused") {
  for (const auto* text :
       {"{}", "[]", R"({"interfaces":{}})", R"({"interfaces":[1]})", R"({"interfaces":[{}]})",
        R"({"interfaces":[{"name":"eth0","addresses":"10.0.0.1"}]})",
        R"({"interfaces":[{"name":"eth0","addresses":["10.0.0.300"]}]})"}) {
    CAPTURE(text);
    CHECK_FALSE(engine::facts_from_json(json::parse(text), "n"));
  }
}
