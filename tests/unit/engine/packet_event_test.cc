// From the program's record to what is told: packet_event.h, event_json.h, kernel/event_record.h.
#include "engine/packet_event.h"

#include <arpa/inet.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "engine/event_json.h"
#include "kernel/event_record.h"

using namespace nodewall;
using engine::EventContext;
using engine::EventNames;
using engine::Moment;
using engine::packet_event;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// 2026-03-01T12:00:00Z, an hour after boot.
constexpr Moment kNow{.wall_ns = 1772366400 * kSecond, .monotonic_ns = 3600ULL * kSecond};

nw_addr raw_address(const char* text) {
  nw_addr raw{};
  const auto address = parse_address(text);
  std::memcpy(raw.bytes, address->bytes.data(), 16);
  return raw;
}

nw_event tcp_event() {
  nw_event raw{};
  raw.time_ns = 3599ULL * kSecond + 500'000'000;
  raw.source = raw_address("10.0.0.1");
  raw.destination = raw_address("10.0.0.2");
  raw.ifindex = 7;
  raw.direction = NW_INGRESS;
  raw.verdict = NW_DENY;
  raw.reason = NW_REASON_TIER_DEFAULT;
  raw.counter = 3;
  raw.generation = 9;
  raw.length = 74;
  raw.source_port_be = htons(31245);
  raw.destination_port_be = htons(80);
  raw.protocol = 6;
  raw.tcp_flags = 2;
  raw.chain = NW_CHAIN_INGRESS;
  return raw;
}

resolve::ResolvedRule rule(model::Action action, const std::string& policy, std::int32_t number) {
  resolve::ResolvedRule made;
  made.action = action;
  made.protocols.set();
  made.origin = {"default", policy, number};
  return made;
}

resolve::ResolvedRule to_port(resolve::ResolvedRule made, std::uint16_t port) {
  made.protocols.reset().set(6);
  made.destination.ports = std::vector<model::PortRange>{{port, port}};
  return made;
}

// log-all logs everything, log-http port 80; allow-ssh allows port 22 before anything else is logged.
struct Policy {
  resolve::Resolved resolved;
  EventNames names;

  Policy() {
    auto& endpoint = resolved.endpoints.emplace_back();
    endpoint.host_endpoint = "hep";
    endpoint.chains[NW_CHAIN_INGRESS].tiers = {{.name = "default",
                                                .rules = {to_port(rule(model::Action::Allow, "allow-ssh", 0), 22),
                                                          rule(model::Action::Log, "log-all", 0),
                                                          to_port(rule(model::Action::Log, "log-http", 4), 80),
                                                          to_port(rule(model::Action::Deny, "deny-443", 0), 443),
                                                          rule(model::Action::Log, "log-rest", 0)}}};
    names = {.generation = 9, .rules = {{3, {"default", "", -1}}}};
  }
  [[nodiscard]] EventContext context() const {
    return {.applied = &resolved, .names = &names, .interface = "eth0", .host_endpoint = "hep", .now = kNow};
  }
};

std::vector<std::string> log_policies(const engine::PacketEvent& event) {
  std::vector<std::string> names;
  for (const auto& origin : event.log_rules) names.push_back(origin.policy);
  return names;
}

}  // namespace

TEST_CASE("a record of another size or with a number that there is not is no event") {
  const auto whole = tcp_event();
  const auto bytes = [](const nw_event& event) {
    return std::span(reinterpret_cast<const std::uint8_t*>(&event), sizeof event);
  };
  CHECK(kernel::event_record(bytes(whole)));
  CHECK_FALSE(kernel::event_record(bytes(whole).first(sizeof whole - 1)));
  CHECK_FALSE(kernel::event_record({}));
  std::vector<std::uint8_t> longer(sizeof whole + 8);
  std::memcpy(longer.data(), &whole, sizeof whole);
  CHECK_FALSE(kernel::event_record(longer));
  for (auto* field : {+[](nw_event& it) { it.direction = NW_DIRECTIONS; }, +[](nw_event& it) { it.verdict = NW_NEXT; },
                      +[](nw_event& it) { it.reason = NW_REASON_SLOTS; }, +[](nw_event& it) { it.reason = 0; },
                      +[](nw_event& it) { it.chain = NW_CHAINS; }}) {
    auto damaged = whole;
    field(damaged);
    CHECK_FALSE(kernel::event_record(bytes(damaged)));
  }
}

