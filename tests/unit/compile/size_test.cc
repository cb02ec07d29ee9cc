// What images of large policies weigh and cost: printed, and bounded loosely so that only a change of shape fails.
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdio>

#include "reference.h"

namespace nodewall::compile::test {
namespace {

using Random = std::mt19937_64;

struct Measured {
  TableImage image;
  Slots slots;
  double seconds = 0;
};

resolve::Resolved one_endpoint(std::vector<resolve::AddressSet> sets, std::vector<resolve::ResolvedRule> rules) {
  resolve::Resolved resolved;
  resolved.sets = std::move(sets);
  auto& endpoint = resolved.endpoints.emplace_back();
  endpoint.host_endpoint = "hep";
  endpoint.chains[NW_CHAIN_INGRESS].tiers.push_back({.name = "default", .rules = std::move(rules), .end = model::TierAction::Deny});
  return resolved;
}

Measured measure(const char* name, const resolve::Resolved& resolved) {
  Measured made;
  made.slots = assign_slots({}, resolved);
  const auto start = std::chrono::steady_clock::now();
  auto image = compile(resolved, made.slots);
  made.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!image) FAIL(name << ": " << image.error().message());
  made.image = std::move(*image);
  const auto& cost = made.image.cost;
  std::printf("%-34s %8.1f ms %8.2f MB (addresses %.2f, diagrams %.2f), classes %zu/%zu/%zu, depth %zu\n", name, made.seconds * 1e3,
              static_cast<double>(cost.bytes) / 1e6, static_cast<double>(cost.address_bytes) / 1e6,
              static_cast<double>(cost.diagram_bytes) / 1e6, cost.address_classes, cost.l4_classes, cost.source_port_classes,
              cost.deepest_diagram);
  CHECK(cost.deepest_diagram <= 16);
  return made;
}

Address mixed_v4(std::uint64_t i) {
  return Address::v4(static_cast<std::uint32_t>(0x10000000U + i * 2654435761ULL % 0xc0000000U));
}

Address mixed_v6(std::uint64_t i) {
  Address made;
  made.bytes = {0x20, 0x01, 0x0d, 0xb8};
  for (unsigned k = 0; k < 8; ++k) made.bytes[4 + k] = static_cast<std::uint8_t>(i * 0x9e3779b97f4a7c15ULL >> (56 - 8 * k));
  return made;
}

resolve::ResolvedRule tcp(resolve::SetIndex source, std::uint16_t port, std::size_t index) {
  auto made = rule(model::Action::Allow, "p", static_cast<std::int32_t>(index));
  made.protocols.reset();
  made.protocols.set(6);
  made.source.in = {source};
  made.destination.ports = {{model::PortRange{port, port}}};
  return made;
}

resolve::Resolved own_cidr_and_port(std::size_t count, bool v4, std::uint8_t prefix) {
  std::vector<resolve::AddressSet> sets;
  std::vector<resolve::ResolvedRule> rules;
  for (std::size_t i = 0; i < count; ++i) {
    sets.push_back({{Cidr{v4 ? mixed_v4(i) : mixed_v6(i), prefix}.masked()}});
    rules.push_back(tcp(static_cast<resolve::SetIndex>(i), static_cast<std::uint16_t>(1024 + i % 60000), i));
  }
  return one_endpoint(std::move(sets), std::move(rules));
}

resolve::Resolved one_set(std::size_t count, bool v4) {
  std::vector<Cidr> members;
  for (std::size_t i = 0; i < count; ++i) {
    const auto prefix = static_cast<std::uint8_t>((v4 ? 24 : 56) + i % 9);
    members.push_back(Cidr{v4 ? mixed_v4(i) : mixed_v6(i), prefix}.masked());
  }
  std::ranges::sort(members);
  const auto doubles = std::ranges::unique(members);
  members.erase(doubles.begin(), doubles.end());
  return one_endpoint({{std::move(members)}}, {tcp(0, 80, 0)});
}

// The shapes of the literature, in our own proportions: how often a side is any, broad or narrow, and a port any, exact or a range.
struct Shape {
  unsigned any_source, broad_source, any_destination, broad_destination, any_port, range_port;
};
constexpr Shape kAcl = {10, 15, 5, 15, 15, 15};
constexpr Shape kFirewall = {40, 20, 35, 20, 30, 20};
constexpr Shape kChain = {20, 25, 20, 25, 35, 15};

resolve::Resolved classbench(const Shape& shape, std::size_t count) {
  Random random(7);
  std::vector<resolve::AddressSet> sets;
  std::vector<resolve::ResolvedRule> rules;
  const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
  const auto side = [&](unsigned any, unsigned broad, resolve::Side& to) {
    if (chance(any)) return;
    const auto site = random() % 200, host = site * 64 + random() % 64;  // networks nest and repeat
    const auto prefix = chance(broad) ? 8 + random() % 12 : 24 + random() % 9;
    sets.push_back({{Cidr{mixed_v4(prefix < 24 ? site * 64 : host), static_cast<std::uint8_t>(prefix)}.masked()}});
    to.in = {static_cast<resolve::SetIndex>(sets.size() - 1)};
  };
  for (std::size_t i = 0; i < count; ++i) {
    auto made = rule(chance(50) ? model::Action::Allow : model::Action::Deny, "p", static_cast<std::int32_t>(i));
    side(shape.any_source, shape.broad_source, made.source);
    side(shape.any_destination, shape.broad_destination, made.destination);
    const bool anywhere = made.source.in.empty() && made.destination.in.empty();  // such a rule names a port, or it would end the list
    if (anywhere || !chance(shape.any_port)) {
      made.protocols.reset();
      made.protocols.set(chance(70) ? 6 : 17);
      const auto port = static_cast<std::uint16_t>(chance(60) ? 1 + random() % 1024 : 1024 + random() % 8000);
      const bool range = !anywhere && chance(shape.range_port);
      made.destination.ports = {{range ? model::PortRange{1024, 65535} : model::PortRange{port, port}}};
    }
    rules.push_back(std::move(made));
  }
  return one_endpoint(std::move(sets), std::move(rules));
}

void check_some(const resolve::Resolved& resolved, const Measured& measured, std::size_t packets) {
  Random random(3);
  for (std::size_t i = 0; i < packets; ++i) {
    const auto& set = resolved.sets[random() % resolved.sets.size()];
    const auto& other = resolved.sets[random() % resolved.sets.size()];
    auto query = packet("10.0.0.1", "10.0.0.2", random() % 2 == 0 ? 6 : 17, static_cast<std::uint16_t>(random() % 3000));
    query.source = set.members[random() % set.members.size()].address;
    query.destination = other.members[random() % other.members.size()].address;
    if (query.source.family != query.destination.family) continue;
    REQUIRE(evaluate(measured.image, measured.slots.endpoints.at("hep"), query) == scan(resolved, 0, query));
  }
}

}  // namespace

