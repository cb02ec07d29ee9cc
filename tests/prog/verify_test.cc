// verify: equal tables are found equal, every kind of wrong entry is found. Most of it on tables as they were read back, in memory; the
// maps of a kernel at the end.
#include <sys/mman.h>

#include <bpf/bpf.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <set>

#include "flows.h"
#include "node.h"
#include "verify_bench.h"

using namespace prog;
using nodewall::Fd;

TEST_CASE("tables that say what the policy says are found equal, for every combination", "[verify]") {
  const Bench bench(scenario());
  const auto report = bench.look();
  INFO(text_of(report));
  CHECK(report.equal());
  CHECK(report.complete());
  CHECK(report.chains == 4);
  CHECK(report.combinations >= 50);
  CHECK(report.oracle_checks == report.asked);
  CHECK(report.asked >= 30);
}

TEST_CASE("a flipped entry of an address table is found", "[verify]") {
  const Bench bench(scenario());
  const auto header = header_of(bench.tables);
  const auto root = [&](std::uint32_t high) { return bench.tables.image[header.v4_root + (high >> 4)].words[high & 15]; };
  REQUIRE(header.v4_root != 0);
  SECTION("IPv4 root: another class") {
    CHECK(notices(bench, header.v4_root + (0x0b00 >> 4), 0, 0));  // 11.0.0.0/16
  }
  SECTION("IPv4 tree: a key, and a child") {
    const auto tree = root(0x0a02);  // 10.2.0.0/16 has 10.2.3.0/28
    REQUIRE(NW_ADDRESS_KIND(tree) == NW_ADDRESS_TREE);
    CHECK(notices(bench, NW_ADDRESS_VALUE(tree), 0, 0));  // keys[0]: 10.2.3.0 or 10.2.3.1
    CHECK(notices(bench, NW_ADDRESS_VALUE(tree), 5, 0));  // children[0]
    CHECK(notices(bench, NW_ADDRESS_VALUE(tree), 6, 0));  // children[1]
  }
  SECTION("IPv6 tree: a key and a child of the high half, and of the low half") {
    REQUIRE(NW_ADDRESS_KIND(header.v6_root) == NW_ADDRESS_TREE);
    nw_tree64 node{};
    std::memcpy(&node, &bench.tables.image[NW_ADDRESS_VALUE(header.v6_root)], sizeof node);
    CHECK(notices(bench, NW_ADDRESS_VALUE(header.v6_root), 0, 0));
    CHECK(notices(bench, NW_ADDRESS_VALUE(header.v6_root), 10, 0));
    const auto low = std::ranges::find_if(node.children, [](auto ref) { return NW_ADDRESS_KIND(ref) == NW_ADDRESS_LOW; });
    REQUIRE(low != std::end(node.children));
    CHECK(notices(bench, NW_ADDRESS_VALUE(*low), 0, 0));
    CHECK(notices(bench, NW_ADDRESS_VALUE(*low), 10, 0));
  }
}

