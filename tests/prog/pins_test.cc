// Pins, adoption and hooks, in a network and mount namespace of their own.
#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "lab.h"
#include "maps/abi.h"
#include "node.h"

using namespace prog;
using nodewall::Errc;
using nodewall::Fd;
using nodewall::kernel::AttachedHook;
using nodewall::kernel::DatapathOptions;
using nodewall::kernel::remove_pinned;

namespace {

constexpr std::uint32_t kFlows = 4096;

DatapathOptions options(const Node& node) { return {.pin_dir = node.pins(), .conntrack_size = kFlows}; }

Datapath open(const Node& node) {
  auto opened = Datapath::open(options(node));
  if (!opened) FAIL(opened.error().message());
  return std::move(*opened);
}

std::string refusal(const DatapathOptions& wanted, Errc code) {
  const auto opened = Datapath::open(wanted);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == code);
  return opened.error().message();
}

bool has(const Datapath& datapath, std::uint32_t ifindex, Hook hook) {
  const auto attached = datapath.attached();
  REQUIRE(attached);
  return std::ranges::any_of(*attached, [&](const AttachedHook& it) { return it.ifindex == ifindex && it.hook == hook; });
}

void write_stamp(const Node& node, const nw_stamp& stamp) {
  const Fd map(bpf_obj_get((node.pins() + "/maps/nw_stamp").c_str()));
  REQUIRE(map.valid());
  const std::uint32_t zero = 0;
  REQUIRE(bpf_map_update_elem(map.get(), &zero, &stamp, BPF_ANY) == 0);
}

nw_stamp read_stamp(const Node& node) {
  const Fd map(bpf_obj_get((node.pins() + "/maps/nw_stamp").c_str()));
  REQUIRE(map.valid());
  const std::uint32_t zero = 0;
  nw_stamp stamp{};
  REQUIRE(bpf_map_lookup_elem(map.get(), &zero, &stamp) == 0);
  return stamp;
}

}  // namespace

TEST_CASE("T-R1 what is pinned outlives the process and is adopted with everything in it", "[pins]") {
  const Node node;
  const auto host0 = Node::ifindex("host0");
  {
    auto datapath = open(node);
    CHECK_FALSE(datapath.adopted());
    REQUIRE(datapath.set_policy(image_of(standard_policy()).lines, 7));
    REQUIRE(datapath.set_interfaces({{host0, nw_interface{0, 3, 0, 0}}}));
    REQUIRE(datapath.set_failsafe({{.direction = NW_INGRESS, .is_udp = false, .port = 22, .net = {}}}));
    REQUIRE(datapath.attach(host0, Hook::tc_ingress));
    REQUIRE(datapath.attach(host0, Hook::tc_egress));
    REQUIRE(datapath.add_conntrack({}, {}));
  }
  auto datapath = open(node);
  CHECK(datapath.adopted());
  CHECK(datapath.generation() == 7);
  CHECK(datapath.interfaces()->at(host0).counter == 3);
  CHECK(datapath.failsafe()->size() == 1);
  CHECK(has(datapath, host0, Hook::tc_ingress));
  CHECK(has(datapath, host0, Hook::tc_egress));
  std::size_t flows = 0;
  REQUIRE(datapath.for_each_conntrack([&](const ConntrackRow&) { ++flows; }));
  CHECK(flows == 1);
  const auto upgraded = datapath.upgrade_programs();
  REQUIRE(upgraded);
  CHECK(*upgraded == 0);
  REQUIRE(remove_pinned(node.pins()));
}

TEST_CASE("T-R1 what the maps hold already is not written again", "[pins]") {
  const Node node;
  auto datapath = open(node);
  const std::map<std::uint32_t, nw_interface> interfaces = {{5, {0, 0, 0, 0}}, {6, {1, 1, 0, 0}}};
  const std::map<nodewall::Address, std::uint32_t> local = {{*nodewall::parse_address("10.0.0.1"), NW_LOCAL_ADDRESS},
                                                            {*nodewall::parse_address("2001:db8::1"), NW_LOCAL_ADDRESS}};
  const std::vector<nodewall::kernel::FailsafeEntry> failsafe = {
      {.direction = NW_INGRESS, .is_udp = false, .port = 22, .net = {}},
      {.direction = NW_EGRESS, .is_udp = true, .port = 53, .net = nodewall::parse_cidr("10.0.0.0/8", nodewall::BareAddress::refuse).value()}};
  for (const bool first : {true, false}) {
    const auto check = [&](const nodewall::Result<std::size_t>& writes) {
      REQUIRE(writes);
      CHECK((*writes != 0) == first);
    };
    check(datapath.set_interfaces(interfaces));
    check(datapath.set_local_addresses(local));
    check(datapath.set_failsafe(failsafe));
    check(datapath.set_settings(kSettings));
  }
  CHECK(*datapath.failsafe() == [&] { auto sorted = failsafe; std::ranges::sort(sorted); return sorted; }());
  CHECK(*datapath.set_interfaces({{5, {0, 0, 0, 0}}}) == 1);
  CHECK(*datapath.set_failsafe({}) == 3);
}