TEST_CASE("T-K1 images of large policies stay small") {
  for (const bool v4 : {true, false})
    for (const std::size_t count : {1000U, 10000U, 100000U}) {
      const auto resolved = own_cidr_and_port(count, v4, v4 ? 24 : 64);
      const auto name = std::to_string(count) + (v4 ? " rules, own IPv4 and port" : " rules, own IPv6 and port");
      const auto measured = measure(name.c_str(), resolved);
      check_some(resolved, measured, 20);
      CHECK(measured.image.cost.bytes < 4'000'000 + count * 400);
    }
  for (const bool v4 : {true, false}) {
    const auto resolved = one_set(1000000, v4);
    const auto measured = measure(v4 ? "set of 1000000 IPv4" : "set of 1000000 IPv6", resolved);
    check_some(resolved, measured, 3);
    CHECK(measured.image.cost.bytes < (v4 ? 48'000'000 : 96'000'000));
  }
}

TEST_CASE("rules with networks on both sides compile in the shapes of the literature") {
  const std::pair<const char*, Shape> shapes[] = {{"acl", kAcl}, {"firewall", kFirewall}, {"chain", kChain}};
  for (const auto& [name, shape] : shapes)
    for (const std::size_t count : {1000U, 10000U}) {
      const auto resolved = classbench(shape, count);
      const auto measured = measure((std::string(name) + ", " + std::to_string(count) + " rules").c_str(), resolved);
      check_some(resolved, measured, 300);
    }
}

}  // namespace nodewall::compile::test
