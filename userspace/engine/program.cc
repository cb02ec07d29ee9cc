// Engine::State::program: from Resolved to the kernel. The order leaves no gap: a packet that both policies deny does not pass, and
// one that both allow is not dropped, at any point in between.
//
//   coming:  settings, failsafe, local addresses, rule counters, image, adopted flows, entries, hooks
//   going:   hooks, entries, image
//
// A step that fails leaves what the steps before it wrote; the next attempt compares everything with the kernel.
#include <algorithm>
#include <set>

#include "engine/adoption.h"
#include "engine/engine_state.h"
#include "engine/kernel_values.h"

namespace nodewall::engine {
namespace {

// Blocks of counters of interfaces that went are kept for their return, up to this many.
constexpr std::size_t kKeptCounters = 256;

bool same_entries(const InterfaceEntries& a, const InterfaceEntries& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.endpoint == y.second.endpoint &&
           x.second.counter == y.second.counter && x.second.flags == y.second.flags;
  });
}

}  // namespace

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000ULL +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::optional<std::uint32_t> Engine::State::counter_for(const std::string& interface) {
  const auto found = interface_counters.find(interface);
  if (found != interface_counters.end()) return found->second;
  std::set<std::string> present;
  for (const auto& known : facts.interfaces) present.insert(known.name);
  if (interface_counters.size() > present.size() + kKeptCounters) {
    std::erase_if(interface_counters, [&](const auto& it) { return !present.contains(it.first); });
  }
  std::set<std::uint32_t> used;
  for (const auto& [name, block] : interface_counters) used.insert(block);
  std::uint32_t block = 0;
  while (used.contains(block)) ++block;
  if (block >= NW_MAX_INTERFACES) return std::nullopt;
  interface_counters.emplace(interface, block);
  (void)datapath->clear_counters(block);  // counts of an earlier owner: not worth failing for
  return block;
}

void Engine::State::choose_ingress(Governed& interface, std::uint32_t ifindex,
                                   const resolve::Settings& settings) const {
  interface.configured = ingress_hook(settings, interface.name);
  const auto old = governed.find(ifindex);
  if (old != governed.end() && old->second.name == interface.name &&
      old->second.configured == interface.configured) {
    interface.ingress = old->second.ingress;
    return;
  }
  const bool native = interface.configured == model::IngressHook::Auto &&
                      kernel::Datapath::driver_has_native_xdp(interface.name);
  // Drivers differ in what XDP sees of a frame without an Ethernet header; tc does not.
  const bool ethernet = (interface.entry.flags & NW_INTERFACE_L3) == 0;
  const bool xdp = ethernet && (interface.configured == model::IngressHook::Xdp || native);
  interface.ingress = xdp ? kernel::Hook::xdp : kernel::Hook::tc_ingress;
}

std::map<std::uint32_t, Governed> Engine::State::plan(const resolve::Resolved& next,
                                                      const compile::Slots& next_slots) {
  std::map<std::uint32_t, const resolve::InterfaceFacts*> by_index;
  for (const auto& known : facts.interfaces) by_index.emplace(known.ifindex, &known);
  std::map<std::uint32_t, Governed> result;
  for (const auto& assignment : next.assignments) {
    const auto known = by_index.find(assignment.ifindex);
    if (assignment.ifindex == 0 || known == by_index.end()) continue;
    Governed interface;
    interface.name = assignment.interface;
    interface.host_endpoint = next.endpoints[assignment.endpoint].host_endpoint;
    const auto slot = next_slots.endpoints.find(interface.host_endpoint);
    if (slot == next_slots.endpoints.end()) continue;
    interface.entry.endpoint = slot->second;
    interface.entry.flags = interface_flags(*known->second, next.endpoints[assignment.endpoint]);
    const auto counter = counter_for(interface.name);
    // Closed all the same: its packets are counted with block 0's.
    if (!counter) interface.problem = "no room for counters: more than 4096 interfaces";
    interface.entry.counter = counter.value_or(0);
    choose_ingress(interface, assignment.ifindex, next.settings);
    const auto old = governed.find(assignment.ifindex);
    if (old != governed.end()) {
      interface.hooks = old->second.hooks;
      interface.reported = old->second.reported;
    }
    result.emplace(assignment.ifindex, std::move(interface));
  }
  return result;
}

