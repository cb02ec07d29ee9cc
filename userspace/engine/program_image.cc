// Engine::State's steps for the policy image: which slots it has, compiling it, making it live.
#include <algorithm>

#include "engine/engine_state.h"

namespace nodewall::engine {
namespace {

bool same_image(const std::vector<nw_line>& live, const std::vector<nw_line>& wanted) {
  return std::ranges::equal(live, wanted, [](const nw_line& a, const nw_line& b) { return std::ranges::equal(a.words, b.words); });
}

Result<compile::TableImage> compile_with(const resolve::Resolved& policy, const compile::Slots& slots, const Aliases& aliases) {
  if (aliases.empty()) return compile::compile(policy, slots);
  const auto whole = with_aliases(policy, slots, aliases);
  return compile::compile(whole.resolved, whole.slots);
}

}  // namespace

bool Engine::State::keeps_policy(const std::string& host_endpoint, const resolve::Resolved& next) const {
  if (!applied || applied->sets != next.sets) return false;
  const auto find = [&](const auto& endpoints) { return std::ranges::find(endpoints, host_endpoint, &resolve::EndpointPolicy::host_endpoint); };
  const auto before = find(applied->endpoints), after = find(next.endpoints);
  return before != applied->endpoints.end() && after != next.endpoints.end() && *before == *after;
}

// The entries that the next image meets. Interfaces of one slot that shall part have got slots of their own, which judge as before. After
// a restart nobody knows the old policy: then such interfaces are closed for the moment between image and entries.
Result<InterfaceEntries> Engine::State::live_entries(const resolve::Resolved& next, ApplyReport& report) {
  auto live = datapath->interfaces();
  if (!live) return fail(std::move(live.error()).in("interfaces"));
  if (!applied || (applied->endpoints == next.endpoints && applied->sets == next.sets)) return live;
  auto parting = part_interfaces(slots, next, *live, [&](const auto& name) { return keeps_policy(name, next); });
  if (parting.aliases.empty()) return live;
  const auto table = compile_with(*applied, slots, parting.aliases);
  if (!table) return fail(table.error());
  changing = true;
  if (auto done = set_policy(table->lines); !done) return fail(std::move(done.error()).in("policy image"));
  auto writes = datapath->set_interfaces(parting.entries);
  if (!writes) return fail(std::move(writes.error()).in("interfaces"));
  report.writes += *writes + 1;
  return std::move(parting.entries);
}

Result<Engine::State::Image> Engine::State::build_image(const resolve::Resolved& next,
                                                        const InterfaceEntries& live,
                                                        ApplyReport& report) {
  Image image;
  image.slots = slots;
  const bool same = applied && applied->endpoints == next.endpoints && applied->sets == next.sets;
  if (same && datapath->generation() != 0) return image;
  const auto begin = monotonic_ns();
  auto placement = place_endpoints(slots, next, live, [&](const auto& name) { return keeps_policy(name, next); });
  image.slots = std::move(placement.slots);
  auto table = compile_with(next, image.slots, placement.aliases);
  if (!table) return fail(table.error());
  image.table = std::move(*table);
  image.changed = true;
  report.compile_ns = monotonic_ns() - begin;
  if (applied || datapath->generation() == 0) return image;
  // A restart: what is enforced already is not written again.
  auto current = datapath->read_policy();
  if (current && same_image(*current, image.table.lines)) image.changed = false;
  return image;
}

// The slots of new owners are cleared before anything counts there.
Status Engine::State::prepare_rule_counters(const compile::Slots& next) {
  std::uint32_t most = 0;
  std::vector<std::uint32_t> fresh;
  for (const auto& [key, slot] : next.rules) {
    most = std::max(most, slot + 1);
    const auto old = slots.rules.find(key);
    if (old == slots.rules.end() || old->second != slot) fresh.push_back(slot);
  }
  if (fresh.empty()) return {};
  const auto before = datapath->rule_counters();
  if (auto done = datapath->reserve_rule_counters(most); !done) return done;
  for (const auto slot : fresh) {
    if (!before || slot >= before->size() || (*before)[slot].packets == 0) continue;
    if (auto done = datapath->clear_rule_counter(slot); !done) return done;
  }
  return {};
}

Status Engine::State::write_image(Image& image, ApplyReport& report) {
  if (!image.table.lines.empty()) cost = image.table.cost;
  if (!image.changed) {
    slots = std::move(image.slots);
    report.generation = datapath->generation();
    return {};
  }
  if (auto done = prepare_rule_counters(image.slots); !done) {
    return fail(std::move(done.error()).in("rule counters"));
  }
  if (auto done = set_policy(image.table.lines); !done) {
    return fail(std::move(done.error()).in("policy image"));
  }
  slots = image.slots;
  report.writes += 1;
  report.new_image = true;
  report.generation = last_generation;
  return {};
}

Status Engine::State::set_policy(std::span<const nw_line> lines) {
  const auto generation = std::max(last_generation, datapath->generation()) + 1;
  if (auto done = datapath->set_policy(lines, generation); !done) return done;
  last_generation = generation;
  return {};
}

// A failure is said once; each tick tries again. Without the file a restart would not know whose the slots are.
void Engine::State::save_policy(const resolve::Resolved& policy) {
  auto saved = summarize(policy, slots);
  saved.generation = status.generation;
  saved.cost = cost;
  const auto done = write_policy(run_dir, saved);
  const auto problem = done ? std::string() : "policy file: " + done.error().message();
  if (done) saved_generation = status.generation;
  if (!done && problem != policy_file_problem) emit(Event::Kind::failed, "", problem);
  policy_file_problem = problem;
}

}  // namespace nodewall::engine
