// verify: pairs of addresses that are answered as one that was met before them, since rules and tables tell none of them apart.
#include <catch2/catch_test_macros.hpp>
#include <utility>

#include "verify_bench.h"

using namespace prog;

namespace {

resolve::ResolvedRule rule(std::int32_t number, std::uint8_t protocol, std::uint16_t port = 0) {
  resolve::ResolvedRule made;
  made.action = model::Action::Allow;
  made.protocols.set(protocol);
  if (port != 0) made.destination.ports = {{{port, port}}};
  made.origin = {"default", "web", number};
  return made;
}

// eth0 gets rules for two pairs of networks, one for an ICMPv6 type of some hosts, and one for everybody.
void some_pairs(resolve::Resolved& resolved) {
  const auto set = [&](const char* network) {
    resolved.sets.push_back({{*parse_cidr(network, BareAddress::refuse)}});
    return static_cast<resolve::SetIndex>(resolved.sets.size() - 1);
  };
  const auto one = set("10.7.0.0/16"), other = set("10.8.0.0/16"), hosts = set("2001:db8:7::/48");
  auto there = rule(0, 6, 22), back = rule(1, 6, 23), echo = rule(2, 58);
  there.source.in = back.destination.in = {one};
  there.destination.in = back.source.in = {other};
  echo.v4 = false;
  echo.icmp = model::Icmp{.type = 128, .code = {}};
  echo.source.in = {hosts};
  resolved.endpoints.at(0).chains[NW_CHAIN_INGRESS].tiers.at(0).rules = {there, back, echo, rule(3, 6, 80)};
}

std::vector<resolve::PacketQuery> some_packets() {
  const auto packet = [](const char* source, const char* destination, std::uint8_t protocol) {
    resolve::PacketQuery made;
    made.interface = "eth0";
    made.direction = NW_INGRESS;
    made.source = *parse_address(source);
    made.destination = *parse_address(destination);
    made.protocol = protocol;
    if (protocol == 6) made.destination_port = 80;
    else made.icmp_type = protocol == 58 ? 128 : 8;
    return made;
  };
  return {packet("10.7.0.1", "10.9.0.1", 6), packet("10.9.0.1", "10.9.0.2", 1), packet("2001:db8:9::1", "2001:db8:9::2", 6),
          packet("2001:db8:9::1", "2001:db8:9::2", 58)};
}

}  // namespace

TEST_CASE("pairs of addresses that nothing tells apart are compared once and counted each", "[verify]") {
  const Bench bench(scenario(), some_pairs);
  const auto report = bench.look();
  INFO(text_of(report));
  CHECK(report.equal());
  CHECK(report.complete());
  CHECK(report.asked < report.combinations);
}

TEST_CASE("what nothing was asked about is not counted as compared", "[verify]") {
  const Bench bench(scenario(), some_pairs);
  engine::VerifyLimits limits;
  limits.asked = 0;
  const auto report = bench.look(bench.tables, limits);
  CHECK(report.combinations == 0);
  CHECK(report.possible > 0);
}

TEST_CASE("tables that are wrong everywhere differ in every combination", "[verify]") {
  const Bench bench(scenario(), some_pairs);
  const auto header = header_of(bench.tables);
  auto tables = bench.tables;
  for (std::uint32_t number = 0; number < header.rule_count; ++number) tables.image[header.rule_base + number / 8].words[number % 8 * 2] ^= 1;
  const auto report = bench.look(tables);
  CHECK(report.complete());
  CHECK(report.difference_count == report.combinations);
}

// Among them, as 0 in the place of no match, a rule for an ICMPv6 type of addresses that are answered as IPv4 addresses were.
TEST_CASE("every wrong word on a packet's way that changes its answer is found, though its addresses were met before", "[verify]") {
  const Bench bench(scenario(), some_pairs);
  const auto slot = bench.slots.endpoints.at("eth0");
  auto tables = bench.tables;
  compile::TableImage image{bench.tables.image, {}, {}};
  for (const auto& packet : some_packets()) {
    const auto answer = compile::evaluate(image, slot, packet);
    std::size_t changing = 0;
    for (std::size_t line = 1; line < image.lines.size(); ++line)
      for (std::size_t word = 0; word < 16; ++word)
        for (const auto wrong : {image.lines[line].words[word] ^ 1U, 0U}) {
          const auto right = std::exchange(image.lines[line].words[word], wrong);
          const bool changes = compile::evaluate(image, slot, packet) != answer;
          image.lines[line].words[word] = right;
          if (!changes) continue;
          ++changing;
          tables.image[line].words[word] = wrong;
          CAPTURE(to_string(packet.source), packet.protocol, line, word, wrong);
          CHECK(found_in(bench.look(tables), "policy"));
          tables.image[line].words[word] = right;
        }
    CHECK(changing >= 5);
  }
}