Status Engine::State::write_small_maps(const resolve::Resolved& next, ApplyReport& report) {
  const auto count = [&](Result<std::size_t> writes, std::string_view what) -> Status {
    if (!writes) return fail(std::move(writes.error()).in(what));
    report.writes += *writes;
    return {};
  };
  if (applied && applied->settings == next.settings &&
      applied->local_addresses == next.local_addresses &&
      applied->broadcast_addresses == next.broadcast_addresses) {
    return {};
  }
  if (auto done = count(datapath->set_settings(to_kernel(next.settings)), "settings"); !done) {
    return done;
  }
  if (auto done = count(datapath->set_failsafe(failsafe_entries(next.settings)), "failsafe ports");
      !done) {
    return done;
  }
  return count(datapath->set_local_addresses(local_entries(next)), "local addresses");
}

// Takes the hooks off interfaces that nobody governs any more. A hook that cannot be taken off judges nothing: its entry goes. The next
// tick tries again.
std::size_t Engine::State::release(const std::map<std::uint32_t, Governed>& next) {
  std::set<std::pair<std::uint32_t, kernel::Hook>> there;
  for (const auto& [ifindex, interface] : governed) {
    for (const auto& [hook, attached] : interface.hooks) there.emplace(ifindex, hook);
  }
  if (!applied || strays) {
    const auto attached = datapath->attached();
    strays = !attached;
    for (const auto& hook : attached.value_or(std::vector<kernel::AttachedHook>())) there.emplace(hook.ifindex, hook.hook);
  }
  std::size_t writes = 0;
  for (const auto& [ifindex, hook] : there) {
    if (next.contains(ifindex)) continue;
    const auto known = governed.find(ifindex);
    const auto name = known == governed.end() ? std::to_string(ifindex) : known->second.name;
    ++writes;
    const auto done = datapath->detach(ifindex, hook);
    if (done) emit(Event::Kind::detached, name, std::string(kernel::name(hook)) + " detached");
    else emit(Event::Kind::failed, name, "detach: " + done.error().message());
    strays = strays || !done;
  }
  return writes;
}

// T-C7: flows of interfaces that are governed for the first time. An interface that comes back is not adopted again: that would give
// a flow back that policy has cut.
void Engine::State::adopt_flows(const std::map<std::uint32_t, Governed>& next,
                                const InterfaceEntries& live,
                                const std::map<std::string, std::uint32_t>& known) {
  std::map<Address, std::uint32_t> begins;
  for (const auto& interface : facts.interfaces) {
    if (!next.contains(interface.ifindex) || live.contains(interface.ifindex)) continue;
    if (!first_enforcement && known.contains(interface.name)) continue;
    for (const auto& cidr : interface.addresses) begins.emplace(cidr.address, interface.ifindex);
  }
  if (begins.empty() && !(first_enforcement && !next.empty())) return;
  const auto flows = open_flows();
  if (!flows) {
    emit(Event::Kind::failed, "", "adopt open flows: " + flows.error().message());
    return;
  }
  const auto now = monotonic_ns();
  for (const auto& flow : *flows) {
    const auto found = begins.find(flow.local);
    // At first enforcement an address may be on an interface that the flow does not use.
    if (found == begins.end() && !first_enforcement) continue;
    const auto ifindex = found == begins.end() ? 0 : found->second;
    const auto seed = conntrack_seed(flow, now, datapath->generation(), ifindex);
    if (auto done = datapath->add_conntrack(seed.key, seed.entry); !done) {
      emit(Event::Kind::failed, "", "adopt open flows: " + done.error().message());
      return;
    }
  }
  if (!next.empty()) first_enforcement = false;
}

bool Engine::State::attach(std::uint32_t ifindex, Governed& interface, kernel::Hook hook,
                           ApplyReport& report) {
  auto attached = datapath->attach(ifindex, hook);
  if (attached) {
    if (!interface.hooks.contains(hook)) ++report.writes;
    interface.hooks[hook] = *attached;
    return true;
  }
  const auto text = std::string(kernel::name(hook)) + ": " + attached.error().message();
  if (!interface.problem.empty()) interface.problem += "; ";
  interface.problem += text;
  // A problem that stays is said once, however often it is tried again.
  if (interface.reported.insert(text).second) emit(Event::Kind::failed, interface.name, text);
  return false;
}

