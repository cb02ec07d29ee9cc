#include "engine/state_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace nodewall;
using engine::SavedState;

namespace {

struct RunDir {
  std::string path;
  RunDir() {
    char name[] = "/tmp/nw-state-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~RunDir() { std::filesystem::remove_all(path); }
  void put(const std::string& file, const std::string& text) const {
    std::ofstream(path + "/" + file) << text;
  }
};

SavedState example() {
  SavedState state;
  state.interface_counters = {{"eth0", 0}, {"eth1", 3}};
  state.pid = 77;
  state.notes = {"/etc/nodewall", "", {"a.yaml:1:2: wrong"}, {}, "0.1.0"};
  state.status.node = "node-1";
  state.status.armed = false;
  state.status.generation = 9;
  state.status.last_error = "none";
  engine::InterfaceStatus interface;
  interface.name = "eth0";
  interface.ifindex = 2;
  interface.host_endpoint = "node-1-eth0";
  interface.hooks = {{2, kernel::Hook::tc_egress, "tcx", 41}};
  interface.problem = "xdp: no";
  state.status.interfaces = {interface};
  state.status.conditions = {{resolve::Condition::Severity::error,
                              {model::Kind::GlobalNetworkPolicy, "deny-all"},
                              "NotEnforced",
                              "why"}};
  return state;
}

}  // namespace

TEST_CASE("a state file says what was written to it") {
  const RunDir dir;
  REQUIRE(engine::write_state(dir.path, engine::state_text(example())));
  const auto read = engine::read_state(dir.path);
  REQUIRE(read);
  CHECK(engine::state_text(*read) == engine::state_text(example()));
  CHECK(read->interface_counters.at("eth1") == 3);
  CHECK(read->status.interfaces.at(0).hooks.at(0).hook == kernel::Hook::tc_egress);
  struct stat info {};
  REQUIRE(::stat((dir.path + "/state.json").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("T-X4: a state file that others could have written is not read") {
  const RunDir dir;
  REQUIRE(engine::write_state(dir.path, engine::state_text(example())));
  ::chmod((dir.path + "/state.json").c_str(), 0666);
  const auto read = engine::read_state(dir.path);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::permission);
}

TEST_CASE("a damaged state file is refused and harms nothing") {
  const RunDir dir;
  const auto whole = engine::state_text(example());
  for (std::size_t cut = 0; cut + 2 < whole.size(); cut += 7) {
    dir.put("state.json", whole.substr(0, cut));
    CHECK_FALSE(engine::read_state(dir.path));
  }
  for (const auto* text : {"[]", "null", "{}", R"({"version":1})", R"({"version":"1"})"}) {
    dir.put("state.json", text);
    CHECK_FALSE(engine::read_state(dir.path));
  }
}

TEST_CASE("two interfaces with one counter block are refused") {
  const RunDir dir;
  auto state = example();
  state.interface_counters["eth2"] = 3;
  REQUIRE(engine::write_state(dir.path, engine::state_text(state)));
  CHECK_FALSE(engine::read_state(dir.path));
}

TEST_CASE("a counter block behind the last one is refused") {
  const RunDir dir;
  auto state = example();
  state.interface_counters["eth2"] = NW_MAX_INTERFACES - 1;
  REQUIRE(engine::write_state(dir.path, engine::state_text(state)));
  CHECK(engine::read_state(dir.path));
  state.interface_counters["eth2"] = NW_MAX_INTERFACES;
  REQUIRE(engine::write_state(dir.path, engine::state_text(state)));
  CHECK_FALSE(engine::read_state(dir.path));
}

TEST_CASE("a state file of another version is refused") {
  const RunDir dir;
  const auto text = engine::state_text(example());
  const std::string_view own = "\"version\": 1";
  const auto at = text.find(own);
  REQUIRE(at != std::string::npos);
  for (const auto* other : {"\"version\": 0", "\"version\": 2"}) {
    dir.put("state.json", std::string(text).replace(at, own.size(), other));
    CHECK_FALSE(engine::read_state(dir.path));
  }
  dir.put("state.json", text);
  CHECK(engine::read_state(dir.path));
}

TEST_CASE("a policy file keeps the slots and the policy in words") {
  const RunDir dir;
  resolve::Resolved resolved;
  resolved.sets = {{{*parse_cidr("10.0.0.0/8", BareAddress::refuse)}}};
  resolve::ResolvedRule rule;
  rule.action = model::Action::Allow;
  rule.protocols.set(6);
  rule.source.in = {0};
  rule.destination.ports = std::vector<model::PortRange>{{80, 80}, {8000, 8080}};
  rule.origin = {"default", "allow-web", 0};
  resolve::EndpointPolicy endpoint;
  endpoint.host_endpoint = "eth0";
  endpoint.policies = {"default/allow-web"};
  endpoint.chains[NW_CHAIN_INGRESS].tiers = {{"default", {rule}, model::TierAction::Deny}};
  resolved.endpoints = {endpoint};
  compile::Slots slots;
  slots.endpoints = {{"eth0", 4}};
  slots.rules = {{{NW_INGRESS, {"default", "allow-web", 0}}, 6}};

  auto saved = engine::summarize(resolved, slots);
  saved.generation = 12;
  REQUIRE(engine::write_policy(dir.path, saved));
  const auto read = engine::read_policy(dir.path);
  REQUIRE(read);
  CHECK(read->slots == slots);
  CHECK(read->generation == 12);
  CHECK(read->endpoints == saved.endpoints);
  CHECK(read->chains == saved.chains);
  const auto& tier = read->chains.at(read->endpoints.at(0).chains.at(NW_CHAIN_INGRESS)).tiers.at(0);
  CHECK(tier.rules.at(0).match == "TCP from 10.0.0.0/8 to port 80,8000-8080");
  CHECK(tier.end == "Deny");
}

TEST_CASE("a policy file has every chain of an endpoint, what staged policies would make of it, and Log rules") {
  const RunDir dir;
  resolve::Resolved resolved;
  const auto rule = [](model::Action action, resolve::Origin origin) {
    resolve::ResolvedRule made;
    made.action = action;
    made.protocols.set();
    made.origin = std::move(origin);
    return made;
  };
  const auto log = rule(model::Action::Log, {"default", "p", 0}), allow = rule(model::Action::Allow, {"default", "p", 1});
  const auto staged = rule(model::Action::Deny, {"default", "p", 0, true});
  resolve::EndpointPolicy endpoint;
  endpoint.host_endpoint = "eth0";
  endpoint.staged_policies = {"default/p"};
  endpoint.chains[NW_CHAIN_PRE_DNAT].tiers = {{.name = "default", .rules = {log, allow}, .end = model::TierAction::Pass}};
  endpoint.chains[NW_CHAIN_INGRESS].tiers = {{.name = "default", .rules = {log, allow}}};
  endpoint.staged[NW_CHAIN_INGRESS].emplace().tiers = {{.name = "default", .rules = {staged, log, allow}}};
  endpoint.staged[NW_CHAIN_FORWARD_EGRESS].emplace().tiers = {{.name = "new", .rules = {staged}, .staged = true}};
  resolved.endpoints = {endpoint};
  compile::Slots slots;
  slots.rules = {{{NW_INGRESS, {"default", "p", 0}}, 6}, {{NW_INGRESS, {"default", "p", 0, true}}, 7}};
  REQUIRE(engine::write_policy(dir.path, engine::summarize(resolved, slots)));
  const auto read = engine::read_policy(dir.path);
  REQUIRE(read);
  CHECK(read->slots == slots);  // two policies of one name
  const auto& it = read->endpoints.at(0);
  CHECK(it.staged_policies == std::vector<std::string>{"default/p"});
  CHECK(it.chains.size() == 3);  // ingress and egress always are
  CHECK(it.staged.size() == 2);
  const auto& before_nat = read->chains.at(it.chains.at(NW_CHAIN_PRE_DNAT)).tiers.at(0);
  CHECK(before_nat.end == "Pass");
  CHECK(before_nat.rules.at(0).action == "Log");
  const auto& on_trial = read->chains.at(it.staged.at(NW_CHAIN_INGRESS)).tiers.at(0);
  CHECK_FALSE(on_trial.staged);
  CHECK(on_trial.rules.at(0).origin.staged);
  CHECK_FALSE(on_trial.rules.at(1).origin.staged);
  CHECK(read->chains.at(it.staged.at(NW_CHAIN_FORWARD_EGRESS)).tiers.at(0).staged);
}

TEST_CASE("names of any characters are read back from a policy file as they were, and what is no text is replaced") {
  const RunDir dir;
  const std::string odd = "a\"b\\c\n\t\x01\x7f \u00e9\u4e2d/{}[],:";
  engine::SavedPolicy policy;
  policy.slots.rules = {{{NW_EGRESS, {odd, odd, 3}}, 1}};
  policy.chains.push_back({.tiers = {{.name = odd, .end = "Deny", .staged = false, .rules = {{{odd, odd, -1, true}, "Allow", odd}}}}, .profile_rules = {}});
  REQUIRE(engine::write_policy(dir.path, policy));
  const auto read = engine::read_policy(dir.path);
  REQUIRE(read);
  CHECK(read->slots == policy.slots);
  CHECK(read->chains == policy.chains);
  policy.chains[0].tiers[0].name = "\xff";
  REQUIRE(engine::write_policy(dir.path, policy));
  const auto replaced = engine::read_policy(dir.path);
  REQUIRE(replaced);
  CHECK(replaced->chains[0].tiers[0].name == "\ufffd");
}

TEST_CASE("a policy file of another version is refused: the history of counters is lost, nothing else") {
  const RunDir dir;
  REQUIRE(engine::write_policy(dir.path, {}));
  std::ifstream file(dir.path + "/policy.json");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto at = text.find("\"version\":");
  REQUIRE(at != std::string::npos);
  CHECK(engine::read_policy(dir.path));
  text.replace(at, std::string("\"version\":2").size(), "\"version\":1");
  dir.put("policy.json", text);
  CHECK_FALSE(engine::read_policy(dir.path));
}

TEST_CASE("a policy file with an endpoint of no rules or a slot twice is refused") {
  const RunDir dir;
  engine::SavedPolicy policy;
  policy.endpoints = {{.host_endpoint = "eth0", .policies = {}, .staged_policies = {}, .profiles = {}, .chains = {{NW_CHAIN_INGRESS, 5}}, .staged = {}}};
  policy.chains.resize(1);
  REQUIRE(engine::write_policy(dir.path, policy));
  CHECK_FALSE(engine::read_policy(dir.path));
  policy.endpoints[0].chains = {{NW_CHAIN_INGRESS, 0}};
  REQUIRE(engine::write_policy(dir.path, policy));
  CHECK(engine::read_policy(dir.path));
  policy.endpoints[0].staged = {{NW_CHAIN_EGRESS, 1}};
  REQUIRE(engine::write_policy(dir.path, policy));
  CHECK_FALSE(engine::read_policy(dir.path));
  policy.endpoints.clear();
  policy.slots.endpoints = {{"a", 1}, {"b", 1}};
  REQUIRE(engine::write_policy(dir.path, policy));
  CHECK_FALSE(engine::read_policy(dir.path));
}

TEST_CASE("the disarm marker is there from set to clear") {
  const RunDir dir;
  CHECK_FALSE(engine::is_disarmed(dir.path));
  REQUIRE(engine::set_disarmed(dir.path));
  CHECK(engine::is_disarmed(dir.path));
  REQUIRE(engine::clear_disarmed(dir.path));
  CHECK_FALSE(engine::is_disarmed(dir.path));
  CHECK(engine::clear_disarmed(dir.path));
}

TEST_CASE("the lock is held once") {
  const RunDir dir;
  auto first = engine::take_lock(dir.path);
  REQUIRE(first);
  const auto second = engine::take_lock(dir.path);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::busy);
  first->reset();
  CHECK(engine::take_lock(dir.path));
}

TEST_CASE("T-X4: a symbolic link in the place of the run directory or of the state file is refused") {
  const RunDir dir, elsewhere;
  REQUIRE(engine::write_state(elsewhere.path, engine::state_text(example())));
  REQUIRE(::symlink(elsewhere.path.c_str(), (dir.path + "/link").c_str()) == 0);
  for (const auto* end : {"/link", "/link/", "/link//"}) {
    const auto checked = engine::check_run_dir(dir.path + end, engine::CreateDir::yes);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == Errc::permission);
  }
  REQUIRE(::symlink((elsewhere.path + "/state.json").c_str(), (dir.path + "/state.json").c_str()) == 0);
  CHECK_FALSE(engine::read_state(dir.path));
  CHECK(engine::read_state(elsewhere.path));
  CHECK(engine::check_run_dir(dir.path + "/", engine::CreateDir::no));
}

TEST_CASE("T-X4: a run directory that others can write is refused") {
  const RunDir dir;
  CHECK(engine::check_run_dir(dir.path, engine::CreateDir::no));
  for (const mode_t mode : {0777U, 0770U, 0702U}) {
    REQUIRE(::chmod(dir.path.c_str(), mode) == 0);
    CHECK_FALSE(engine::check_run_dir(dir.path, engine::CreateDir::yes));
  }
  const auto missing = engine::check_run_dir(dir.path + "/none", engine::CreateDir::no);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::not_found);
}