TEST_CASE("pins of another version, owner or namespace are refused, and stay", "[pins]") {
  const Node node;
  const auto host0 = Node::ifindex("host0");
  {
    auto datapath = open(node);
    REQUIRE(datapath.attach(host0, Hook::tc_ingress));
  }
  const auto good = read_stamp(node);
  auto stamp = good;
  stamp.abi_version = NW_ABI_VERSION + 1;
  write_stamp(node, stamp);
  const auto version = refusal(options(node), Errc::abi);
  CHECK(version.find("layout " + std::to_string(NW_ABI_VERSION + 1)) != std::string::npos);
  CHECK(version.find("nodewall disarm --yes") != std::string::npos);
  stamp = good;
  stamp.netns_cookie += 1;
  write_stamp(node, stamp);
  CHECK(refusal(options(node), Errc::abi).find("another network namespace") != std::string::npos);
  stamp = good;
  stamp.magic = 1;
  write_stamp(node, stamp);
  CHECK(refusal(options(node), Errc::abi).find("not ours") != std::string::npos);
  write_stamp(node, good);
  CHECK(has(open(node), host0, Hook::tc_ingress));
}

TEST_CASE("pinned maps of another shape are refused, and stay", "[pins]") {
  const Node node;
  { auto datapath = open(node); }
  for (const char* name : {"nw_settings", "nw_local", "nw_policy", "nw_ct"}) {
    CAPTURE(name);
    const auto path = node.pins() + "/maps/" + name;
    const Fd original(bpf_obj_get(path.c_str()));
    REQUIRE(original.valid());
    REQUIRE(::unlink(path.c_str()) == 0);
    const Fd wrong(bpf_map_create(BPF_MAP_TYPE_ARRAY, "wrong", 4, 24, 3, nullptr));
    REQUIRE(bpf_obj_pin(wrong.get(), path.c_str()) == 0);
    CHECK(refusal(options(node), Errc::abi).find("another shape") != std::string::npos);
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(bpf_obj_pin(original.get(), path.c_str()) == 0);
  }
  CHECK(open(node).adopted());
}

TEST_CASE("T-K1 a table of flows of another size keeps its flows", "[pins]") {
  const Node node;
  const auto host0 = Node::ifindex("host0");
  nw_ct_key key{};
  key.protocol = 6;
  {
    auto datapath = open(node);
    REQUIRE(datapath.attach(host0, Hook::tc_ingress));
    REQUIRE(datapath.add_conntrack(key, {}));
  }
  auto wanted = options(node);
  wanted.conntrack_size = 2 * kFlows;
  auto datapath = Datapath::open(wanted);
  REQUIRE(datapath);
  std::size_t flows = 0;
  REQUIRE(datapath->for_each_conntrack([&](const ConntrackRow& row) { flows += row.key.protocol == 6 ? 1 : 0; }));
  CHECK(flows == 1);
  nw_ct_key later{};
  later.protocol = 17;
  {
    // Until then the running program writes there.
    const Fd old(bpf_obj_get((node.pins() + "/maps/nw_ct_old").c_str()));
    REQUIRE(old.valid());
    const nw_ct_entry entry{};
    REQUIRE(bpf_map_update_elem(old.get(), &later, &entry, BPF_ANY) == 0);
  }
  CHECK(*datapath->upgrade_programs() == 1);  // the running one looks at the old table
  CHECK_FALSE(std::filesystem::exists(node.pins() + "/maps/nw_ct_old"));
  flows = 0;
  REQUIRE(datapath->for_each_conntrack([&](const ConntrackRow&) { ++flows; }));
  CHECK(flows == 2);
  CHECK(*datapath->upgrade_programs() == 0);
}