TEST_CASE("the time of an event is the wall's, and one that is yet to come is now") {
  CHECK(engine::wall_time(kNow, kNow.monotonic_ns) == kNow.wall_ns);
  CHECK(engine::wall_time(kNow, kNow.monotonic_ns - 1) == kNow.wall_ns - 1);
  CHECK(engine::wall_time(kNow, UINT64_MAX) == kNow.wall_ns);
  CHECK(engine::wall_time({.wall_ns = 5, .monotonic_ns = UINT64_MAX}, 0) == 0);
  CHECK(engine::time_text(kNow.wall_ns) == "2026-03-01T12:00:00.000000Z");
  CHECK(engine::time_text(kNow.wall_ns - 500'000'000) == "2026-03-01T11:59:59.500000Z");
  CHECK(engine::time_text(-1) == "1970-01-01T00:00:00.000000Z");
  CHECK(engine::time_text(INT64_MAX) == "2262-04-11T23:47:16.854775Z");
  const auto now = engine::moment_now();
  CHECK(now.wall_ns > kNow.wall_ns);
}

TEST_CASE("an event says the packet, the verdict, what decided and which Log rules come before it") {
  const Policy policy;
  const auto event = packet_event(tcp_event(), policy.context());
  CHECK(event.interface == "eth0");
  CHECK(event.time_ns == kNow.wall_ns - 500'000'000);
  CHECK(to_string(event.source) == "10.0.0.1");
  CHECK(event.destination_port == 80);
  CHECK_FALSE(event.allow);
  CHECK(event.origin == resolve::Origin{"default", "", -1});
  CHECK(log_policies(event) == std::vector<std::string>{"log-all", "log-http", "log-rest"});
  CHECK(engine::json_line(engine::to_json(event)) ==
        R"({"chain":"ingress","direction":"ingress","dport":80,"dst":"10.0.0.2","flags":"S","forwarded":false,"generation":9,)"
        R"("hostEndpoint":"hep","interface":"eth0","length":74,"logRules":[{"policy":"log-all","rule":0,"tier":"default"},)"
        R"({"policy":"log-http","rule":4,"tier":"default"},{"policy":"log-rest","rule":0,"tier":"default"}],"protocol":"TCP",)"
        R"("reason":"tier_default","sport":31245,"src":"10.0.0.1","tier":"default","time":"2026-03-01T11:59:59.500000Z",)"
        R"("verdict":"deny"})");
}

TEST_CASE("Log rules behind the one that decides are not among those that an event names") {
  const Policy policy;
  auto raw = tcp_event();
  raw.destination_port_be = htons(443);
  CHECK(log_policies(packet_event(raw, policy.context())) == std::vector<std::string>{"log-all"});
  raw.destination_port_be = htons(22);
  CHECK(packet_event(raw, policy.context()).log_rules.empty());
}

TEST_CASE("Log rules of later tiers and of profiles are named when the packet comes to them, one of several ports once") {
  Policy policy;
  auto& chain = policy.resolved.endpoints[0].chains[NW_CHAIN_INGRESS];
  const auto log = rule(model::Action::Log, "log", 0), last = rule(model::Action::Log, "last", 0);
  chain.tiers = {{.name = "a", .rules = {to_port(log, 80), to_port(log, 81), log, rule(model::Action::Pass, "pass", 0), last}},
                 {.name = "b", .rules = {to_port(last, 81)}, .end = model::TierAction::Pass}};
  chain.profile_rules = {rule(model::Action::Log, "profile", 0), rule(model::Action::Allow, "profile", 1), last};
  CHECK(log_policies(packet_event(tcp_event(), policy.context())) == std::vector<std::string>{"log", "profile"});
  chain.tiers[1].end = model::TierAction::Deny;
  CHECK(log_policies(packet_event(tcp_event(), policy.context())) == std::vector<std::string>{"log"});
}

TEST_CASE("an event of a policy that is no longer enforced has its generation and no names") {
  Policy policy;
  policy.names.generation = 10;
  const auto event = packet_event(tcp_event(), policy.context());
  CHECK_FALSE(event.origin);
  CHECK(event.log_rules.empty());
  CHECK(event.generation == 9);
  CHECK_FALSE(packet_event(tcp_event(), {.now = kNow}).origin);
  CHECK(packet_event(tcp_event(), {.now = kNow}).interface == "#7");
}

