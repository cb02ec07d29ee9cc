// verify: the chains of all kinds of policies, what they log, what staged policies would make of them, and the small maps beside them.
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "verify_bench.h"

using namespace prog;

namespace {

resolve::ResolvedRule rule(model::Action action, std::uint8_t protocol, std::uint16_t port, std::string policy, std::int32_t number) {
  resolve::ResolvedRule made;
  made.action = action;
  made.protocols.set(protocol);
  if (port != 0) made.destination.ports = {{{port, port}}};
  made.origin = {"default", std::move(policy), number};
  return made;
}

resolve::ResolvedRule staged_rule(std::uint16_t port, std::int32_t number) {
  auto made = rule(model::Action::Deny, 6, port, "web", number);
  made.origin.staged = true;
  return made;
}

constexpr auto kUdp = 17, kSctp = 132;

// eth0 gets every chain, two Log rules and staged policies; eth1 one staged chain that nothing enforced stands behind.
void all_kinds(resolve::Resolved& resolved) {
  auto& eth0 = resolved.endpoints.at(0);
  auto& ingress = eth0.chains[NW_CHAIN_INGRESS];
  auto& rules = ingress.tiers.at(0).rules;
  rules.insert(rules.begin() + 1, rule(model::Action::Log, 6, 443, "web", 1));
  const auto& own_set = rules.front().source.in;
  const auto pass = model::TierAction::Pass;
  eth0.chains[NW_CHAIN_FORWARD_INGRESS].tiers = ingress.tiers;
  eth0.chains[NW_CHAIN_FORWARD_INGRESS].tiers[0].end = pass;
  eth0.chains[NW_CHAIN_FORWARD_EGRESS].tiers = {{.name = "fwd", .rules = {rule(model::Action::Deny, 6, 25, "mail", 0)}, .end = pass}};
  eth0.chains[NW_CHAIN_UNTRACKED_INGRESS].tiers = {{.name = "raw", .rules = {rule(model::Action::Allow, kUdp, 53, "dns", 0)}, .end = pass}};
  eth0.chains[NW_CHAIN_UNTRACKED_EGRESS].tiers = {
      {.name = "raw", .rules = {rule(model::Action::Log, kUdp, 53, "dns", 0), rule(model::Action::Allow, kUdp, 0, "dns", 1)}, .end = pass}};
  auto early = rule(model::Action::Deny, kSctp, 0, "early", 0);
  early.source.in = own_set;
  eth0.chains[NW_CHAIN_PRE_DNAT].tiers = {{.name = "pre", .rules = {early}, .end = pass}};
  auto& staged = eth0.staged[NW_CHAIN_INGRESS].emplace(ingress);
  staged.tiers[0].rules.insert(staged.tiers[0].rules.begin(), staged_rule(8005, 0));
  staged.tiers.insert(staged.tiers.begin(), {.name = "new", .rules = {staged_rule(7, 1)}, .end = pass, .staged = true});
  resolved.endpoints.at(1).staged[NW_CHAIN_FORWARD_EGRESS].emplace().tiers = {
      {.name = "new", .rules = {rule(model::Action::Allow, 6, 0, "open", 0)}, .end = model::TierAction::Deny, .staged = true}};
  resolved.settings.log_interval = std::chrono::milliseconds(100);
  resolved.settings.log_burst = 7;
  resolved.settings.service_ports = {{30000, 32767}, {40000, 40001}};
  resolved.settings.service_addresses = {{resolved.local_addresses.front(), 32}};
}

struct Entry {
  std::uint32_t slot = 0, variant = 0, chain = 0;
  [[nodiscard]] std::uint32_t number() const { return nw_slot_entry(slot, variant, chain); }
};

std::vector<Entry> all_entries(const nw_image_header& header) {
  std::vector<Entry> entries;
  for (std::uint32_t slot = 0; slot < header.endpoint_slots; ++slot)
    for (std::uint32_t variant = 0; variant < NW_VARIANTS; ++variant)
      for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) entries.push_back({slot, variant, chain});
  return entries;
}

std::uint32_t* words_of(Tables& tables, const Entry& entry) {
  return &tables.image[header_of(tables).endpoint_base + entry.number() / 4].words[entry.number() % 4 * 4];
}

}  // namespace

TEST_CASE("chains of every kind, with their Log rules and staged policies, are found equal for every combination", "[verify]") {
  const Bench bench(scenario(), all_kinds);
  const auto report = bench.look();
  INFO(text_of(report));
  CHECK(report.equal());
  CHECK(report.complete());
  CHECK(report.oracle_checks == report.asked);
  // eth0: seven chains, three of them with Log rules, one with staged policies; eth1: two, and one that is staged only.
  CHECK(report.chains == 7 + 3 + 1 + 2 + 1);
}