TEST_CASE("T-X3 a pin directory that others may write is refused", "[pins]") {
  const Node node;
  REQUIRE(::mkdir(node.pins().c_str(), 0700) == 0);
  REQUIRE(::chmod(node.pins().c_str(), 0777) == 0);
  CHECK(refusal(options(node), Errc::permission).find("must belong to root") != std::string::npos);
  REQUIRE(::chmod(node.pins().c_str(), 0700) == 0);
  REQUIRE(::chown(node.pins().c_str(), 65534, 65534) == 0);
  CHECK(refusal(options(node), Errc::permission).find("must belong to root") != std::string::npos);
}

TEST_CASE("T-X4 a symbolic link in the place of the pin directory is refused", "[pins]") {
  const Node node;
  REQUIRE(::mkdir((node.bpffs() + "/elsewhere").c_str(), 0700) == 0);
  REQUIRE(::symlink((node.bpffs() + "/elsewhere").c_str(), node.pins().c_str()) == 0);
  CHECK(refusal(options(node), Errc::permission).find("is not a directory") != std::string::npos);
  CHECK(std::filesystem::is_empty(node.bpffs() + "/elsewhere"));
  CHECK_FALSE(remove_pinned(node.pins()));
  CHECK(std::filesystem::exists(node.bpffs() + "/elsewhere"));
}

TEST_CASE("T-X6 a pin directory that is not on a bpf file system is refused", "[pins]") {
  const Node node;
  CHECK(refusal({.pin_dir = "/tmp/nodewall-no-bpffs"}, Errc::permission).find("not a bpf file system") != std::string::npos);
}

TEST_CASE("T-R9 attaching is idempotent, and puts back what somebody took away", "[pins]") {
  const Node node;
  const auto host0 = Node::ifindex("host0");
  auto datapath = open(node);
  for (const auto hook : kHooks) {
    const auto first = datapath.attach(host0, hook);
    REQUIRE(first);
    const auto again = datapath.attach(host0, hook);
    REQUIRE(again);
    CHECK(again->program_id == first->program_id);
    const auto path = node.pins() + "/links/" + std::to_string(host0) + "-" + std::string(nodewall::kernel::name(hook));
    {
      const Fd link(bpf_obj_get(path.c_str()));
      REQUIRE(link.valid());
      REQUIRE(bpf_link_detach(link.get()) == 0);
    }
    CHECK_FALSE(has(datapath, host0, hook));
    REQUIRE(datapath.attach(host0, hook));
    CHECK(has(datapath, host0, hook));
    // The pin alone keeps the link: without it the program is gone.
    REQUIRE(::unlink(path.c_str()) == 0);
    // The kernel frees a link in its own time, and XDP has one place.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!datapath.attach(host0, hook) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    CHECK(has(datapath, host0, hook));
    REQUIRE(datapath.detach(host0, hook));
    CHECK_FALSE(has(datapath, host0, hook));
  }
}

TEST_CASE("T-R7 a device that went is forgotten, and one that came back is attached again", "[pins]") {
  const Node node;
  const auto host0 = Node::ifindex("host0");
  auto datapath = open(node);
  REQUIRE(datapath.attach(host0, Hook::tc_ingress));
  REQUIRE(Node::run("ip link del host0"));
  CHECK_FALSE(has(datapath, host0, Hook::tc_ingress));
  CHECK_FALSE(datapath.attach(host0, Hook::tc_ingress));
  REQUIRE(Node::run("ip link add host0 index " + std::to_string(host0) + " type veth peer name peer0"));
  REQUIRE(Node::ifindex("host0") == host0);
  CHECK_FALSE(has(datapath, host0, Hook::tc_ingress));
  REQUIRE(datapath.attach(host0, Hook::tc_ingress));
  CHECK(has(datapath, host0, Hook::tc_ingress));
}