TEST_CASE("a flipped entry of the table of IPv6 addresses is found", "[verify]") {
  const auto sixth = *parse_cidr("2001:db8:1::/48", BareAddress::refuse);
  const Bench bench(scenario(), [&](resolve::Resolved& resolved) {
    const auto set = std::ranges::find_if(resolved.sets, [&](const auto& it) { return std::ranges::find(it.members, sixth) != it.members.end(); });
    REQUIRE(set != resolved.sets.end());
    std::vector<Cidr> members(set->members.begin(), set->members.end());
    for (std::uint16_t i = 0; i < 1500; ++i) {  // 2001:db8:1:: to 2001:db8:bb6::, each second /48
      auto net = sixth;
      net.address.bytes[4] = static_cast<std::uint8_t>(2 * i >> 8);
      net.address.bytes[5] = static_cast<std::uint8_t>(2 * i + 1);
      members.push_back(net);
    }
    std::ranges::sort(members);
    members.erase(std::unique(members.begin(), members.end()), members.end());
    set->members = std::move(members);
  });
  CHECK(bench.look().differences.empty());
  const auto header = header_of(bench.tables);
  REQUIRE(header.v6_table != 0);
  for (const std::uint64_t high : {0x20010db8'00010000ULL, 0x20010db8'01010000ULL, 0x20010db8'0bb70000ULL}) {
    const auto place = nw_v6_place(&header, high);
    CHECK(notices(bench, place >> 4, place & 15, 0));
  }
}

TEST_CASE("a flipped entry of a port table, a diagram, the directory or the rule table is found", "[verify]") {
  const Bench bench(scenario());
  const auto header = header_of(bench.tables);
  SECTION("the class of one port of one protocol") {
    nw_protocol tcp{};
    const auto* bytes = reinterpret_cast<const std::byte*>(&bench.tables.image[header.protocol_base]);
    std::memcpy(&tcp, bytes + 6 * sizeof tcp, sizeof tcp);
    REQUIRE((tcp.l4 & NW_PORT_TABLE) != 0);
    CHECK(notices(bench, (tcp.l4 & ~NW_PORT_TABLE) + (8005 >> 5), 8005 >> 1 & 15, 16 * (8005 & 1)));
    CHECK(notices(bench, (tcp.l4 & ~NW_PORT_TABLE) + (40000 >> 5), 40000 >> 1 & 15, 0));
  }
  SECTION("the class of a protocol") {
    CHECK(notices(bench, header.protocol_base + 6, 0, 0));  // protocol 48
  }
  SECTION("the endpoint directory: a root and the default rule, and a slot that is nobody's") {
    CHECK(notices(bench, header.endpoint_base, 0, 0));
    CHECK(notices(bench, header.endpoint_base, 3, 0));
    auto tables = bench.tables;
    for (auto& word : tables.image[header.endpoint_base].words) word = NW_SLOT_UNUSED;
    CHECK(found_in(bench.look(tables), "policy"));
  }
  SECTION("the rule table: verdict, reason and counter of every rule") {
    for (std::uint32_t rule = 0; rule < header.rule_count; ++rule) {
      CAPTURE(rule);
      const auto line = header.rule_base + rule / 8;
      CHECK(notices(bench, line, rule % 8 * 2, 0));
      CHECK(notices(bench, line, rule % 8 * 2, 8));
      CHECK(notices(bench, line, rule % 8 * 2 + 1, 0));
    }
  }
  SECTION("the header") {
    CHECK(notices(bench, 0, 0, 0));
    CHECK(notices(bench, 0, 7, 3));   // protocol table
    CHECK(notices(bench, 0, 8, 20));  // directory beyond the end
  }
}

// Some words of a diagram are never asked: keys that no class has, children for classes of the other family. So a flip must be found
// when any packet is answered otherwise because of it.
TEST_CASE("every flip of a diagram that changes an answer is found", "[verify]") {
  const Bench bench(scenario());
  const auto header = header_of(bench.tables);
  std::set<std::uint32_t> lines;
  std::vector<std::uint32_t> open;
  const auto add = [&](std::uint32_t ref) {
    if (NW_REF_KIND(ref) != NW_REF_LEAF && lines.insert(NW_REF_LINE(ref)).second) open.push_back(ref);
  };
  for (std::uint32_t entry = 0; entry < header.endpoint_slots * NW_SLOT_ENTRIES; ++entry)
    for (unsigned root = 0; root < 3; ++root) add(bench.tables.image[header.endpoint_base + entry / 4].words[entry % 4 * 4 + root]);
  while (!open.empty()) {
    const auto ref = open.back();
    open.pop_back();
    const auto& line = bench.tables.image[NW_REF_LINE(ref)];
    const unsigned from = NW_REF_KIND(ref) == NW_REF_LIST ? 7 : 0, to = NW_REF_KIND(ref) == NW_REF_LIST ? 15 : 16;
    for (auto word = from; word < to; ++word) add(line.words[word]);
  }
  REQUIRE(lines.size() >= 4);
  test::Random random(7);
  const auto pools = test::packet_pools(scenario());
  std::vector<resolve::PacketQuery> packets;
  for (int i = 0; i < 10'000; ++i) packets.push_back(test::random_packet(random, pools));
  const compile::TableImage before{bench.tables.image, {}, {}};
  std::size_t changing = 0;
  for (const auto line : lines) {
    for (std::size_t word = 0; word < 16; ++word) {
      auto after = before;
      after.lines[line].words[word] ^= 1;
      const bool changed = std::ranges::any_of(packets, [&](const auto& packet) {
        return std::ranges::any_of(bench.slots.endpoints, [&](const auto& it) {
          return compile::evaluate(before, it.second, packet) != compile::evaluate(after, it.second, packet);
        });
      });
      CAPTURE(line, word);
      if (changed) CHECK(notices(bench, line, word, 0));
      changing += changed;
    }
  }
  CHECK(changing >= lines.size());
}

TEST_CASE("a flipped entry of a small map is found", "[verify]") {
  const Bench bench(scenario());
  auto tables = bench.tables;
  SECTION("failsafe: a port more, a port less, a port opened to networks") {
    tables.small.failsafe_words[nw_failsafe_index(NW_INGRESS, 0, 4444)].any ^= 1ULL << (4444 & 63);
    CHECK(found_in(bench.look(tables), "failsafe"));
    tables = bench.tables;
    tables.small.failsafe_words[nw_failsafe_index(NW_INGRESS, 0, 22)].any = 0;
    CHECK(found_in(bench.look(tables), "failsafe"));
    tables = bench.tables;
    tables.small.failsafe_words[nw_failsafe_index(NW_EGRESS, 1, 67)].nets ^= 1ULL << (67 & 63);
    CHECK(found_in(bench.look(tables), "failsafe"));
  }
  SECTION("failsafe networks: longer, elsewhere, closed, gone") {
    REQUIRE(tables.small.failsafe_nets.size() == 1);
    tables.small.failsafe_nets[0].first.prefixlen += 1;
    CHECK(found_in(bench.look(tables), "failsafe"));
    tables = bench.tables;
    tables.small.failsafe_nets[0].first.peer[12] ^= 1;
    CHECK(found_in(bench.look(tables), "failsafe"));
    tables = bench.tables;
    tables.small.failsafe_nets[0].first.port_be[1] ^= 1;
    CHECK(found_in(bench.look(tables), "failsafe"));
    tables = bench.tables;
    tables.small.failsafe_nets[0].second = 0;
    CHECK(found_in(bench.look(tables), "failsafe"));
    tables = bench.tables;
    tables.small.failsafe_nets.clear();
    CHECK(found_in(bench.look(tables), "failsafe"));
  }
  SECTION("local addresses: gone, more, another kind") {
    tables.small.local_addresses.erase(tables.small.local_addresses.begin());
    CHECK(found_in(bench.look(tables), "local addresses"));
    tables = bench.tables;
    tables.small.local_addresses[Address::v4(0x08080808)] = NW_LOCAL_ADDRESS;
    CHECK(found_in(bench.look(tables), "local addresses"));
    tables = bench.tables;
    tables.small.local_addresses.begin()->second ^= 1;
    CHECK(found_in(bench.look(tables), "local addresses"));
  }
  SECTION("interfaces: gone, more, another endpoint, counters or flags") {
    REQUIRE(tables.interfaces.size() == 2);
    tables.interfaces.erase(tables.interfaces.begin());
    CHECK(found_in(bench.look(tables), "interfaces"));
    tables = bench.tables;
    tables.interfaces[99] = {};
    CHECK(found_in(bench.look(tables), "interfaces"));
    for (const auto member : {&nw_interface::endpoint, &nw_interface::counter, &nw_interface::flags}) {
      tables = bench.tables;
      tables.interfaces.begin()->second.*member ^= 1;
      CHECK(found_in(bench.look(tables), "interfaces"));
    }
  }
  SECTION("settings: a timeout, a flag") {
    tables.small.settings.udp_ns ^= 1;
    CHECK(found_in(bench.look(tables), "settings"));
    tables = bench.tables;
    tables.small.settings.flags ^= NW_SETTING_KEEP_ESTABLISHED;
    CHECK(found_in(bench.look(tables), "settings"));
  }
}

TEST_CASE("a difference names interface, direction, header and both answers", "[verify]") {
  const Bench bench(scenario());
  auto tables = bench.tables;
  const auto header = header_of(tables);
  tables.image[header.rule_base].words[0] ^= 1;  // the verdict of rule 0
  const auto report = bench.look(tables);
  REQUIRE_FALSE(report.equal());
  const auto& first = report.differences.front();
  CHECK(first.table == "policy");
  CHECK(first.interface == "eth0");
  CHECK(first.host_endpoint == "eth0");
  REQUIRE(first.direction);
  REQUIRE(first.packet);
  CHECK(first.expected == "allow: policy default/web/0");
  CHECK(first.found == "deny: policy default/web/0");
  CHECK(first.chain == "ingress");
  CHECK(first.packet->destination_port >= 80);
  CHECK(report.differences.size() <= engine::kMostDifferences);
}

TEST_CASE("more combinations than the limit are sampled, and the report says so", "[verify]") {
  const Bench bench(scenario());
  engine::VerifyLimits limits;
  SECTION("too many rules and pairs of addresses") {
    limits.rule_work = 1;
    limits.samples = 10;
  }
  SECTION("too many headers") { limits.asked = 20; }
  const auto report = bench.look(bench.tables, limits);
  CHECK(report.combinations > 0);
  CHECK(report.equal());
  CHECK_FALSE(report.complete());
  CHECK(report.combinations < report.possible);
  CHECK(report.possible == bench.look().possible);
}

TEST_CASE("without blocks of alike classes the answer is the same", "[verify]") {
  const Bench bench(scenario());
  engine::VerifyLimits limits;
  limits.block_steps = 0;
  const auto report = bench.look(bench.tables, limits);
  INFO(text_of(report));
  CHECK(report.equal());
  CHECK(report.complete());
  CHECK(report.combinations > bench.look().combinations);
}

TEST_CASE("random policies are verified equal, and a random flip of what is asked is found as often as a walk finds it", "[verify]") {
  std::uint64_t combinations = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    test::Random random(seed);
    const auto made = test::random_scenario(random, test::random_shape(random));
    const Bench bench(made);
    const auto report = bench.look();
    CAPTURE(seed, text_of(report));
    REQUIRE(report.equal());
    REQUIRE(report.complete());
    combinations += report.combinations;
    // A flip that changes any of these answers must be found.
    auto tables = bench.tables;
    const auto line = random.below(tables.image.size());
    tables.image[line].words[random.below(16)] ^= 1U << random.below(32);
    const compile::TableImage before{bench.tables.image, {}, {}}, after{tables.image, {}, {}};
    const auto pools = test::packet_pools(made);
    bool changed = false;
    for (int i = 0; i < 2000; ++i) {
      const auto packet = test::random_packet(random, pools);
      for (const auto& [name, slot] : bench.slots.endpoints)
        changed = changed || compile::evaluate(before, slot, packet) != compile::evaluate(after, slot, packet);
    }
    const auto again = bench.look(tables);
    CAPTURE(line);
    if (changed) CHECK_FALSE(again.equal());
    // Nothing is merged, everything is asked: the same answer.
    engine::VerifyLimits plain;
    plain.block_steps = 0;
    const auto unmerged = bench.look(tables, plain);
    if (unmerged.complete()) CHECK(unmerged.equal() == again.equal());
  }
  CHECK(combinations > 10'000);
}

TEST_CASE("the tables of a kernel are read back, and one entry that somebody wrote there is found", "[verify]") {
  const prog::Node node;
  Bench bench(scenario());
  auto opened = kernel::Datapath::open({.pin_dir = node.pins(), .conntrack_size = 1024});
  if (!opened) FAIL(opened.error().message());
  REQUIRE(opened->set_settings(engine::to_kernel(bench.resolved.settings)));
  REQUIRE(opened->set_failsafe(engine::failsafe_entries(bench.resolved.settings)));
  REQUIRE(opened->set_local_addresses(bench.tables.small.local_addresses));
  REQUIRE(opened->set_interfaces(bench.tables.interfaces));
  REQUIRE(opened->set_policy(bench.tables.image, 7));
  auto inspected = kernel::Datapath::open({.pin_dir = node.pins(), .inspect = true});
  if (!inspected) FAIL(inspected.error().message());
  const auto look = [&] {
    const auto tables = engine::read_tables(*inspected);
    if (!tables) FAIL(tables.error().message());
    return bench.look(*tables);
  };
  const auto clean = look();
  INFO(text_of(clean));
  REQUIRE(clean.equal());
  const auto map = [&](const char* name) { return Fd(bpf_obj_get((node.pins() + "/maps/" + name).c_str())); };
  const std::uint32_t zero = 0;
  SECTION("a line of the image") {
    nw_live live{};
    REQUIRE(bpf_map_lookup_elem(map("nw_live").get(), &zero, &live) == 0);
    const auto policy = map("nw_policy");
    const auto first = nw_chunk_entry(live.bank, 0);
    std::uint32_t id = 0;
    REQUIRE(bpf_map_lookup_elem(policy.get(), &first, &id) == 0);
    const Fd chunk(bpf_map_get_fd_by_id(id));
    void* memory = mmap(nullptr, sizeof(nw_chunk), PROT_READ | PROT_WRITE, MAP_SHARED, chunk.get(), 0);
    REQUIRE(memory != MAP_FAILED);
    static_cast<nw_line*>(memory)[header_of(bench.tables).rule_base].words[0] ^= 1;
    munmap(memory, sizeof(nw_chunk));
    CHECK(found_in(look(), "policy"));
  }
  SECTION("the settings") {
    auto settings = engine::to_kernel(bench.resolved.settings);
    settings.icmp_ns += 1;
    REQUIRE(bpf_map_update_elem(map("nw_settings").get(), &zero, &settings, BPF_ANY) == 0);
    CHECK(found_in(look(), "settings"));
  }
  SECTION("a word of failsafe ports") {
    const nw_failsafe_word word{.any = 1, .nets = 0};
    const auto at = nw_failsafe_index(NW_INGRESS, 0, 6400);
    REQUIRE(put_in(map("nw_failsafe"), at, word));
    CHECK(found_in(look(), "failsafe"));
  }
  SECTION("a failsafe network") {
    nw_failsafe_key key{};
    key.prefixlen = 32 + 96 + 16;
    key.is_udp = 1;
    key.port_be[1] = 68;
    std::memcpy(key.peer, Address::v4(0x0a630000).bytes.data(), 16);
    const std::uint8_t closed = 0;
    REQUIRE(bpf_map_update_elem(map("nw_failsafe_net").get(), &key, &closed, BPF_ANY) == 0);
    CHECK(found_in(look(), "failsafe"));
  }
  SECTION("a local address") {
    nw_addr address{};
    std::memcpy(address.bytes, Address::v4(0x08080808).bytes.data(), 16);
    const std::uint32_t flags = NW_LOCAL_ADDRESS;
    REQUIRE(bpf_map_update_elem(map("nw_local").get(), &address, &flags, BPF_ANY) == 0);
    CHECK(found_in(look(), "local addresses"));
  }
  SECTION("a cached local address") {
    nw_cached_local line{};
    std::memcpy(line.address.bytes, Address::v4(0x08080808).bytes.data(), 16);
    line.flags = NW_LOCAL_ADDRESS;
    const auto at = nw_local_line(&line.address);
    REQUIRE(put_in(map("nw_local_cache"), at, line));
    CHECK(found_in(look(), "cached addresses"));
  }
  SECTION("a line of the cache that hides a local address") {
    nw_addr address{};
    std::memcpy(address.bytes, bench.tables.small.local_addresses.begin()->first.bytes.data(), 16);
    const nw_cached_local line{.address = {}, .flags = NW_LOCAL_WHOLE, .pad = {}};
    const auto at = nw_local_line(&address);
    REQUIRE(put_in(map("nw_local_cache"), at, line));
    CHECK(found_in(look(), "cached addresses"));
  }
  SECTION("a cached interface") {
    const auto& [ifindex, entry] = *bench.tables.interfaces.begin();
    const auto word = nw_interface_word(ifindex, &entry) ^ 1ULL << 32;
    REQUIRE(put_in(map("nw_if_cache"), nw_interface_line(ifindex), word));
    CHECK(found_in(look(), "cached interfaces"));
  }
  SECTION("an interface") {
    const std::uint32_t ifindex = bench.tables.interfaces.begin()->first;
    REQUIRE(bpf_map_delete_elem(map("nw_interface").get(), &ifindex) == 0);
    CHECK(found_in(look(), "interfaces"));
  }
}