TEST_CASE("a wrong rule of any kind of chain is found: verdict, reason, counter, and whose it is", "[verify]") {
  const Bench bench(scenario(), all_kinds);
  const auto header = header_of(bench.tables);
  for (std::uint32_t number = 0; number < header.rule_count; ++number) {
    CAPTURE(number);
    const auto line = header.rule_base + number / 8;
    const auto word = number % 8 * 2;
    for (const unsigned bit : {0U, 1U, 8U, 16U}) CHECK(notices(bench, line, word, bit));  // verdict, reason, staged
    CHECK(notices(bench, line, word + 1, 0));
  }
}

TEST_CASE("an entry of the directory that is gone, more or another chain's is found", "[verify]") {
  Bench bench(scenario(), all_kinds);
  const auto header = header_of(bench.tables);
  const auto ingress = Entry{bench.slots.endpoints.at("eth0"), NW_VARIANT_ENFORCED, NW_CHAIN_INGRESS};
  std::size_t there = 0;
  for (const auto& entry : all_entries(header)) {
    CAPTURE(entry.slot, entry.variant, entry.chain);
    auto tables = bench.tables;
    auto* words = words_of(tables, entry);
    const bool exists = words[3] != NW_SLOT_UNUSED;
    there += exists;
    if (exists) {
      words[3] = NW_SLOT_UNUSED;
      CHECK(found_in(bench.look(tables), "policy"));
      words[3] = words_of(bench.tables, entry)[3] ^ 1;  // another end
      CHECK(found_in(bench.look(tables), "policy"));
    }
    if (entry.number() == ingress.number()) continue;
    std::memcpy(words, words_of(bench.tables, ingress), sizeof(nw_image_endpoint));
    CHECK(found_in(bench.look(tables), "policy"));
  }
  CHECK(there == 14);
}

TEST_CASE("a header that names a chain too many or too few is found", "[verify]") {
  const Bench bench(scenario(), all_kinds);
  constexpr auto kWord = offsetof(nw_image_header, chains) / sizeof(__u32);
  for (unsigned bit = 0; bit < 32; ++bit) {
    CAPTURE(bit);
    CHECK(notices(bench, 0, kWord, bit));
  }
}

TEST_CASE("a wrong setting of what is logged or what goes to a service is found", "[verify]") {
  const Bench bench(scenario(), all_kinds);
  const auto finds = [&](auto change) {
    auto tables = bench.tables;
    change(tables.small.settings);
    return found_in(bench.look(tables), "settings");
  };
  CHECK(bench.tables.small.settings.log_interval_ns == 100'000'000);
  CHECK(bench.tables.small.settings.log_burst == 7);
  CHECK(bench.tables.small.settings.service_port_ranges == 2);
  CHECK(finds([](nw_settings& it) { it.log_interval_ns ^= 1; }));
  CHECK(finds([](nw_settings& it) { it.log_burst ^= 1; }));
  CHECK(finds([](nw_settings& it) { it.service_port_ranges = 1; }));
  for (unsigned i = 0; i < NW_MAX_SERVICE_PORT_RANGES; ++i) {
    CAPTURE(i);
    CHECK(finds([&](nw_settings& it) { it.service_ports[i].first ^= 1; }));
    CHECK(finds([&](nw_settings& it) { it.service_ports[i].last ^= 1; }));
  }
}

TEST_CASE("an address that is wrongly a service's, or wrongly not, is found", "[verify]") {
  const Bench bench(scenario(), all_kinds);
  std::size_t services = 0;
  for (const auto& [address, flags] : bench.tables.small.local_addresses) {
    services += (flags & NW_LOCAL_SERVICE) != 0;
    auto tables = bench.tables;
    tables.small.local_addresses.at(address) ^= NW_LOCAL_SERVICE;
    CHECK(found_in(bench.look(tables), "local addresses"));
  }
  CHECK(services == 1);
}

TEST_CASE("an interface that says wrongly which chains its endpoint has is found", "[verify]") {
  const Bench bench(scenario(), all_kinds);
  const auto flags_of = [&](const char* name) {
    const auto interface = std::ranges::find(bench.facts.interfaces, name, &resolve::InterfaceFacts::name);
    return bench.tables.interfaces.at(interface->ifindex).flags;
  };
  CHECK(flags_of("eth0") == NW_INTERFACE_CHAINS);
  CHECK(flags_of("eth1") == NW_INTERFACE_FORWARD);  // staged only
  for (const auto& [ifindex, entry] : bench.tables.interfaces)
    for (const auto flag : {NW_INTERFACE_UNTRACKED, NW_INTERFACE_FORWARD, NW_INTERFACE_STRICT_INGRESS, NW_INTERFACE_STRICT_EGRESS}) {
      auto tables = bench.tables;
      tables.interfaces.at(ifindex).flags ^= flag;
      CHECK(found_in(bench.look(tables), "interfaces"));
    }
}