TEST_CASE("where tcx cannot be had clsact carries the programs, and disarming takes them off", "[pins]") {
  const Node node;
  const auto host0 = Node::ifindex("host0");
  auto wanted = options(node);
  wanted.force_clsact = true;
  {
    auto datapath = Datapath::open(wanted);
    REQUIRE(datapath);
    REQUIRE(datapath->set_interfaces({{host0, nw_interface{}}}));
    for (const auto hook : {Hook::tc_ingress, Hook::tc_egress}) {
      const auto attached = datapath->attach(host0, hook);
      REQUIRE(attached);
      CHECK(attached->mode == "clsact");
      CHECK(datapath->attach(host0, hook)->program_id == attached->program_id);
      CHECK(has(*datapath, host0, hook));
    }
    REQUIRE(Node::run("tc filter del dev host0 ingress"));
    CHECK_FALSE(has(*datapath, host0, Hook::tc_ingress));
    REQUIRE(datapath->attach(host0, Hook::tc_ingress));
    CHECK(has(*datapath, host0, Hook::tc_ingress));
  }
  REQUIRE(remove_pinned(node.pins()));
  CHECK(Node::run("! tc filter show dev host0 ingress | grep -q nw_tc"));
  CHECK(Node::run("! tc filter show dev host0 egress | grep -q nw_tc"));
  CHECK_FALSE(std::filesystem::exists(node.pins()));
}

TEST_CASE("T-Z6 removing the pins takes every hook off, whatever their version", "[pins]") {
  const Node node;
  const auto host0 = Node::ifindex("host0");
  {
    auto datapath = open(node);
    REQUIRE(datapath.attach(host0, Hook::tc_ingress));
    REQUIRE(datapath.attach(host0, Hook::tc_egress));
    auto stamp = read_stamp(node);
    stamp.abi_version = 99;
    write_stamp(node, stamp);
  }
  CHECK(Node::run("bpftool net show dev host0 | grep -q nw_tc_ingress"));
  REQUIRE(remove_pinned(node.pins()));
  CHECK(Node::run("! bpftool net show dev host0 | grep -q nw_tc"));
  CHECK_FALSE(open(node).adopted());
}

TEST_CASE("inspecting needs pins and changes nothing", "[pins]") {
  const Node node;
  auto wanted = options(node);
  wanted.inspect = true;
  CHECK(refusal(wanted, Errc::not_found).find("nothing is enforced") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(node.pins()));
  {
    auto datapath = open(node);
    REQUIRE(datapath.set_policy(image_of(standard_policy()).lines, 3));
  }
  const auto inspected = Datapath::open(wanted);
  REQUIRE(inspected);
  CHECK(inspected->generation() == 3);
}

TEST_CASE("the next policies go live though somebody took parts of the banks away and wrote a bank that there is not", "[pins]") {
  const Node node;
  auto datapath = open(node);
  const auto lines = image_of(standard_policy()).lines;
  const Fd policy(bpf_obj_get((node.pins() + "/maps/nw_policy").c_str()));
  const Fd live(bpf_obj_get((node.pins() + "/maps/nw_live").c_str()));
  for (std::uint32_t generation = 1; generation <= 2; ++generation) REQUIRE(datapath.set_policy(lines, generation));
  for (std::uint32_t bank = 0; bank < NW_BANKS; ++bank) {
    const auto entry = nw_chunk_entry(bank, 0);
    REQUIRE(bpf_map_delete_elem(policy.get(), &entry) == 0);
  }
  CHECK_FALSE(datapath.read_policy());
  const std::uint32_t zero = 0;
  const nw_live damaged{.bank = 0xfffffffe, .generation = 2};
  REQUIRE(bpf_map_update_elem(live.get(), &zero, &damaged, BPF_ANY) == 0);
  for (std::uint32_t generation = 3; generation <= 4; ++generation) {
    REQUIRE(datapath.set_policy(lines, generation, std::span<const nodewall::kernel::LineRange>()));
    const auto read = datapath.read_policy();
    REQUIRE(read);
    CHECK(std::ranges::equal(*read, lines, [](const nw_line& a, const nw_line& b) { return std::ranges::equal(a.words, b.words); }));
  }
}

TEST_CASE("rule counters keep their counts when they grow", "[pins]") {
  const Node node;
  auto datapath = open(node);
  REQUIRE(datapath.reserve_rule_counters(10));
  const auto before = datapath.rule_counters();
  REQUIRE(before);
  REQUIRE(datapath.reserve_rule_counters(3 * NW_PART_COUNTS));
  const auto after = datapath.rule_counters();
  REQUIRE(after);
  CHECK(after->size() == 3 * NW_PART_COUNTS);
  CHECK(after->size() > before->size());
}
