// What the vectors leave untouched. A criterion of rules is covered for a family and direction when a vector is decided by a rule
// that has it, and when a vector would be answered otherwise if the rule did not have it.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <functional>

#include "harness/vectors.h"
#include "model/validate.h"
#include "oracle/oracle.h"

using namespace nodewall;
using namespace nodewall::test;

namespace {

struct Criterion {
  std::string name;
  std::function<bool(const model::Rule&)> present;
  std::function<void(model::Rule&)> remove;
};

enum class PortKind { number, range, named };

bool has_port_of(const std::vector<model::Port>& ports, PortKind kind) {
  return std::ranges::any_of(ports, [kind](const model::Port& port) {
    const auto* range = std::get_if<model::PortRange>(&port);
    if (range == nullptr) return kind == PortKind::named;
    return kind == (range->first == range->last ? PortKind::number : PortKind::range);
  });
}

template <auto Member>
Criterion optional_criterion(std::string name) {
  return {std::move(name), [](const model::Rule& rule) { return (rule.*Member).has_value(); },
          [](model::Rule& rule) { (rule.*Member).reset(); }};
}

void add_entity_criteria(const std::string& side, model::EntityRule model::Rule::* entity, std::vector<Criterion>& out) {
  const auto add = [&](const std::string& name, auto present, auto remove) {
    out.push_back({side + "." + name, [=](const model::Rule& rule) { return present(rule.*entity); },
                   [=](model::Rule& rule) { remove(rule.*entity); }});
  };
  using E = model::EntityRule;
  add("nets", [](const E& e) { return !e.nets.empty(); }, [](E& e) { e.nets.clear(); });
  add("notNets", [](const E& e) { return !e.not_nets.empty(); }, [](E& e) { e.not_nets.clear(); });
  add("selector", [](const E& e) { return e.selector.has_value(); }, [](E& e) { e.selector.reset(); });
  add("notSelector", [](const E& e) { return e.not_selector.has_value(); }, [](E& e) { e.not_selector.reset(); });
  for (const auto& [kind, text] : {std::pair{PortKind::number, "number"}, {PortKind::range, "range"}, {PortKind::named, "name"}}) {
    add(fmt::format("ports {}", text), [kind](const E& e) { return has_port_of(e.ports, kind); }, [](E& e) { e.ports.clear(); });
    add(fmt::format("notPorts {}", text), [kind](const E& e) { return has_port_of(e.not_ports, kind); },
        [](E& e) { e.not_ports.clear(); });
  }
}

std::vector<Criterion> criteria() {
  using R = model::Rule;
  std::vector<Criterion> all = {optional_criterion<&R::ip_version>("ipVersion"), optional_criterion<&R::protocol>("protocol"),
                                optional_criterion<&R::not_protocol>("notProtocol"), optional_criterion<&R::icmp>("icmp type"),
                                optional_criterion<&R::not_icmp>("notICMP type")};
  all.push_back({"icmp code", [](const R& rule) { return rule.icmp && rule.icmp->code; },
                 [](R& rule) { rule.icmp->code.reset(); }});
  all.push_back({"notICMP code", [](const R& rule) { return rule.not_icmp && rule.not_icmp->code; },
                 [](R& rule) { rule.not_icmp->code.reset(); }});
  add_entity_criteria("source", &R::source, all);
  add_entity_criteria("destination", &R::destination, all);
  return all;
}

std::string combination(const std::string& criterion, const resolve::PacketQuery& packet, const char* how) {
  return fmt::format("{}, IPv{}, {}, {}", criterion, static_cast<int>(packet.source.family),
                     packet.direction == NW_INGRESS ? "ingress" : "egress", how);
}

// Adds what the vectors of one case show about one rule.
void touch(const VectorCase& vector_case, const model::ResourceId& id, std::uint32_t direction, std::size_t index,
           std::set<std::string>& touched) {
  static const auto all = criteria();
  const auto& policy = std::get<model::GlobalNetworkPolicy>(vector_case.scenario.resources.at(id).spec);
  const auto& rule = (direction == NW_INGRESS ? policy.ingress : policy.egress)[index];
  const resolve::Origin origin{policy.tier.value_or("default"), id.name, static_cast<std::int32_t>(index)};
  for (const auto& criterion : all) {
    if (!criterion.present(rule)) continue;
    auto without = vector_case.scenario;
    auto& resource = without.resources.at(id);
    auto& changed = std::get<model::GlobalNetworkPolicy>(resource.spec);
    criterion.remove((direction == NW_INGRESS ? changed.ingress : changed.egress)[index]);
    const bool valid = model::validate(resource).empty();
    const auto resolved = test::resolve(without);
    for (const auto& vector : vector_case.vectors) {
      if (vector.packet.direction != direction) continue;
      if (vector.expected.origin == origin) touched.insert(combination(criterion.name, vector.packet, "holds"));
      if (valid && oracle::judge(resolved, vector.packet) != vector.expected) {
        touched.insert(combination(criterion.name, vector.packet, "does not hold"));
      }
    }
  }
}

std::set<std::string> touched_by(const std::vector<VectorCase>& cases) {
  std::set<std::string> touched;
  for (const auto& vector_case : cases) {
    for (const auto& [id, resource] : vector_case.scenario.resources) {
      const auto* policy = std::get_if<model::GlobalNetworkPolicy>(&resource.spec);
      if (policy == nullptr) continue;
      for (std::size_t i = 0; i < policy->ingress.size(); ++i) touch(vector_case, id, NW_INGRESS, i, touched);
      for (std::size_t i = 0; i < policy->egress.size(); ++i) touch(vector_case, id, NW_EGRESS, i, touched);
    }
  }
  return touched;
}

std::vector<std::string> untouched(const std::set<std::string>& touched) {
  std::vector<std::string> out;
  for (const auto& criterion : criteria()) {
    for (const auto* address : {"10.0.0.1", "fd00::1"}) {
      for (const std::uint32_t direction : {NW_INGRESS, NW_EGRESS}) {
        resolve::PacketQuery packet;
        packet.source = *parse_address(address);
        packet.direction = direction;
        for (const auto* how : {"holds", "does not hold"}) {
          auto wanted = combination(criterion.name, packet, how);
          if (!touched.contains(wanted)) out.push_back(std::move(wanted));
        }
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("vectors touch every criterion of rules, both ways, of both families, in both directions") {
  const auto cases = load_all_vectors();
  REQUIRE(cases);
  const auto missing = untouched(touched_by(*cases));
  INFO(fmt::format("no vector touches:\n  {}", fmt::join(missing, "\n  ")));
  CHECK(missing.empty());
}

TEST_CASE("a criterion that no vector touches is noticed") {
  auto cases = load_all_vectors();
  REQUIRE(cases);
  std::erase_if(*cases, [](const VectorCase& one) { return one.file == "match_icmp.yaml"; });
  const auto missing = untouched(touched_by(*cases));
  CHECK(std::ranges::find(missing, "icmp code, IPv6, egress, does not hold") != missing.end());
  CHECK(std::ranges::find(missing, "notICMP type, IPv4, ingress, holds") != missing.end());
}

TEST_CASE("vectors cite every statement that one first packet can show") {
  const auto cases = load_all_vectors();
  REQUIRE(cases);
  std::set<int> cited;
  for (const auto& one : *cases) {
    for (const auto& vector : one.vectors) cited.insert(vector.statements.begin(), vector.statements.end());
  }
  std::vector<int> missing;
  // 8 is a condition, 27 to 32 (but for 29 and 30) need more than one packet, 36 to 40 are not about packets.
  constexpr int kLast = 52;
  for (int statement = 1; statement <= kLast; ++statement) {
    const bool shown = statement != 8 && statement != 27 && statement != 28 && statement != 31 && statement != 32 &&
                       (statement < 36 || statement > 40);
    if (shown && !cited.contains(statement)) missing.push_back(statement);
  }
  INFO(fmt::format("no vector cites: {}", fmt::join(missing, ", ")));
  CHECK(missing.empty());
  CHECK(*cited.rbegin() <= kLast);
}