// Egress first: an answer to what the host sends while ingress is being closed finds its flow. A failing interface does not stop
// the others.
void Engine::State::attach_all(ApplyReport& report) {
  for (auto& [ifindex, interface] : governed) {
    const bool had_problem = !interface.problem.empty();
    const bool fresh = interface.hooks.empty();
    const auto want = [&](kernel::Hook hook) {
      return interface.hooks.contains(hook) || attach(ifindex, interface, hook, report);
    };
    bool whole = want(kernel::Hook::tc_egress);
    auto ingress = interface.ingress;
    bool has_ingress = want(ingress);
    if (!has_ingress && ingress == kernel::Hook::xdp) {
      ingress = kernel::Hook::tc_ingress;  // never open because XDP cannot be had
      has_ingress = want(ingress);
      if (has_ingress) interface.problem += "; judged at tc";
    }
    whole = whole && has_ingress;
    if (whole && interface.problem.empty()) interface.reported.clear();
    const auto other =
        ingress == kernel::Hook::xdp ? kernel::Hook::tc_ingress : kernel::Hook::xdp;
    if (has_ingress && interface.hooks.contains(other)) {
      ++report.writes;
      if (auto done = datapath->detach(ifindex, other)) interface.hooks.erase(other);
      else interface.problem = "detach: " + done.error().message();
    }
    if (whole && fresh && !had_problem) {
      emit(Event::Kind::attached, interface.name, "governed by " + interface.host_endpoint);
    }
  }
}

Result<ApplyReport> Engine::State::program(const std::shared_ptr<const resolve::Resolved>& shared) {
  const auto started = monotonic_ns();
  const auto& next = *shared;
  ApplyReport report;
  if (!datapath || datapath->conntrack_size() != next.settings.conntrack_size) {
    if (auto done = open_datapath(next.settings.conntrack_size); !done) return fail(done.error());
  }
  const auto live = live_entries(next, report);
  if (!live) return fail(live.error());
  const auto known_counters = interface_counters;
  auto image = build_image(shared, *live, report);
  if (!image) return fail(image.error());
  const auto begin = monotonic_ns();
  auto planned = plan(next, image->slots ? *image->slots : *slots);
  if (!applied) {
    // What an earlier engine attached is taken over, not attached again.
    if (const auto attached = datapath->attached()) {
      for (const auto& hook : *attached) {
        const auto found = planned.find(hook.ifindex);
        if (found != planned.end()) found->second.hooks[hook.hook] = hook;
      }
    }
  }
  changing = true;
  if (auto done = write_small_maps(next, report); !done) return fail(done.error());
  report.writes += release(planned);
  InterfaceEntries entries;
  for (const auto& [ifindex, interface] : planned) entries.emplace(ifindex, interface.entry);
  const auto put_entries = [&](const InterfaceEntries& wanted_entries) -> Status {
    auto writes = datapath->set_interfaces(wanted_entries);
    if (!writes) return fail(std::move(writes.error()).in("interfaces"));
    report.writes += *writes;
    return {};
  };
  const auto before = entries_before_flip(*live, entries);
  if (!same_entries(before, *live)) {
    if (auto done = put_entries(before); !done) return fail(done.error());
  }
  if (auto done = write_image(*image, report); !done) return fail(done.error());
  if (next.endpoints.empty()) first_enforcement = true;
  adopt_flows(planned, *live, known_counters);
  if (!same_entries(before, entries)) {
    if (auto done = put_entries(entries); !done) return fail(done.error());
  }
  governed = std::move(planned);
  attach_all(report);
  report.write_ns = monotonic_ns() - begin;
  report.enforced_ns = monotonic_ns() - started;
  applied = shared;
  changing = false;
  status.generation = report.generation;
  if (saved_generation != report.generation) {
    const auto enforced = monotonic_ns();
    save_policy(shared);
    report.save_ns = monotonic_ns() - enforced;
  }
  if (report.new_image) {
    emit(Event::Kind::policy_live, "", "generation " + std::to_string(report.generation));
  }
  return report;
}

}  // namespace nodewall::engine