TEST_CASE("only protocols with ports have ports, and ICMP has type and code") {
  auto raw = tcp_event();
  raw.protocol = 1;
  raw.icmp_type = 8;
  raw.icmp_code = 0;
  auto line = engine::to_json(packet_event(raw, {.now = kNow}));
  CHECK(line["type"] == 8);
  CHECK_FALSE(line.contains("sport"));
  CHECK_FALSE(line.contains("flags"));
  raw.protocol = 58;  // of IPv4: a number like any other
  line = engine::to_json(packet_event(raw, {.now = kNow}));
  CHECK_FALSE(line.contains("type"));
  raw.source = raw_address("fd00::1");
  raw.destination = raw_address("fd00::2");
  line = engine::to_json(packet_event(raw, {.now = kNow}));
  CHECK(line["type"] == 8);
  CHECK(line["src"] == "fd00::1");
  CHECK(line["protocol"] == "ICMPv6");
}

TEST_CASE("what a line says can be read back from it") {
  const Policy policy;
  const auto line = engine::json_line(engine::to_json(packet_event(tcp_event(), policy.context())));
  const auto read = engine::read_event_line(line);
  REQUIRE(read);
  CHECK(read->time == "2026-03-01T11:59:59.500000Z");
  CHECK(read->packet == "TCP 10.0.0.1:31245 > 10.0.0.2:80 S");
  CHECK(read->rule == "default/-/end, log default/log-all/0, log default/log-http/4, log default/log-rest/0");
  CHECK(engine::json_line(read->value) == line);
  const auto counts = engine::read_event_line(engine::json_line(engine::to_json({17, 2, 0}, kNow.wall_ns)));
  REQUIRE(counts);
  CHECK(counts->counts);
  CHECK(counts->packet == "not told until now: 17 by the rate limit, 2 unread");
}

TEST_CASE("an IPv6 packet's ports are set apart from its addresses") {
  auto raw = tcp_event();
  raw.source = raw_address("fd00::1");
  raw.destination = raw_address("fd00::2");
  raw.forwarded = 1;
  const auto read = engine::read_event_line(engine::json_line(engine::to_json(packet_event(raw, {.now = kNow}))));
  REQUIRE(read);
  CHECK(read->packet == "TCP [fd00::1]:31245 > [fd00::2]:80 S forwarded");
}

TEST_CASE("T-X9: a hostile name leaves a line that no terminal obeys") {
  auto context = EventContext{.now = kNow};
  context.interface = "e\x1b[31m\n\x7f\xc2\x9b\xff\"}";
  const auto line = engine::json_line(engine::to_json(packet_event(tcp_event(), context)));
  CHECK(std::ranges::all_of(line, [](char c) { return c >= 0x20 && c < 0x7f; }));
  const auto read = engine::read_event_line(line);
  REQUIRE(read);
  CHECK(read->interface.starts_with("e\x1b[31m\n\x7f\xc2\x9b"));
}

TEST_CASE("a line that is no event is refused, whatever it is") {
  const auto whole = engine::json_line(engine::to_json(packet_event(tcp_event(), {.now = kNow})));
  for (std::size_t cut = 0; cut < whole.size(); ++cut) CHECK_FALSE(engine::read_event_line(whole.substr(0, cut)));
  for (const auto* text : {"", "null", "[]", "{}", "7", R"({"time":7})", R"({"time":"2026-03-01"})",
                           R"({"time":"2026-03-01T11:59:59.500000Z"})",
                           R"({"time":"2026-03-01T11:59:59.500000Z","suppressed":-1,"lost":0,"damaged":0})",
                           R"({"time":"2026-03-01T11:59:59.500000Z","interface":"eth0"})"}) {
    CHECK_FALSE(engine::read_event_line(text));
  }
  auto value = nlohmann::json::parse(whole);
  value["sport"] = 65536;
  CHECK_FALSE(engine::read_event_line(value.dump()));
  value["sport"] = 1;
  value["logRules"] = {7};
  CHECK_FALSE(engine::read_event_line(value.dump()));
  CHECK_FALSE(engine::read_event_line("{\"time\":\"" + std::string(100000, 'x') + "\"}"));
}
