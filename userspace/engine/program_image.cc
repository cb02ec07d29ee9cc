// Engine::State's steps for the policy image: which slots it has, compiling it, making it live.
#include <algorithm>
#include <utility>

#include "engine/engine_state.h"

namespace nodewall::engine {
namespace {

bool same_image(const std::vector<nw_line>& live, std::span<const nw_line> wanted) {
  return std::ranges::equal(live, wanted, [](const nw_line& a, const nw_line& b) { return std::ranges::equal(a.words, b.words); });
}

Result<compile::TableImage> compile_with(const resolve::Resolved& policy, const compile::Slots& slots, const Aliases& aliases) {
  const auto whole = with_aliases(policy, slots, aliases);
  return compile::compile(whole.resolved, whole.slots);
}

std::vector<kernel::LineRange> to_kernel(std::span<const compile::LineRange> changes) {
  std::vector<kernel::LineRange> ranges;
  for (const auto& it : changes) ranges.push_back({it.first, it.count});
  return ranges;
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
  auto parting = part_interfaces(*slots, next, *live, [&](const auto& name) { return keeps_policy(name, next); });
  if (parting.aliases.empty()) return live;
  const auto table = compile_with(*applied, *slots, parting.aliases);
  if (!table) return fail(table.error());
  changing = true;
  if (auto done = set_policy(table->lines); !done) return fail(std::move(done.error()).in("policy image"));
  auto writes = datapath->set_interfaces(parting.entries);
  if (!writes) return fail(std::move(writes.error()).in("interfaces"));
  report.writes += *writes + 1;
  return std::move(parting.entries);
}

// The same host endpoints and rules by name, on the same interfaces: nobody needs a slot that there is not, and none is free.
bool Engine::State::keeps_slots(const resolve::Resolved& next, const InterfaceEntries& live) const {
  if (!applied || applied->assignments != next.assignments || !compile::same_owners(*applied, next)) return false;
  return std::ranges::all_of(next.assignments, [&](const resolve::Assignment& it) {
    const auto slot = slots->endpoints.find(next.endpoints[it.endpoint].host_endpoint);
    const auto entry = live.find(it.ifindex);
    return slot != slots->endpoints.end() && (entry == live.end() || entry->second.endpoint == slot->second);
  });
}

Status Engine::State::compile_image(const std::shared_ptr<const resolve::Resolved>& next, const Aliases& aliases, Image& image) {
  const auto& next_slots = image.slots ? image.slots : slots;
  if (aliases.empty()) {
    const bool had_last = std::exchange(kernel_has_compiled, false);
    auto done = compiler.update(next, next_slots);
    image.table = &compiler.image();
    image.follows = had_last && compiler.changes();
    return done;
  }
  auto table = compile_with(*next, *next_slots, aliases);
  if (!table) return fail(std::move(table.error()));
  image.whole = std::move(*table);
  return {};
}

Result<Engine::State::Image> Engine::State::build_image(const std::shared_ptr<const resolve::Resolved>& shared,
                                                        const InterfaceEntries& live,
                                                        ApplyReport& report) {
  const auto& next = *shared;
  Image image;
  const bool same = applied && applied->endpoints == next.endpoints && applied->sets == next.sets;
  if (same && datapath->generation() != 0) return image;
  const auto begin = monotonic_ns();
  Aliases aliases;
  if (!keeps_slots(next, live)) {
    auto placement = place_endpoints(*slots, next, live, [&](const auto& name) { return keeps_policy(name, next); });
    image.slots = std::make_shared<const compile::Slots>(std::move(placement.slots));
    aliases = std::move(placement.aliases);
  }
  if (auto done = compile_image(shared, aliases, image); !done) return fail(done.error());
  image.changed = true;
  report.compile_ns = monotonic_ns() - begin;
  if (applied || datapath->generation() == 0) return image;
  // A restart: what is enforced already is not written again.
  auto current = datapath->read_policy();
  if (current && same_image(*current, image.lines())) image.changed = false;
  return image;
}

// The slots of new owners are cleared before anything counts there.
Status Engine::State::prepare_rule_counters(const compile::Slots& next) {
  std::uint32_t most = 0;
  std::vector<std::uint32_t> fresh;
  for (const auto& [key, slot] : next.rules) {
    most = std::max(most, slot + 1);
    const auto old = slots->rules.find(key);
    if (old == slots->rules.end() || old->second != slot) fresh.push_back(slot);
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
  if (!image.lines().empty()) cost = image.whole ? image.whole->cost : image.table->cost;
  if (!image.changed) {
    if (image.slots) slots = std::move(image.slots);
    report.generation = datapath->generation();
    return {};
  }
  if (image.slots) {
    if (auto done = prepare_rule_counters(*image.slots); !done) {
      return fail(std::move(done.error()).in("rule counters"));
    }
  }
  std::optional<std::vector<kernel::LineRange>> changed;
  if (image.follows) changed = to_kernel(*compiler.changes());
  if (auto done = set_policy(image.lines(), changed); !done) {
    return fail(std::move(done.error()).in("policy image"));
  }
  kernel_has_compiled = !image.whole;
  if (image.slots) slots = std::move(image.slots);
  report.writes += 1;
  report.new_image = true;
  report.generation = last_generation;
  return {};
}

// Until it succeeds nobody knows which image the kernel compares the next one with.
Status Engine::State::set_policy(std::span<const nw_line> lines, std::optional<std::span<const kernel::LineRange>> changed) {
  kernel_has_compiled = false;
  const auto generation = std::max(last_generation, datapath->generation()) + 1;
  if (auto done = datapath->set_policy(lines, generation, changed); !done) return done;
  last_generation = generation;
  return {};
}

// Behind the enforcement, for the next change would wait for it. What fails here is done by that one, which says what failed.
void Engine::State::prepare_next_change() {
  if (!datapath) return;
  (void)(kernel_has_compiled ? datapath->catch_up(compiler.image().lines) : datapath->settle());
}

// A failure is said once; each tick tries again. Without the file a restart would not know whose the slots are.
void Engine::State::save_policy(const std::shared_ptr<const resolve::Resolved>& policy) {
  const auto done = write_policy_text(run_dir, policy_writer.text(policy, slots, status.generation, cost));
  const auto problem = done ? std::string() : "policy file: " + done.error().message();
  if (done) saved_generation = status.generation;
  if (!done && problem != policy_file_problem) emit(Event::Kind::failed, "", problem);
  policy_file_problem = problem;
}

}  // namespace nodewall::engine
